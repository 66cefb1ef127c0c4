//! What the kernel counts while packets of probes are watched, and why it drops them.
mod support;

use std::process::Command;
use std::time::SystemTime;

use flatnet_model::probe::ask;
use flatnet_model::probe::watch::{Watched, Watching};
use flatnet_model::probe::{DialRequest, Transport};
use support::{Net, Probe, failed, heard, net_tests, target};

#[track_caller]
fn watch(probe: &mut Probe, port: u16, drops: bool) -> Watching {
    probe.ask(&ask::Watch {
        ports: vec![port],
        rules: None,
        drops,
    })
}

#[track_caller]
fn end(probe: &mut Probe) -> Watched {
    probe.ask(&ask::WatchEnd {})
}

/// Requests that fail one after the other.
#[track_caller]
fn burst(probe: &mut Probe, request: DialRequest, times: usize) {
    for outcome in probe.dial(vec![request; times], 150, 1) {
        failed(&outcome);
    }
}

/// A router whose strict reverse path filter refuses what comes from `a`: the way back leads elsewhere.
fn strict() -> (Net, Net, Net) {
    let (a, r, b) = Net::routed();
    // The filter refuses the question for its own address too.
    let link = r.run("ip -o link show dev to-a");
    let (_, mac) = link.split_once("link/ether ").expect(&link);
    let mac = mac.split_whitespace().next().unwrap_or_default();
    a.run(&format!(
        "ip neigh replace 10.9.1.254 lladdr {mac} dev eth0"
    ));
    r.sysctl("ipv4/conf/to-a/rp_filter", "1");
    r.run("ip route add 10.9.1.1/32 dev to-b");
    (a, r, b)
}

net_tests! {
    fn a_reverse_path_filter_counts_what_it_drops() {
        let (a, r, b) = strict();
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        let watching = watch(&mut router, port, false);
        assert_eq!(watching.legacy, Ok(()));
        burst(&mut client, target(Transport::Udp, "10.9.2.2", port), 7);
        let watched = end(&mut router);
        assert_eq!(watched.counters.get("TcpExt.IPReversePathFilter"), Some(&7), "{watched:?}");
        assert!(watched.devices["to-a"].rx_packets >= 7, "{:?}", watched.devices);
        assert!(!watched.counters.contains_key("Ip.ForwDatagrams"), "{:?}", watched.counters);
        // What moved before the watch is not part of it.
        watch(&mut router, port, false);
        let watched = end(&mut router);
        assert!(!watched.counters.contains_key("TcpExt.IPReversePathFilter"), "{watched:?}");
    }

    fn a_missing_route_is_counted_and_settings_are_not() {
        let (a, r, b) = Net::routed();
        let (mut client, mut router) = (a.probe(), r.probe());
        let _server = b.probe();
        watch(&mut router, 7, false);
        burst(&mut client, target(Transport::Udp, "10.77.0.1", 7), 3);
        let watched = end(&mut router);
        assert_eq!(watched.counters.get("IpExt.InNoRoutes"), Some(&3), "{:?}", watched.counters);
        assert!(!watched.counters.keys().any(|name| name == "Ip.Forwarding"));
        assert!(watched.legacy.is_empty());
    }

    fn rules_of_legacy_iptables_that_matched_are_told() {
        let (a, r, b) = Net::routed();
        // The usual lock belongs to root.
        let lock = tempfile::NamedTempFile::new().unwrap();
        for rule in ["-s 10.9.7.0/24", "-p udp"] {
            r.run(&format!("env XTABLES_LOCKFILE={} iptables-legacy -A FORWARD {rule} -j DROP", lock.path().display()));
        }
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        assert_eq!(watch(&mut router, port, false).legacy, Ok(()));
        burst(&mut client, target(Transport::Udp, "10.9.2.2", port), 5);
        heard(&client.dial(vec![target(Transport::Tcp, "10.9.2.2", port)], 2000, 1)[0]);
        let watched = end(&mut router);
        let rules: Vec<_> = watched
            .legacy
            .iter()
            .map(|rule| (rule.family.as_str(), rule.table.as_str(), rule.rule.as_str()))
            .collect();
        assert_eq!(rules, [("ip", "filter", "-A FORWARD -p udp -j DROP"), ("ip", "filter", "-P FORWARD ACCEPT")]);
        assert_eq!(watched.legacy[0].packets, 5);
    }

    fn the_kernel_tells_why_it_drops_or_why_it_does_not() {
        let (a, r, b) = strict();
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        let watching = watch(&mut router, port, true);
        let since_1970 = || SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64;
        let before = since_1970();
        burst(&mut client, target(Transport::Udp, "10.9.2.2", port), 9);
        let watched = end(&mut router);
        if let Err(why) = watching.drops {
            // Root of this machine itself can; others are told what they lack.
            assert!(!is_root(), "{why}");
            assert!(why.contains("not permitted") || why.contains("permission denied"), "{why}");
            assert!(watched.drops.is_empty());
            return;
        }
        // Other tests' packets may be among them.
        let told = watched.drops.iter().find(|drop| drop.reason == "IP_RPFILTER");
        let told = told.unwrap_or_else(|| panic!("{:?}", watched.drops));
        assert!(told.packets >= 9, "{told:?}");
        assert!(told.place.starts_with("ip_"), "{told:?}");
        // Those of other tests may be from before.
        let (after, at_ns) = (since_1970(), &told.at_ns);
        let meanwhile = at_ns.iter().filter(|at| (before..=after).contains(at)).count();
        assert!(meanwhile >= 9 && at_ns.is_sorted(), "{before} {after} {told:?}");
    }
}

/// Of the machine, not of a user namespace.
fn is_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let output = Command::new("id").arg("-u").output();
    let is_root = output.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    is_root && map.split_whitespace().eq(["0", "0", "4294967295"])
}
