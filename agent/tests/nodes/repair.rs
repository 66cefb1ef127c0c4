//! Correct state stays, wrong state is corrected, and unwanted state is removed.
use flatnet_agent::desired::{Backend, Settings};

use crate::observe::Events;
use crate::wire::{Families, Wire, as_root, list, settings, talk};

#[test]
fn a_second_pass_and_a_restart_write_nothing_that_is_right() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, near) = (
            wire.on_segment(2, Families::Dual),
            wire.on_segment(3, Families::Dual),
        );
        let far = wire.behind_router(7, Families::Dual);
        let list = list([&a, &near, &far]);
        let events = Events::open(&a.ns);
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list);
        assert!(events.heard() > 0, "the first pass is heard");
        let before = a.ns.snapshot();
        assert_eq!(a.pass(&mut agent, &list), Vec::<String>::new());
        assert_eq!(events.heard(), 0);
        assert_eq!(a.ns.snapshot(), before);
        let restarted = a.pass(&mut a.agent(Backend::Auto), &list);
        assert_eq!(restarted, Vec::<String>::new());
        assert_eq!(events.heard(), 0);
    });
}

#[test]
fn a_node_that_leaves_takes_its_entries_with_it_and_the_last_one_the_tunnel() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b, c] = [2, 3, 4].map(|n| wire.behind_router(n, Families::Dual));
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a, &b, &c]));
        assert_eq!(
            (
                a.ns.fdb("flatnet.1").len(),
                a.ns.neighbours("flatnet.1").len(),
                a.ns.our_routes().len()
            ),
            (2, 4, 4)
        );
        let index = a.ns.device("flatnet.1")["ifindex"].clone();
        a.pass(&mut agent, &list([&a, &c]));
        assert_eq!(
            a.ns.fdb("flatnet.1"),
            [("0a:58:0a:f4:04:00".to_owned(), "172.30.4.2".to_owned())]
        );
        let left: Vec<_> =
            a.ns.neighbours("flatnet.1")
                .into_iter()
                .map(|(address, _)| address)
                .collect();
        assert_eq!(left, ["10.244.4.0", "fe80::858:aff:fef4:400"]);
        assert_eq!(a.ns.our_routes().len(), 2);
        assert_eq!(
            a.ns.device("flatnet.1")["ifindex"],
            index,
            "the device stays the same"
        );
        a.pass(&mut agent, &list([&a]));
        assert!(!a.ns.has_device("flatnet.1"));
        assert_eq!(a.ns.our_routes(), Vec::<String>::new());
        assert_eq!(a.ns.device("cni0")["mtu"], 1500);
    });
}

#[test]
fn a_node_that_changes_its_address_is_followed_from_segment_to_tunnel_and_back() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, near) = (
            wire.on_segment(2, Families::Dual),
            wire.on_segment(3, Families::Dual),
        );
        let mut moved = wire.behind_router(7, Families::Dual);
        moved.entry.pod_cidrs = near.entry.pod_cidrs.clone();
        let mut agent = a.agent(Backend::Auto);
        for round in 0..2 {
            a.pass(&mut agent, &list([&a, &near]));
            assert_eq!(
                a.ns.our_routes(),
                [
                    "10.244.3.0/24 via 172.18.0.3 dev eth0",
                    "fd00:10:244:3::/64 via fd00:18::3 dev eth0"
                ],
                "round {round}"
            );
            assert!(!a.ns.has_device("flatnet.1"));
            a.pass(&mut agent, &list([&a, &moved]));
            assert_eq!(
                a.ns.our_routes(),
                [
                    "10.244.3.0/24 via 10.244.3.0 dev flatnet.1 onlink",
                    "fd00:10:244:3::/64 via fe80::858:aff:fef4:300 dev flatnet.1",
                ],
                "round {round}"
            );
        }
        // And within the tunnel: one entry, replaced.
        moved.entry.addresses[0] = "172.30.8.2".parse().unwrap();
        let changes = a.pass(&mut agent, &list([&a, &moved]));
        assert_eq!(
            changes[1..],
            ["fdb 0a:58:0a:f4:03:00 dev flatnet.1 to 172.30.8.2: set"],
            "{changes:?}"
        );
        assert_eq!(
            a.ns.fdb("flatnet.1"),
            [("0a:58:0a:f4:03:00".to_owned(), "172.30.8.2".to_owned())]
        );
    });
}

#[test]
fn leftovers_of_ours_go_and_routes_of_others_stay() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.behind_router(n, Families::V4));
        let list = list([&a, &b]);
        a.pass(&mut a.agent(Backend::Auto), &list);
        for command in [
            "ip route add 10.244.9.0/24 via 172.30.2.1 proto 102",
            "ip route add 10.99.0.0/16 via 172.30.2.1",
            "ip neigh replace 10.244.9.0 lladdr 0a:58:0a:f4:09:00 dev flatnet.1 nud permanent",
            "bridge fdb add 0a:58:0a:f4:09:00 dev flatnet.1 dst 172.30.9.2",
            "ip link add name flatnet.5 address 0a:58:0a:f4:05:00 type vxlan id 5 dstport 8472 local 172.30.2.2 dev eth0",
            "ip link add name flatnet.6 type vxlan id 6 dstport 8472 local 172.30.2.2 dev eth0",
            "ip link add name vxlan9 type vxlan id 9 dstport 4790 local 172.30.2.2 dev eth0",
        ] {
            a.ns.run(command);
        }
        let changes = a.pass(&mut a.agent(Backend::Auto), &list);
        assert_eq!(
            changes,
            [
                "route 10.244.9.0/24 via 172.30.2.1: removed",
                "neighbour 10.244.9.0 dev flatnet.1: removed",
                "fdb 0a:58:0a:f4:09:00 dev flatnet.1: removed",
                "vxlan flatnet.5: removed, no node needs it",
            ]
        );
        assert_eq!(
            a.ns.our_routes(),
            ["10.244.3.0/24 via 10.244.3.0 dev flatnet.1 onlink"]
        );
        assert_eq!(
            (
                a.ns.fdb("flatnet.1").len(),
                a.ns.neighbours("flatnet.1").len()
            ),
            (1, 1)
        );
        assert!(!a.ns.has_device("flatnet.5"));
        assert!(a.ns.has_device("vxlan9"), "not the agent's");
        assert_eq!(
            a.ns.routes_to("10.99.0.0/16"),
            ["10.99.0.0/16 via 172.30.2.1 dev eth0"]
        );
    });
}

#[test]
fn wrong_routes_to_a_podcidr_are_replaced_whatever_their_protocol() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::Dual));
        let list = list([&a, &b]);
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list);
        let right = a.ns.our_routes();
        for command in [
            "ip route replace 10.244.3.0/24 via 172.18.0.66",
            "ip route replace blackhole 10.244.3.0/24",
            "ip route add 10.244.3.0/24 via 172.18.0.66 metric 7",
            "ip route append 10.244.3.0/24 via 172.18.0.66",
            "ip -6 route replace fd00:10:244:3::/64 via fd00:18::66",
            "ip -6 route replace blackhole fd00:10:244:3::/64",
            "ip -6 route add fd00:10:244:3::/64 via fd00:18::66 metric 7",
            "ip -6 route append fd00:10:244:3::/64 via fd00:18::66",
            "ip route del 10.244.3.0/24",
            "ip route add 10.244.2.0/24 via 172.18.0.3 metric 9",
        ] {
            a.ns.run(command);
            assert!(!a.pass(&mut agent, &list).is_empty(), "{command}");
            assert_eq!(a.ns.our_routes(), right, "{command}");
            assert_eq!(a.ns.routes_to("10.244.3.0/24").len(), 1, "{command}");
            assert_eq!(a.ns.routes_to("fd00:10:244:3::/64").len(), 1, "{command}");
            assert_eq!(a.ns.routes_to("10.244.2.0/24").len(), 1, "{command}");
            assert_eq!(a.pass(&mut agent, &list), Vec::<String>::new(), "{command}");
        }
    });
}

#[test]
fn a_damaged_tunnel_is_repaired_in_place_or_recreated() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.behind_router(n, Families::V4));
        let list = list([&a, &b]);
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list);
        b.pass(&mut b.agent(Backend::Auto), &list);
        let (pod_a, pod_b) = (a.pod(), b.pod());
        let index = a.ns.device("flatnet.1")["ifindex"].clone();
        for (spoil, kept) in [
            ("ip link set flatnet.1 address 02:00:00:00:00:01", true),
            ("ip link set flatnet.1 mtu 1300", true),
            ("ip link set flatnet.1 down", true),
            ("ip addr flush dev flatnet.1", true),
            ("ip addr add 10.244.77.0/32 dev flatnet.1", true),
            (
                "ip neigh replace 10.244.3.0 lladdr 02:00:00:00:00:01 dev flatnet.1 nud permanent",
                true,
            ),
            (
                "ip neigh replace 10.244.3.0 lladdr 0a:58:0a:f4:03:00 dev flatnet.1 nud stale",
                true,
            ),
            (
                "bridge fdb replace 0a:58:0a:f4:03:00 dev flatnet.1 dst 172.30.9.9",
                true,
            ),
            ("bridge fdb del 0a:58:0a:f4:03:00 dev flatnet.1", true),
            ("ip link del flatnet.1", false),
        ] {
            a.ns.run(spoil);
            assert!(!a.pass(&mut agent, &list).is_empty(), "{spoil}");
            assert_eq!(
                talk(&pod_a, &pod_b, "10.244.3.2").to_string(),
                "10.244.2.2",
                "{spoil}"
            );
            assert_eq!(
                a.ns.device("flatnet.1")["ifindex"] == index,
                kept,
                "{spoil}"
            );
            assert_eq!(a.ns.device("flatnet.1")["mtu"], 1450, "{spoil}");
            assert_eq!(a.ns.addresses("flatnet.1"), ["10.244.2.0/32"], "{spoil}");
            assert_eq!(a.pass(&mut agent, &list), Vec::<String>::new(), "{spoil}");
        }
        // A port other than the others'.
        a.ns.run("ip link del flatnet.1");
        a.ns.run("ip link add name flatnet.1 type vxlan id 1 dstport 4789 local 172.30.2.2 dev eth0 nolearning");
        a.pass(&mut agent, &list);
        assert_eq!(
            a.ns.device("flatnet.1")["linkinfo"]["info_data"]["port"],
            8472
        );
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
    });
}

#[test]
fn a_changed_podcidr_leaves_no_gateway_address_behind() {
    as_root(|| {
        let mut wire = Wire::new();
        let mut a = wire.on_segment(2, Families::Dual);
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a]));
        a.entry.pod_cidrs = vec![
            "10.244.20.0/24".parse().unwrap(),
            "fd00:10:244:20::/64".parse().unwrap(),
        ];
        a.pass(&mut agent, &list([&a]));
        assert_eq!(
            a.ns.addresses("cni0"),
            ["10.244.20.1/24", "fd00:10:244:20::1/64"]
        );
        assert_eq!(
            a.conflist()["plugins"][0]["ipam"]["ranges"][0][0]["subnet"],
            "10.244.20.0/24"
        );
        let table = a.ns.run("nft list table inet flatnet");
        assert!(
            table.contains("10.244.20.0/24") && !table.contains("10.244.2.0/24"),
            "{table}"
        );
        // The same gateway with another prefix length, as secondary of a wrong one.
        a.ns.run("ip addr flush dev cni0");
        a.ns.run("ip addr add 10.244.20.9/24 dev cni0");
        a.ns.run("ip addr add 10.244.20.1/24 dev cni0");
        a.pass(&mut agent, &list([&a]));
        assert_eq!(
            a.ns.addresses("cni0"),
            ["10.244.20.1/24", "fd00:10:244:20::1/64"]
        );
    });
}

#[test]
fn equal_podcidrs_are_reported_and_harm_no_other_node() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b, mut thief] = [2, 3, 4].map(|n| wire.on_segment(n, Families::V4));
        thief.entry.pod_cidrs = a.entry.pod_cidrs.clone();
        let mut agent = a.agent(Backend::Auto);
        let pass = a.any_pass(&mut agent, &list([&thief, &a, &b]));
        assert!(pass.ready);
        let messages: Vec<_> = pass.failures.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            ["node \"node4\" is left out: podCIDR 10.244.2.0/24 is also that of node \"node2\""]
        );
        assert_eq!(a.ns.our_routes(), ["10.244.3.0/24 via 172.18.0.3 dev eth0"]);
        let pass = b.any_pass(&mut b.agent(Backend::Auto), &list([&thief, &a, &b]));
        assert_eq!(pass.failures.len(), 1);
        assert_eq!(
            b.ns.our_routes(),
            ["10.244.2.0/24 via 172.18.0.4 dev eth0"],
            "the earlier one"
        );
    });
}

#[test]
fn a_table_that_was_deleted_or_changed_comes_back() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::V4);
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a]));
        for (harm, found) in [
            ("delete table inet flatnet", " is missing"),
            (
                "flush table inet flatnet",
                ": chain postrouting has 0 of 1 rules",
            ),
            (
                "flush set inet flatnet pods4",
                ": set pods4 has other elements",
            ),
        ] {
            a.ns.run(&format!("nft {harm}"));
            assert_eq!(
                a.pass(&mut agent, &list([&a])),
                [format!("nftables table inet flatnet{found}: written")]
            );
            let table = a.ns.run("nft list table inet flatnet");
            assert!(table.contains("masquerade") && table.contains("10.244.2.0/24"));
        }
    });
}

#[test]
fn something_else_of_that_name_is_an_error_and_stays() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::V4);
        a.ns.run("ip link add name cni0 type veth peer name other");
        let pass = a.any_pass(&mut a.agent(Backend::Auto), &list([&a]));
        assert!(!pass.ready);
        assert_eq!(
            pass.failures[0].to_string(),
            "cni0 is a veth device, not a bridge; remove it or choose another name"
        );
        assert!(!a.dir.path().join("conf").exists());
        let other = Settings {
            bridge: "pods0".into(),
            ..settings()
        };
        a.pass(&mut a.agent_with(other), &list([&a]));
        assert_eq!(a.conflist()["plugins"][0]["bridge"], "pods0");
        assert_eq!(a.ns.device("cni0")["linkinfo"]["info_kind"], "veth");
    });
}

#[test]
fn a_conflist_stays_while_the_node_is_not_in_order() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a, &b]));
        let (conflist, before) = (a.conflist(), a.ns.snapshot());
        let pass = a.any_pass(&mut agent, &list([&b]));
        assert!(!pass.ready && pass.failures[0].is_waiting() && pass.changes.is_empty());
        let mut unassigned = list([&a, &b]);
        unassigned.nodes[0].pod_cidrs.clear();
        let pass = a.any_pass(&mut agent, &unassigned);
        let message = pass.failures[0].to_string();
        assert_eq!(
            message,
            "node \"node2\" cannot be set up: it has no podCIDR yet"
        );
        assert_eq!((a.conflist(), a.ns.snapshot()), (conflist, before));
    });
}
