//! Rules of netfilter that packets of probes met, as its trace tells them; `nft` and `iptables` make the rules.
mod support;

use flatnet_model::kernel::AddressField;
use flatnet_model::probe::Transport;
use flatnet_model::probe::ask;
use flatnet_model::probe::watch::{Body, Met, RuleStep, RuleVerdict, Watched};
use support::{Net, Probe, all_transports, failed, heard, net_tests, target};

const TABLE: &str = "flatnet-trace";

#[track_caller]
fn watch(probe: &mut Probe, ports: &[u16]) {
    let watching = probe.ask(&ask::Watch {
        ports: ports.to_vec(),
        rules: Some(TABLE.to_owned()),
        drops: false,
    });
    assert_eq!((watching.packets, watching.rules), (Ok(()), Ok(())));
}

#[track_caller]
fn end(probe: &mut Probe) -> Watched {
    let watched = probe.ask(&ask::WatchEnd {});
    assert_eq!(watched.missed, 0);
    assert!(watched.rules.iter().all(|step| step.table != TABLE));
    watched
}

fn by_rules<'w>(watched: &'w Watched, verdict: &RuleVerdict) -> Vec<&'w RuleStep> {
    let steps = watched.rules.iter();
    steps
        .filter(|step| step.verdict == *verdict && matches!(step.met, Met::Rule { .. }))
        .collect()
}

fn is_tcp(step: &RuleStep) -> bool {
    matches!(&step.packet, Some(packet) if matches!(packet.body, Body::Tcp { .. }))
}

net_tests! {
    fn a_rule_that_drops_is_told_with_the_handle_that_nft_shows() {
        let (a, r, b) = Net::routed();
        r.nft("table inet filter { chain forward { type filter hook forward priority 0; meta nfproto ipv4 jump pods; }
            chain pods { ip saddr 10.9.1.0/24 oifname \"to-b\" counter drop comment \"no way\"; }; }");
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut router, &[port]);
        for outcome in client.dial(all_transports("10.9.2.2", port), 200, 1) {
            failed(&outcome);
        }
        // The way of IPv6 is open.
        for outcome in client.dial(all_transports("fd09:2::2", port), 2000, 1) {
            heard(&outcome);
        }
        let watched = end(&mut router);
        let dropped = by_rules(&watched, &RuleVerdict::Drop);

 let protocols: Vec<&str> = dropped.iter().map(|step| match step.packet.as_ref().unwrap().body {
            Body::Tcp { .. } => "tcp",
            Body::Udp { .. } => "udp",
            Body::Echo { .. } => "icmp",
            _ => "other",
        }).collect();
        for protocol in ["tcp", "udp", "icmp"] {
            assert!(protocols.contains(&protocol), "{protocols:?}");
        }
        assert!(!protocols.contains(&"other"), "{protocols:?}");
        for step in dropped {
            let met = Met::Rule {
                handle: r.rule_handle("inet", "comment \"no way\""),
                text: Some("ip saddr 10.9.1.0/24 oifname \"to-b\" counter drop comment \"no way\"".to_owned()),
                rewrites: Vec::new(),
            };
            assert_eq!((step.family.as_str(), step.table.as_str(), step.chain.as_str()), ("inet", "filter", "pods"));
            assert_eq!(step.met, met);
            assert_eq!((step.iif.as_deref(), step.oif.as_deref()), (Some("to-a"), Some("to-b")));
            // The jump that led there belongs to the same packet.
            let jump = RuleVerdict::Jump("pods".to_owned());
            assert!(watched.rules.iter().any(|other| other.id == step.id && other.verdict == jump), "{watched:#?}");
        }
    }

    fn the_nonce_of_an_echo_is_that_of_its_sightings() {
        let (a, r, b) = Net::routed();
        r.nft("table ip filter { chain forward { type filter hook forward priority 0; icmp type echo-request drop; }; }");
        let (mut client, mut router) = (a.probe(), r.probe());
        let _server = b.probe();
        watch(&mut router, &[]);
        client.dial(vec![target(Transport::Icmp, "10.9.2.2", 0)], 200, 1);
        let watched = end(&mut router);
        let Body::Echo { message: seen, .. } = &watched.sightings.iter()
            .find(|seen| matches!(seen.packet.body, Body::Echo { .. })).unwrap().packet.body else { panic!() };
        let dropped = by_rules(&watched, &RuleVerdict::Drop);
        let Body::Echo { message: traced, .. } = &dropped[0].packet.as_ref().unwrap().body else { panic!() };
        assert_eq!(seen, traced);
    }

    fn a_policy_that_drops_is_told_as_that() {
        let (a, r, b) = Net::routed();
        r.run("iptables-nft -P FORWARD DROP");
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut router, &[port]);
        client.dial(vec![target(Transport::Tcp, "10.9.2.2", port)], 200, 1);
        let watched = end(&mut router);
        let ended = watched.rules.iter().find(|step| step.verdict == RuleVerdict::Drop).unwrap();
        assert_eq!((ended.family.as_str(), ended.table.as_str(), ended.chain.as_str()), ("ip", "filter", "FORWARD"));
        assert_eq!(ended.met, Met::Policy);
        assert!(is_tcp(ended), "{ended:?}");
    }

    fn a_reject_of_iptables_is_told_with_its_target() {
        let (a, r, b) = Net::routed();
        r.run("iptables-nft -A FORWARD -p tcp -j REJECT --reject-with icmp-host-prohibited");
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut router, &[port]);
        client.dial(vec![target(Transport::Tcp, "10.9.2.2", port)], 200, 1);
        let watched = end(&mut router);
        let ended = by_rules(&watched, &RuleVerdict::Drop);
        let Met::Rule { handle: met, text: Some(text), .. } = &ended[0].met else { panic!("{ended:?}") };
        assert_eq!(text, "meta l4proto tcp counter xt target \"REJECT\" with icmp-host-prohibited");
        assert_eq!(*met, r.rule_handle("ip", "reject with icmp"));
        assert!(is_tcp(ended[0]), "{ended:?}");
    }

    fn a_masquerade_is_named() {
        let (a, r, b) = Net::routed();
        r.nft("table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"to-b\" masquerade; }; }");
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut router, &[port]);
        heard(&client.dial(vec![target(Transport::Tcp, "10.9.2.2", port)], 2000, 1)[0]);
        let watched = end(&mut router);
        let step = watched.rules.iter().find(|step| step.table == "nat" && matches!(step.met, Met::Rule { .. }));
        let expected = Met::Rule {
            handle: r.rule_handle("ip", "masquerade"),
            text: Some("oifname \"to-b\" masquerade".to_owned()),
            rewrites: vec![AddressField::Source],
        };
        assert_eq!(step.unwrap().met, expected);
    }

    fn a_bridge_family_rule_is_seen_where_no_other_hook_is() {
        let (a, switch, b) = Net::switched();
        switch.nft("table bridge guard { chain forward { type filter hook forward priority 0; ip protocol udp drop; }; }");
        let (mut client, mut node, mut server) = (a.probe(), switch.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut node, &[port]);
        failed(&client.dial(vec![target(Transport::Udp, "10.9.3.2", port)], 300, 1)[0]);
        let watched = end(&mut node);
        let dropped = by_rules(&watched, &RuleVerdict::Drop);
        assert_eq!((dropped[0].family.as_str(), dropped[0].table.as_str()), ("bridge", "guard"));
        let Met::Rule { handle: met, .. } = dropped[0].met else { panic!("{dropped:?}") };
        assert_eq!(met, switch.rule_handle("bridge", "drop"));
    }

    fn rules_of_devices_are_seen_before_every_other_hook_and_after_it() {
        let (a, r, b) = Net::routed();
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        for (hook, device) in [("ingress", "to-a"), ("egress", "to-b")] {
            r.nft(&format!("table netdev guard {{ chain at {{ type filter hook {hook} device \"{device}\" priority 0; ip daddr 10.9.2.2 drop; }}; }}"));
            watch(&mut router, &[port]);
            for outcome in client.dial(all_transports("10.9.2.2", port), 200, 1) {
                failed(&outcome);
            }
            let watched = end(&mut router);
            let dropped = by_rules(&watched, &RuleVerdict::Drop);
            assert!(dropped.len() >= 3, "{hook}: {watched:#?}");
            for step in dropped {
                assert_eq!((step.family.as_str(), step.table.as_str(), step.chain.as_str()), ("netdev", "guard", "at"));
                let Met::Rule { handle: met, .. } = step.met else { panic!("{step:?}") };
                assert_eq!(met, r.rule_handle("netdev", "drop"));
                let packet = step.packet.as_ref().unwrap();
                assert_eq!(packet.destination.to_string(), "10.9.2.2");
            }
            r.run("nft delete table netdev guard");
        }
    }

    /// A chain takes 255 devices at most.
    fn rules_of_devices_are_traced_however_many_there_are() {
        let (a, r, b) = Net::routed();
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        for number in 1..=300 {
            r.run(&format!("ip link add d{number} type bridge"));
        }
        r.nft("table netdev guard { chain at { type filter hook ingress device \"to-a\" priority 0; ip daddr 10.9.2.2 drop; }; }");
        let watching = router.ask(&ask::Watch { ports: vec![port], rules: Some(TABLE.to_owned()), drops: false });
        assert_eq!((watching.rules, watching.no_device_rules), (Ok(()), None));
        let listed = r.run(&format!("nft list table netdev {TABLE}"));
        assert!(listed.contains("d300") && listed.contains("to-a"), "{listed}");
        for outcome in client.dial(all_transports("10.9.2.2", port), 200, 1) {
            failed(&outcome);
        }
        let watched = end(&mut router);
        assert!(by_rules(&watched, &RuleVerdict::Drop).len() >= 3, "{watched:#?}");
    }

    fn a_tunnelled_datagram_is_traced_before_it_is_taken_out() {
        let (a, b) = Net::tunnelled(42, 8472);
        let (mut client, mut server) = (a.probe(), b.probe());
        let port = server.listen("there");
        let all: Vec<_> = [all_transports("10.9.4.2", port), all_transports("fd09:4::2", port)].concat();
        // Neighbours are known from here on.
        client.dial(all.clone(), 4000, 2);
        b.nft("table inet guard { chain input { type filter hook input priority 0; udp dport 8472 drop; }; }");
        watch(&mut server, &[port]);
        for outcome in client.dial(all, 300, 1) {
            failed(&outcome);
        }
        let watched = end(&mut server);
        let dropped = by_rules(&watched, &RuleVerdict::Drop);
        // Those of three transports, of both families; TCP may have repeated its segment.
        assert!(dropped.len() >= 6, "{dropped:#?}");
        for step in dropped {
            let Body::Udp { destination: 8472, .. } = step.packet.as_ref().unwrap().body else { panic!("{step:?}") };
        }
    }

    fn the_tables_are_gone_after_the_end_and_with_the_probe() {
        let net = Net::new();
        let mut probe = net.probe();
        let tables = || net.run("nft list tables");
        watch(&mut probe, &[1]);
        let listed = tables();
        for family in ["inet", "bridge", "netdev"] {
            assert!(listed.contains(&format!("table {family} {TABLE}")), "{listed}");
        }
        end(&mut probe);
        assert_eq!(tables(), "");
        watch(&mut probe, &[1]);
        // A second one of that name takes the first one's place.
        watch(&mut probe, &[2]);
        assert!(tables().contains(TABLE));
        drop(probe);
        await_none(&net);
    }

    fn a_table_of_another_by_that_name_is_left_alone() {
        let net = Net::new();
        net.nft(&format!("table inet {TABLE} {{ chain theirs {{ }}; }}"));
        let mut probe = net.probe();
        let watching = probe.ask(&ask::Watch { ports: vec![], rules: Some(TABLE.to_owned()), drops: false });
        let why = watching.rules.unwrap_err();
        assert!(why.contains("File exists") || why.contains("EEXIST"), "{why}");
        assert_eq!(watching.packets, Ok(()));
        probe.ask(&ask::WatchEnd {});
        assert!(net.run("nft list tables").contains(TABLE));
    }

    fn a_killed_probe_leaves_no_table() {
        let net = Net::new();
        let mut probe = net.probe_process();
        let watching = probe.ask(&ask::Watch { ports: vec![7777], rules: Some(TABLE.to_owned()), drops: false });
        assert_eq!(watching.rules, Ok(()));
        assert!(net.run("nft list tables").contains(TABLE));
        probe.kill();
        await_none(&net);
    }
}

/// The kernel takes the tables away when the sockets are closed, which a thread does that was told to end.
#[track_caller]
fn await_none(net: &Net) {
    let begun = std::time::Instant::now();
    while !net.run("nft list tables").is_empty() {
        assert!(
            begun.elapsed().as_secs() < 10,
            "{}",
            net.run("nft list tables")
        );
    }
}
