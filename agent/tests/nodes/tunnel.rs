//! Nodes behind a router.
use flatnet_agent::desired::{Backend, Settings};
use flatnet_netlink::MacAddr;

use crate::wire::{Families, TestNode, Wire, as_root, list, settings, talk};

/// Two nodes behind the router, set up.
fn pair(families: Families) -> (Wire, TestNode, TestNode) {
    let mut wire = Wire::new();
    let [a, b] = [2, 3].map(|n| wire.behind_router(n, families));
    let list = list([&a, &b]);
    for node in [&a, &b] {
        node.pass(&mut node.agent(Backend::Auto), &list);
    }
    (wire, a, b)
}

fn pairs(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn one_route_one_neighbour_and_one_fdb_entry_a_node() {
    as_root(|| {
        let (_wire, a, b) = pair(Families::V4);
        assert_eq!(
            a.ns.our_routes(),
            ["10.244.3.0/24 via 10.244.3.0 dev flatnet.1 onlink"]
        );
        let mac = "0a:58:0a:f4:03:00";
        assert_eq!(a.ns.neighbours("flatnet.1"), pairs(&[("10.244.3.0", mac)]));
        assert_eq!(a.ns.fdb("flatnet.1"), pairs(&[(mac, "172.30.3.2")]));
        let device = b.ns.device("flatnet.1");
        assert_eq!(device["address"], mac);
        assert_eq!(device["mtu"], 1450);
        let data = &device["linkinfo"]["info_data"];
        assert_eq!((&data["id"], &data["port"]), (&1.into(), &8472.into()));
        assert_eq!(
            (&data["local"], &data["link"]),
            (&"172.30.3.2".into(), &"eth0".into())
        );
        assert_eq!(data["learning"], false);
        assert_eq!(b.ns.addresses("flatnet.1"), ["10.244.3.0/32"]);
        assert_eq!(b.conflist()["plugins"][0]["mtu"], 1450);
    });
}

#[test]
fn pods_and_nodes_reach_each_other_under_their_own_addresses_even_with_strict_filtering() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.behind_router(n, Families::V4));
        let list = list([&a, &b]);
        for node in [&a, &b] {
            node.ns.set_sysctl("ipv4/conf/all/rp_filter", "1");
            node.pass(&mut node.agent(Backend::Auto), &list);
        }
        assert_eq!(a.ns.sysctl("ipv4/conf/eth0/rp_filter"), "2");
        assert_eq!(
            a.ns.sysctl("ipv4/conf/cni0/rp_filter"),
            "0",
            "not where it is not needed"
        );
        let (pod_a, pod_b) = (a.pod(), b.pod());
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
        assert_eq!(talk(&pod_b, &pod_a, "10.244.2.2").to_string(), "10.244.3.2");
        assert_eq!(talk(&pod_a, &b.ns, "172.30.3.2").to_string(), "10.244.2.2");
        assert_eq!(
            talk(&a.ns, &pod_b, "10.244.3.2").to_string(),
            "10.244.2.0",
            "the node's tunnel address"
        );
    });
}

#[test]
fn ipv6_within_ipv6() {
    as_root(|| {
        let (_wire, a, b) = pair(Families::V6);
        let mac = MacAddr::from_ip("fd00:10:244:3::".parse().unwrap()).to_string();
        let [a0, b0, c0, d0, e0, f0] = mac.parse::<MacAddr>().unwrap().0;
        let hop = format!(
            "fe80::{:x}{b0:02x}:{c0:x}ff:fe{d0:02x}:{e0:x}{f0:02x}",
            a0 ^ 2
        );
        assert_eq!(
            a.ns.our_routes(),
            [format!("fd00:10:244:3::/64 via {hop} dev flatnet.1")]
        );
        assert_eq!(a.ns.neighbours("flatnet.1"), pairs(&[(&hop, &mac)]));
        assert_eq!(a.ns.fdb("flatnet.1"), pairs(&[(&mac, "fd00:30:3::2")]));
        assert_eq!(a.ns.device("flatnet.1")["mtu"], 1430);
        assert_eq!(a.ns.addresses("flatnet.1"), ["fd00:10:244:2::/128"]);
        let (pod_a, pod_b) = (a.pod(), b.pod());
        assert_eq!(
            talk(&pod_a, &pod_b, "fd00:10:244:3::2").to_string(),
            "fd00:10:244:2::2"
        );
        assert_eq!(
            talk(&a.ns, &pod_b, "fd00:10:244:3::2").to_string(),
            "fd00:10:244:2::"
        );
        assert_eq!(
            talk(&pod_b, &a.ns, "fd00:30:2::2").to_string(),
            "fd00:10:244:3::2"
        );
    });
}

#[test]
fn both_families_share_one_tunnel() {
    as_root(|| {
        let (_wire, a, b) = pair(Families::Dual);
        let mac = "0a:58:0a:f4:03:00";
        assert_eq!(
            a.ns.neighbours("flatnet.1"),
            pairs(&[("10.244.3.0", mac), ("fe80::858:aff:fef4:300", mac)])
        );
        assert_eq!(a.ns.fdb("flatnet.1"), pairs(&[(mac, "172.30.3.2")]));
        let (pod_a, pod_b) = (a.pod(), b.pod());
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
        assert_eq!(
            talk(&pod_a, &pod_b, "fd00:10:244:3::2").to_string(),
            "fd00:10:244:2::2"
        );
    });
}

#[test]
fn a_cluster_with_both_kinds_of_neighbours_uses_both_ways() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, near) = (
            wire.on_segment(2, Families::V4),
            wire.on_segment(3, Families::V4),
        );
        let far = wire.behind_router(7, Families::V4);
        let list = list([&a, &near, &far]);
        for node in [&a, &near, &far] {
            node.pass(&mut node.agent(Backend::Auto), &list);
        }
        assert_eq!(
            a.ns.our_routes(),
            [
                "10.244.3.0/24 via 172.18.0.3 dev eth0",
                "10.244.7.0/24 via 10.244.7.0 dev flatnet.1 onlink"
            ]
        );
        assert_eq!(a.ns.device("cni0")["mtu"], 1450, "what fits everywhere");
        let pods = [&a, &near, &far].map(TestNode::pod);
        assert_eq!(
            talk(&pods[0], &pods[1], "10.244.3.2").to_string(),
            "10.244.2.2"
        );
        assert_eq!(
            talk(&pods[0], &pods[2], "10.244.7.2").to_string(),
            "10.244.2.2"
        );
        assert_eq!(
            talk(&pods[2], &pods[1], "10.244.3.2").to_string(),
            "10.244.7.2"
        );
    });
}

#[test]
fn the_tunnel_can_be_forced_with_numbers_of_ones_own() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let list = list([&a, &b]);
        for node in [&a, &b] {
            let given = Settings {
                backend: Backend::Vxlan,
                vni: 77,
                port: 4789,
                mtu: Some(1400),
                ..settings()
            };
            node.pass(&mut node.agent_with(given), &list);
        }
        assert_eq!(
            a.ns.our_routes(),
            ["10.244.3.0/24 via 10.244.3.0 dev flatnet.77 onlink"]
        );
        let data = &a.ns.device("flatnet.77")["linkinfo"]["info_data"];
        assert_eq!((&data["id"], &data["port"]), (&77.into(), &4789.into()));
        assert_eq!(a.conflist()["plugins"][0]["mtu"], 1400);
        assert_eq!(
            talk(&a.pod(), &b.pod(), "10.244.3.2").to_string(),
            "10.244.2.2"
        );
    });
}

#[test]
fn a_given_mtu_that_does_not_fit_is_used_and_reported() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.behind_router(2, Families::V4);
        let given = Settings {
            backend: Backend::Vxlan,
            mtu: Some(1500),
            ..settings()
        };
        let pass = a.any_pass(&mut a.agent_with(given), &list([&a]));
        assert!(pass.ready && pass.failures.is_empty());
        assert_eq!(
            pass.notices[0].to_string(),
            "pod MTU 1500 does not fit between nodes, 1450 does; packets in between are lost or fragmented"
        );
        assert_eq!(a.conflist()["plugins"][0]["mtu"], 1500);
        assert_eq!(a.ns.device("flatnet.1")["mtu"], 1450);
    });
}
