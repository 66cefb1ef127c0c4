use super::*;
use crate::desired::{Bridge, NodeRoutes, Vtep};

const MAC_B: &str = "0a:58:0a:f4:02:00";

/// Node `b` on link, node `c` behind the tunnel.
fn desired() -> Desired {
    let hop = |dst: &str, hop| (dst.parse().unwrap(), hop);
    let vtep = Vtep {
        mac: MAC_B.parse().unwrap(),
        outer: "192.168.7.3".parse().unwrap(),
    };
    Desired {
        bridge: Bridge {
            name: "cni0".into(),
            mac: MAC_B.parse().unwrap(),
            mtu: 1450,
            gateways: vec![],
        },
        vxlan: None,
        routes: vec![
            NodeRoutes {
                node: "b".into(),
                hops: vec![hop(
                    "10.244.2.0/24",
                    Hop::Direct("172.18.0.3".parse().unwrap()),
                )],
                vtep: None,
            },
            NodeRoutes {
                node: "c".into(),
                hops: vec![hop(
                    "10.244.3.0/24",
                    Hop::Tunnel("10.244.3.0".parse().unwrap()),
                )],
                vtep: Some(vtep),
            },
        ],
        masquerade: None,
        pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
        pod_network: vec![],
        pod_mtu: 1450,
        fitting_mtu: 1450,
    }
}

fn devices() -> Devices {
    let device = |index, name: &str| Device {
        index,
        name: name.into(),
    };
    Devices {
        uplink: device(2, "eth0"),
        bridge: device(3, "cni0"),
        vxlan: Some(device(4, "flatnet.1")),
    }
}

fn route(dst: &str, via: Option<&str>, oif: u32, protocol: u8) -> RouteEntry {
    RouteEntry {
        dst: dst.parse().unwrap(),
        gateway: via.map(|v| v.parse().unwrap()),
        oif: Some(oif),
        src: None,
        onlink: oif == 4,
        protocol,
        scope: if via.is_some() { "global" } else { "link" }.into(),
        metric: None,
        kind: UNICAST,
        mtu: None,
        mtu_expires_s: None,
        more_hops: Vec::new(),
        nexthop_id: None,
    }
}

fn neighbour(index: u32, address: &str, mac: &str, state: &str) -> Neighbour {
    Neighbour {
        index,
        address: address.parse().unwrap(),
        mac: Some(mac.parse().unwrap()),
        state: state.into(),
    }
}

fn fdb(index: u32, mac: &str, dst: Option<&str>) -> FdbEntry {
    FdbEntry {
        index,
        mac: mac.parse().unwrap(),
        dst: dst.map(|d| d.parse().unwrap()),
        master: None,
        state: "PERMANENT".into(),
    }
}

/// As it is when all is right, with entries that are none of our business.
fn right() -> Actual {
    Actual {
        routes: vec![
            route("0.0.0.0/0", Some("172.18.0.1"), 2, 3),
            route("172.18.0.0/16", None, 2, PROTOCOL_KERNEL),
            route("10.244.1.0/24", None, 3, PROTOCOL_KERNEL),
            route("10.244.2.0/24", Some("172.18.0.3"), 2, PROTOCOL),
            route("10.244.3.0/24", Some("10.244.3.0"), 4, PROTOCOL),
            route("10.99.0.0/16", Some("172.18.0.9"), 2, 4),
        ],
        neighbours: vec![
            neighbour(2, "172.18.0.3", "02:00:00:00:00:03", "REACHABLE"),
            neighbour(4, "10.244.3.0", MAC_B, "PERMANENT"),
            neighbour(4, "ff02::16", "33:33:00:00:00:16", "NOARP"),
        ],
        fdb: vec![
            fdb(4, MAC_B, Some("192.168.7.3")),
            fdb(3, "33:33:00:00:00:01", None),
        ],
    }
}

fn log_lines(actual: &Actual) -> Vec<String> {
    let steps = steps(&desired(), &devices(), actual);
    steps
        .iter()
        .map(|s| format!("{}: {}", s.node.as_deref().unwrap_or("-"), s.write))
        .collect()
}

#[test]
fn what_is_right_is_not_written_again() {
    assert_eq!(log_lines(&right()), Vec::<String>::new());
}

#[test]
fn an_empty_node_gets_the_tunnels_entries_before_the_routes() {
    assert_eq!(
        log_lines(&Actual::default()),
        [
            "c: fdb 0a:58:0a:f4:02:00 dev flatnet.1 to 192.168.7.3: set",
            "c: neighbour 10.244.3.0 dev flatnet.1 at 0a:58:0a:f4:02:00: set",
            "b: route 10.244.2.0/24 via 172.18.0.3 dev eth0: added",
            "c: route 10.244.3.0/24 via 10.244.3.0 dev flatnet.1: added",
        ]
    );
}

#[test]
fn entries_of_a_node_that_left_are_removed_and_others_are_not_touched() {
    let mut actual = right();
    actual
        .routes
        .push(route("10.244.9.0/24", Some("172.18.0.8"), 2, PROTOCOL));
    actual
        .neighbours
        .push(neighbour(4, "10.244.9.0", "0a:58:0a:f4:09:00", "PERMANENT"));
    actual
        .fdb
        .push(fdb(4, "0a:58:0a:f4:09:00", Some("192.168.7.9")));
    assert_eq!(
        log_lines(&actual),
        [
            "-: route 10.244.9.0/24 via 172.18.0.8: removed",
            "-: neighbour 10.244.9.0 dev flatnet.1: removed",
            "-: fdb 0a:58:0a:f4:09:00 dev flatnet.1: removed",
        ]
    );
}

#[test]
fn every_way_a_route_can_be_wrong_is_seen_and_it_is_replaced_in_one_step() {
    type Spoil = fn(&mut RouteEntry);
    let cases: [(&str, Spoil); 7] = [
        ("next hop", |r| {
            r.gateway = Some("172.18.0.77".parse().unwrap())
        }),
        // The first of them is right.
        ("several next hops", |r| r.more_hops = r.hops().collect()),
        ("interface", |r| r.oif = Some(3)),
        ("onlink", |r| r.onlink = true),
        ("source", |r| r.src = Some("172.18.0.2".parse().unwrap())),
        ("not ours", |r| r.protocol = 4),
        ("blackhole", |r| r.kind = 6),
    ];
    for (what, spoil) in cases {
        let mut actual = right();
        spoil(&mut actual.routes[3]);
        assert_eq!(
            log_lines(&actual),
            ["b: route 10.244.2.0/24 via 172.18.0.3 dev eth0: replaced a wrong one"],
            "{what}"
        );
    }
}

#[test]
fn a_wrong_route_of_another_metric_is_removed_beside_the_right_one() {
    let mut actual = right();
    let better = RouteEntry {
        metric: Some(50),
        ..route("10.244.2.0/24", Some("172.18.0.66"), 2, 4)
    };
    actual.routes.push(better.clone());
    assert_eq!(
        log_lines(&actual),
        ["b: route 10.244.2.0/24 via 172.18.0.66: removed (not ours)"]
    );
    actual.routes.remove(3);
    assert_eq!(
        log_lines(&actual),
        [
            "b: route 10.244.2.0/24 via 172.18.0.3 dev eth0: added",
            "b: route 10.244.2.0/24 via 172.18.0.66: removed (not ours)",
        ]
    );
}

#[test]
fn a_route_that_takes_this_nodes_own_pods_away_is_removed() {
    let mut actual = right();
    actual
        .routes
        .push(route("10.244.1.0/24", Some("172.18.0.3"), 2, PROTOCOL));
    assert_eq!(
        log_lines(&actual),
        ["-: route 10.244.1.0/24 via 172.18.0.3: removed"]
    );
    actual.routes.pop();
    actual
        .routes
        .push(route("10.244.1.0/24", Some("172.18.0.3"), 2, 4));
    assert_eq!(
        log_lines(&actual),
        ["-: route 10.244.1.0/24 via 172.18.0.3: removed (not ours)"]
    );
}

#[test]
fn a_moved_node_is_one_replaced_fdb_entry() {
    let mut actual = right();
    actual.fdb[0].dst = Some("192.168.7.99".parse().unwrap());
    assert_eq!(
        log_lines(&actual),
        ["c: fdb 0a:58:0a:f4:02:00 dev flatnet.1 to 192.168.7.3: set"]
    );
}

#[test]
fn a_neighbour_with_another_mac_or_that_may_age_is_set() {
    let set = ["c: neighbour 10.244.3.0 dev flatnet.1 at 0a:58:0a:f4:02:00: set"];
    let mut actual = right();
    actual.neighbours[1].mac = Some("02:00:00:00:00:01".parse().unwrap());
    assert_eq!(log_lines(&actual), set);
    let mut actual = right();
    actual.neighbours[1].state = "STALE".into();
    assert_eq!(log_lines(&actual), set);
}

#[test]
fn without_a_tunnel_device_there_are_no_entries_for_it() {
    let devices = Devices {
        vxlan: None,
        ..devices()
    };
    let steps = steps(&desired(), &devices, &Actual::default());
    let lines: Vec<_> = steps.iter().map(|s| s.write.to_string()).collect();
    assert_eq!(
        lines,
        ["route 10.244.2.0/24 via 172.18.0.3 dev eth0: added"]
    );
}

#[test]
fn the_metric_the_kernel_gives_an_ipv6_route_is_right() {
    let mut six = route("fd00:10:244:2::/64", Some("fd00:18::3"), 2, PROTOCOL);
    six.metric = Some(1024);
    let wanted = Route {
        dst: six.dst,
        gateway: "fd00:18::3".parse().unwrap(),
        dev: Device {
            index: 2,
            name: "eth0".into(),
        },
        onlink: false,
    };
    assert!(is_right(&six, &wanted));
    six.metric = Some(512);
    assert!(!is_right(&six, &wanted));
}

#[test]
fn routes_of_other_programs_stay_and_those_in_the_way_are_told() {
    const BIRD: u8 = 12;
    let errors = |actual: &Actual| {
        let errors = crate::foreign::conflicts(&desired(), &devices(), &actual.routes);
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut actual = right();
    // The same next hop: it serves as well as ours.
    actual.routes[3].protocol = BIRD;
    assert_eq!((log_lines(&actual), errors(&actual)), (vec![], vec![]));
    actual.routes[3].gateway = Some("172.18.0.9".parse().unwrap());
    assert_eq!(log_lines(&actual), Vec::<String>::new());
    assert_eq!(
        errors(&actual),
        [
            "node \"b\": the route 10.244.2.0/24 via 172.18.0.9 of another program (protocol 12) stays, and is in the place of the right one; stop that program, or keep the range from it"
        ]
    );
    // Behind ours it does no harm, whatever it says.
    let mut actual = right();
    let behind = RouteEntry {
        metric: Some(20),
        ..route("10.244.2.0/24", Some("172.18.0.9"), 2, BIRD)
    };
    actual.routes.push(behind.clone());
    actual.routes.push(RouteEntry {
        dst: "10.244.1.0/24".parse().unwrap(),
        ..behind
    });
    assert_eq!((log_lines(&actual), errors(&actual)), (vec![], vec![]));
    actual
        .routes
        .push(route("10.244.1.0/24", Some("172.18.0.9"), 2, BIRD));
    assert_eq!(log_lines(&actual), Vec::<String>::new());
    let told = errors(&actual).remove(0);
    assert!(
        told.starts_with("this node's own pods: the route 10.244.1.0/24 via 172.18.0.9"),
        "{told}"
    );
}
