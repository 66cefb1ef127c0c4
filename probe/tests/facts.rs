//! Facts against what iproute2 reads from the same kernel.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::collections::BTreeSet;

use flatnet_model::probe::{Facts, RouteOutcome, ask};
use flatnet_netlink::Flow;
use serde_json::Value;
use support::{Net, Probe, net_tests};

/// A node in small: a bridge with a pod's host end and its gateway address, a vxlan device with a peer, an uplink.
/// With it the pod, and what is behind the uplink.
fn node() -> (Net, Net, Net) {
    let (node, pod, wire) = (Net::new(), Net::new(), Net::new());
    node.join("up0", &["172.18.0.2/16"], &wire, "up0", &["172.18.0.1/16"]);
    node.join(
        "veth1",
        &[],
        &pod,
        "eth0",
        &["10.244.1.7/24", "fd44:1::7/64"],
    );
    for line in [
        "ip link add br0 type bridge",
        "ip link set dev br0 address 0a:58:0a:f4:01:01 mtu 1450 up",
        "ip link set dev veth1 master br0",
        "bridge link set dev veth1 hairpin on",
        "ip addr add 10.244.1.1/24 dev br0",
        "ip addr add fd44:1::1/64 dev br0",
        "ip link add vx0 type vxlan id 42 dstport 8472 local 172.18.0.2 dev up0 nolearning",
        "ip link set dev vx0 up",
        "ip route add default via 172.18.0.1",
        "ip route add 10.244.2.0/24 via 10.244.2.0 dev vx0 onlink",
        "ip route add blackhole 10.244.0.0/16",
        "ip route add 10.99.0.0/16 dev up0 src 172.18.0.2 metric 7",
        "ip -6 route add fd44:2::/64 via fd44:1::7",
        "ip neigh add 10.244.2.0 lladdr 0a:58:0a:f4:02:00 dev vx0 nud permanent",
        "ip neigh add fd44:1::9 lladdr 0a:58:0a:f4:02:09 dev br0 nud permanent",
        "bridge fdb add 0a:58:0a:f4:02:00 dev vx0 dst 172.18.0.3 self permanent",
    ] {
        node.run(line);
    }
    pod.run("ip route add default via 10.244.1.1");
    (node, pod, wire)
}

#[track_caller]
fn facts(probe: &mut Probe) -> Facts {
    probe.ask(&ask::Facts {})
}

fn observed(net: &Net, line: &str) -> Vec<Value> {
    serde_json::from_str(&net.run(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn name(facts: &Facts, index: u32) -> String {
    facts
        .links
        .iter()
        .find(|link| link.index == index)
        .unwrap()
        .name
        .clone()
}

net_tests! {
    fn routes_are_those_of_ip_route_get() {
        let (node, _pod, _wire) = node();
        node.run("ip rule add to 10.66.0.0/16 lookup 66");
        node.run("ip route add 10.66.0.0/16 via 172.18.0.9 table 66");
        let facts = facts(&mut node.probe());
        let index = |name: &str| facts.links.iter().find(|link| link.name == name).unwrap().index;
        let mut incoming = Flow::to("10.244.2.9".parse().unwrap());
        (incoming.from, incoming.iif) = (Some("10.244.1.7".parse().unwrap()), Some(index("br0")));
        node.within(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        let flows = vec![
            Flow::to("10.66.1.1".parse().unwrap()),
            incoming,
            Flow::to("10.244.77.1".parse().unwrap()),
        ];
        let ways = node.probe().ask(&ask::Routes { flows }).routes;
        assert_eq!(ways.len(), 3);
        let shown = [
            observed(&node, "ip -j route get 10.66.1.1"),
            observed(&node, "ip -j route get 10.244.2.9 from 10.244.1.7 iif br0"),
        ];
        for (way, shown) in ways.iter().zip(&shown) {
            let RouteOutcome::Found(route) = way else { panic!("{way:?}") };
            assert_eq!(route.gateway.map(|ip| ip.to_string()).as_deref(), shown[0]["gateway"].as_str());
            assert_eq!(Some(name(&facts, route.oif.unwrap()).as_str()), shown[0]["dev"].as_str());
        }
        assert!(matches!(&ways[2], RouteOutcome::Refused { detail, .. } if !detail.is_empty()), "{ways:?}");
    }

    fn links_are_those_of_ip_link() {
        let (node, _pod, _wire) = node();
        let facts = facts(&mut node.probe());
        let ours: BTreeSet<_> = facts
            .links
            .iter()
            .map(|link| {
                let master = link.master.map(|index| name(&facts, index)).unwrap_or_default();
                let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
                (link.name.clone(), link.index, link.kind.clone(), u64::from(link.mtu), mac, master, link.operstate.clone())
            })
            .collect();
        let theirs: BTreeSet<_> = observed(&node, "ip -j -d link")
            .iter()
            .map(|link| {
                let index = u32::try_from(link["ifindex"].as_u64().unwrap()).unwrap();
                let (kind, mtu) = (text(&link["linkinfo"]["info_kind"]), link["mtu"].as_u64().unwrap());
                (text(&link["ifname"]), index, kind, mtu, text(&link["address"]), text(&link["master"]), text(&link["operstate"]))
            })
            .collect();
        assert_eq!(ours, theirs);
        let by_name = |name: &str| facts.links.iter().find(|link| link.name == name).unwrap();
        assert!(by_name("veth1").port.unwrap().hairpin);
        let vxlan = by_name("vx0").vxlan.clone().unwrap();
        assert_eq!((vxlan.vni, vxlan.port, vxlan.learning), (42, 8472, false));
    }

    fn settings_of_an_interface_are_there_where_they_differ_from_those_of_all() {
        let (node, _pod, _wire) = node();
        node.run("ip link add name a.b type bridge");
        let set = |path: &str, value: &str| {
            let path = format!("/proc/sys/net/{path}");
            node.within(|| std::fs::write(path, value).unwrap());
        };
        set("ipv4/conf/all/forwarding", "1");
        set("ipv4/conf/br0/forwarding", "0");
        set("ipv4/conf/all/rp_filter", "0");
        set("ipv4/conf/up0/rp_filter", "1");
        set("ipv6/conf/a.b/disable_ipv6", "1");
        let facts = facts(&mut node.probe());
        assert_eq!(facts.setting("ipv4", "br0", "forwarding"), Some("0"));
        assert_eq!(facts.setting("ipv4", "up0", "forwarding"), Some("1"));
        assert_eq!(facts.setting("ipv4", "up0", "rp_filter"), Some("1"));
        assert_eq!(facts.setting("ipv6", "a.b", "disable_ipv6"), Some("1"));
        assert_eq!(facts.setting("ipv6", "br0", "disable_ipv6"), Some("0"));
        assert!(!facts.sysctls.contains_key("ipv4.conf.up0.forwarding"), "{:?}", facts.sysctls);
    }

    fn an_address_that_failed_duplicate_address_detection_is_marked() {
        let (_node, pod, _wire) = node();
        pod.within(|| std::fs::write("/proc/sys/net/ipv6/conf/eth0/accept_dad", "1").unwrap());
        pod.run("ip addr add fd44:1::1/64 dev eth0");
        let failed = |address: &Value| address["dadfailed"].as_bool().unwrap_or_default();
        let by_ip = || -> BTreeSet<String> {
            let links = observed(&pod, "ip -j -6 addr show dev eth0");
            let all = links.iter().flat_map(|link| link["addr_info"].as_array().unwrap());
            all.filter(|address| failed(address)).map(|address| text(&address["local"])).collect()
        };
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while by_ip().is_empty() && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let facts = facts(&mut pod.probe());
        let ours = facts.addresses.iter().filter(|address| address.dad_failed);
        let ours: BTreeSet<String> = ours.map(|address| address.net.addr().to_string()).collect();
        assert_eq!(ours, BTreeSet::from(["fd44:1::1".to_owned()]));
        assert_eq!(ours, by_ip());
    }

    fn addresses_are_those_of_ip_addr() {
        let (node, _pod, _wire) = node();
        let facts = facts(&mut node.probe());
        let ours: BTreeSet<_> = facts.addresses.iter().map(|a| (name(&facts, a.index), a.net.to_string(), a.scope.clone())).collect();
        let mut theirs = BTreeSet::new();
        for link in observed(&node, "ip -j addr") {
            for address in link["addr_info"].as_array().unwrap() {
                let net = format!("{}/{}", text(&address["local"]), address["prefixlen"]);
                theirs.insert((text(&link["ifname"]), net, text(&address["scope"])));
            }
        }
        assert_eq!(ours, theirs);
        assert!(ours.contains(&("br0".to_owned(), "10.244.1.1/24".to_owned(), "global".to_owned())));
    }

    fn routes_are_those_of_ip_route() {
        let (node, pod, _wire) = node();
        for net in [&node, &pod] {
            let facts = facts(&mut net.probe());
            let mut ours = BTreeSet::new();
            for route in &facts.routes {
                let dst = match route.dst {
                    all if all.prefix_len() == 0 => "default".to_owned(),
                    one if one.prefix_len() == one.max_prefix_len() => one.addr().to_string(),
                    net => net.to_string(),
                };
                let gateway = route.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
                let dev = route.oif.map(|index| name(&facts, index)).unwrap_or_default();
                let src = route.src.map(|src| src.to_string()).unwrap_or_default();
                ours.insert((dst, gateway, dev, src, route.metric.unwrap_or_default(), route.onlink));
            }
            let mut theirs = BTreeSet::new();
            for family in ["-4", "-6"] {
                for route in observed(net, &format!("ip -j {family} route")) {
                    let onlink = route["flags"].as_array().unwrap().iter().any(|flag| flag == "onlink");
                    let metric = u32::try_from(route["metric"].as_u64().unwrap_or_default()).unwrap();
                    theirs.insert((text(&route["dst"]), text(&route["gateway"]), text(&route["dev"]), text(&route["prefsrc"]), metric, onlink));
                }
            }
            assert_eq!(ours, theirs);
        }
    }

    fn neighbours_are_those_of_ip_neigh() {
        let (node, _pod, _wire) = node();
        let facts = facts(&mut node.probe());
        // Learnt ones come and go by themselves; multicast ones (NOARP) are not shown without being asked for.
        let ours: BTreeSet<_> = facts
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.state == "PERMANENT")
            .map(|n| (n.address.to_string(), name(&facts, n.index), n.mac.unwrap().to_string()))
            .collect();
        let theirs: BTreeSet<_> = observed(&node, "ip -j neigh show nud permanent")
            .iter()
            .map(|neighbour| (text(&neighbour["dst"]), text(&neighbour["dev"]), text(&neighbour["lladdr"])))
            .collect();
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 2);
    }

    fn forwarding_entries_are_those_of_bridge_fdb() {
        let (node, _pod, _wire) = node();
        let facts = facts(&mut node.probe());
        let ours: BTreeSet<_> = facts
            .fdb
            .iter()
            // What the bridge has learnt comes and goes.
            .filter(|entry| !matches!(&entry.state[..], "REACHABLE" | "STALE"))
            .map(|entry| (entry.mac.to_string(), name(&facts, entry.index), entry.dst.map(|dst| dst.to_string()).unwrap_or_default()))
            .collect();
        let theirs: BTreeSet<_> = observed(&node, "bridge -j fdb show")
            .iter()
            .filter(|entry| entry["state"] == "permanent")
            .map(|entry| (text(&entry["mac"]), text(&entry["ifname"]), text(&entry["dst"])))
            .collect();
        assert_eq!(ours, theirs);
        assert!(ours.contains(&("0a:58:0a:f4:02:00".to_owned(), "vx0".to_owned(), "172.18.0.3".to_owned())));
    }

    fn sysctls_and_counters_are_of_this_namespace() {
        let (node, pod, _wire) = node();
        node.sysctl("ipv4/ip_forward", "1");
        node.sysctl("ipv4/conf/all/rp_filter", "2");
        let (mut probe, inside) = (node.probe(), facts(&mut pod.probe()));
        let before = facts(&mut probe);
        assert_eq!((&before.sysctls["ipv4.ip_forward"][..], &inside.sysctls["ipv4.ip_forward"][..]), ("1", "0"));
        assert_eq!((&before.sysctls["ipv4.conf.all.rp_filter"][..], &before.sysctls["ipv6.conf.all.forwarding"][..]), ("2", "0"));
        // 2000 bytes do not fit into the bridge's 1450 and are cut in two.
        node.within(|| {
            let socket = std::net::UdpSocket::bind("10.244.1.1:0").unwrap();
            socket.send_to(&[0; 2000], "10.244.1.7:9").unwrap();
        });
        let after = facts(&mut probe);
        let grown = |counter: &str| after.counters[counter] - before.counters[counter];
        assert_eq!((grown("Ip.FragOKs"), grown("Ip.FragCreates")), (1, 2));
        assert!(before.counters.contains_key("Ip6.FragCreates") && before.counters.contains_key("Udp.InDatagrams"));
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(before.hostname, hostname.trim());
    }
}
