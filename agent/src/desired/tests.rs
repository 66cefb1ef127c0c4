use super::*;
use crate::node::{Node, NodesFile};

fn node(name: &str, addresses: &[&str], pod_cidrs: &[&str]) -> Node {
    Node {
        name: name.into(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        pod_cidrs: pod_cidrs.iter().map(|c| c.parse().unwrap()).collect(),
    }
}

/// As node `a`, 172.18.0.2/16 and fd00:18::2/64 on eth0 with 1500 bytes.
fn desired(nodes: Vec<Node>, settings: Settings) -> Result<(Desired, Vec<Error>)> {
    let network = ["10.244.0.0/16", "fd00:10:244::/48"];
    let list = NodesFile {
        pod_network: network.map(|n| n.parse().unwrap()).to_vec(),
        nodes,
    };
    let (cluster, _) = Cluster::new(&list, "a").unwrap();
    let address = cluster
        .own
        .address(Family::V4)
        .or(cluster.own.address(Family::V6))
        .unwrap();
    let uplink = Uplink {
        index: 2,
        name: "eth0".into(),
        mtu: 1500,
        address,
        connected: ["172.18.0.0/16", "fd00:18::/64"]
            .map(|n| n.parse().unwrap())
            .to_vec(),
    };
    Desired::new(&cluster, &uplink, &settings)
}

fn settings(backend: Backend) -> Settings {
    Settings {
        backend,
        vni: 1,
        port: 8472,
        mtu: None,
        bridge: "cni0".into(),
        masquerade: true,
    }
}

fn a() -> Node {
    node("a", &["172.18.0.2"], &["10.244.1.0/24"])
}

fn hops(routes: &NodeRoutes) -> Vec<String> {
    routes
        .hops
        .iter()
        .map(|(dst, hop)| format!("{dst} {hop:?}"))
        .collect()
}

#[test]
fn on_one_segment_routes_are_plain_and_the_mtu_is_the_uplinks() {
    let (d, unreachable) = desired(
        vec![a(), node("b", &["172.18.0.3"], &["10.244.2.0/24"])],
        settings(Backend::Auto),
    )
    .unwrap();
    assert!(unreachable.is_empty());
    assert_eq!(hops(&d.routes[0]), ["10.244.2.0/24 Direct(172.18.0.3)"]);
    assert_eq!((d.routes[0].vtep, &d.vxlan, d.pod_mtu), (None, &None, 1500));
    assert_eq!(d.bridge.gateways, ["10.244.1.1/24".parse().unwrap()]);
    assert_eq!(d.bridge.mac.to_string(), "0a:58:0a:f4:01:01");
}

#[test]
fn one_node_behind_a_router_brings_the_tunnel_and_its_mtu_and_the_other_stays_plain() {
    let nodes = vec![
        a(),
        node("b", &["172.18.0.3"], &["10.244.2.0/24"]),
        node("c", &["192.168.7.3"], &["10.244.3.0/24"]),
    ];
    let (d, _) = desired(nodes, settings(Backend::Auto)).unwrap();
    assert_eq!(hops(&d.routes[0]), ["10.244.2.0/24 Direct(172.18.0.3)"]);
    assert_eq!(hops(&d.routes[1]), ["10.244.3.0/24 Tunnel(10.244.3.0)"]);
    let vtep = Vtep {
        mac: "0a:58:0a:f4:03:00".parse().unwrap(),
        outer: "192.168.7.3".parse().unwrap(),
    };
    assert_eq!((d.routes[0].vtep, d.routes[1].vtep), (None, Some(vtep)));
    let vxlan = d.vxlan.unwrap();
    assert_eq!(
        (vxlan.name.as_str(), vxlan.mtu, d.pod_mtu),
        ("flatnet.1", 1450, 1450)
    );
    assert_eq!(vxlan.local, "172.18.0.2".parse::<IpAddr>().unwrap());
    assert_eq!(vxlan.addresses, ["10.244.1.0/32".parse().unwrap()]);
    assert_eq!(vxlan.mac.to_string(), "0a:58:0a:f4:01:00");
}

#[test]
fn forced_vxlan_is_there_even_without_other_nodes() {
    let (d, _) = desired(vec![a()], settings(Backend::Vxlan)).unwrap();
    assert!(d.vxlan.is_some());
    assert_eq!(d.pod_mtu, 1450);
    let nodes = vec![a(), node("b", &["172.18.0.3"], &["10.244.2.0/24"])];
    let (d, _) = desired(nodes, settings(Backend::Vxlan)).unwrap();
    assert_eq!(hops(&d.routes[0]), ["10.244.2.0/24 Tunnel(10.244.2.0)"]);
}

#[test]
fn forced_routes_name_the_node_that_is_not_on_link_and_serve_the_others() {
    let nodes = vec![
        a(),
        node("far", &["192.168.7.3"], &["10.244.3.0/24"]),
        node("b", &["172.18.0.3"], &["10.244.2.0/24"]),
    ];
    let (d, unreachable) = desired(nodes, settings(Backend::Routes)).unwrap();
    assert_eq!(unreachable.len(), 1);
    assert_eq!(
        unreachable[0].to_string(),
        "node \"far\" cannot be reached by a plain route: 192.168.7.3 is not on link of eth0 (172.18.0.0/16, fd00:18::/64)"
    );
    assert_eq!(hops(&d.routes[1]), ["10.244.2.0/24 Direct(172.18.0.3)"]);
    assert!(d.vxlan.is_none());
}

#[test]
fn each_family_goes_by_its_own_address_and_one_tunnel_carries_both() {
    let own = node(
        "a",
        &["172.18.0.2", "fd00:18::2"],
        &["10.244.1.0/24", "fd00:10:244:1::/64"],
    );
    let near = node(
        "b",
        &["172.18.0.3", "fd00:18::3"],
        &["10.244.2.0/24", "fd00:10:244:2::/64"],
    );
    // Its IPv4 address is on link, its IPv6 address is not; and one without any IPv6 address.
    let half = node(
        "c",
        &["172.18.0.4", "fd00:99::4"],
        &["10.244.3.0/24", "fd00:10:244:3::/64"],
    );
    let v4 = node("d", &["172.18.0.5"], &["fd00:10:244:4::/64"]);
    let (d, unreachable) = desired(vec![own, near, half, v4], settings(Backend::Auto)).unwrap();
    assert!(unreachable.is_empty());
    assert_eq!(
        hops(&d.routes[0]),
        [
            "10.244.2.0/24 Direct(172.18.0.3)",
            "fd00:10:244:2::/64 Direct(fd00:18::3)"
        ]
    );
    assert_eq!(
        hops(&d.routes[1]),
        [
            "10.244.3.0/24 Direct(172.18.0.4)",
            "fd00:10:244:3::/64 Tunnel(fe80::858:aff:fef4:300)"
        ]
    );
    assert_eq!(
        d.routes[1].vtep.unwrap().outer,
        "172.18.0.4".parse::<IpAddr>().unwrap()
    );
    assert_eq!(
        hops(&d.routes[2]),
        ["fd00:10:244:4::/64 Tunnel(fe80::85a:e9ff:fe87:e02a)"]
    );
    let addresses: Vec<_> = d
        .vxlan
        .unwrap()
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["10.244.1.0/32", "fd00:10:244:1::/128"]);
}

#[test]
fn an_ipv6_underlay_costs_seventy_bytes_and_cannot_reach_a_node_without_ipv6() {
    let own = node("a", &["fd00:18::2"], &["fd00:10:244:1::/64"]);
    let far = node("b", &["fd00:99::3"], &["fd00:10:244:2::/64"]);
    let v4 = node("c", &["192.168.7.3"], &["10.244.3.0/24"]);
    let (d, unreachable) = desired(vec![own, far, v4], settings(Backend::Auto)).unwrap();
    assert_eq!(d.pod_mtu, 1430);
    assert_eq!(
        d.vxlan.unwrap().local,
        "fd00:18::2".parse::<IpAddr>().unwrap()
    );
    assert_eq!(
        unreachable[0].to_string(),
        "node \"c\" cannot be reached by VXLAN: it has no IPv6 address, and the tunnel from fd00:18::2 needs one"
    );
    assert!(d.routes[1].hops.is_empty());
}

#[test]
fn a_given_mtu_holds_and_leaves_the_tunnels_alone() {
    let given = Settings {
        mtu: Some(1400),
        ..settings(Backend::Vxlan)
    };
    let (d, _) = desired(vec![a()], given).unwrap();
    assert_eq!(
        (d.pod_mtu, d.bridge.mtu, d.fitting_mtu, d.vxlan.unwrap().mtu),
        (1400, 1400, 1450, 1450)
    );
}

#[test]
fn an_mtu_that_ipv6_cannot_live_with_is_an_error() {
    let own = node(
        "a",
        &["172.18.0.2"],
        &["10.244.1.0/24", "fd00:10:244:1::/64"],
    );
    let given = Settings {
        mtu: Some(1279),
        ..settings(Backend::Auto)
    };
    let error = desired(vec![own], given.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pod MTU 1279 is below 1280, which IPv6 needs; raise the MTU of eth0 or use another backend"
    );
    assert!(desired(vec![a()], given).is_ok(), "IPv4 can");
}

#[test]
fn the_bridge_must_not_be_the_uplink() {
    let given = Settings {
        bridge: "eth0".into(),
        ..settings(Backend::Auto)
    };
    let error = desired(vec![a()], given).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bridge eth0 holds this node's own address; choose another name with --bridge"
    );
}

#[test]
fn traffic_within_the_cluster_is_not_masqueraded() {
    let network = vec!["10.244.0.0/16".parse().unwrap()];
    let nodes = vec![
        a(),
        // A podCIDR beyond the cluster CIDRs, and a node that is left out.
        node("b", &["172.18.0.3"], &["10.99.2.0/24"]),
        node("new", &["172.18.0.4"], &[]),
    ];
    let (cluster, _) = Cluster::new(
        &NodesFile {
            pod_network: network,
            nodes,
        },
        "a",
    )
    .unwrap();
    let all: Vec<_> = unmasked(&cluster).iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            "10.99.2.0/24",
            "10.244.0.0/16",
            "172.18.0.2/32",
            "172.18.0.3/32",
            "172.18.0.4/32"
        ]
    );
}

#[test]
fn the_masquerade_can_be_left_off() {
    let (d, _) = desired(
        vec![a()],
        Settings {
            masquerade: false,
            ..settings(Backend::Auto)
        },
    )
    .unwrap();
    assert_eq!(d.masquerade, None);
}
