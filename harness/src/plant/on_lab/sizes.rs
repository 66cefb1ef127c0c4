//! Faults of sizes, losses and copies.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault, ROUTED_IPV6, ROUTES, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{may_be, seen};
use crate::plant::shell::{filter, node, own_rule, pod, wire};

/// No echo comes back: what is answered is an ICMP error that names the MTU.
const TEACH_POD: &str = "ping -c 1 -W 1 -s 1400 $POD2 || true";
const TEACH_NODE: &str = "ping -c 1 -W 1 -s 1400 $NODE2 || true";

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "host-end-mtu",
        "the node's end of busybox-2's veth has a smaller MTU",
        &[node(2, "ip link set $HOST2 mtu 1300")],
        &[seen(
            &["mtu"],
            &[Node(2)],
            C::TooBigForDevice,
            &[("at.node", "node2"), ("device", "$HOST2"), ("mtu", "1300")],
        )],
    ),
    Fault::shell(
        "bridge-mtu",
        "the bridge of node2 has a smaller MTU than pods",
        &[node(2, "ip link set cni0 mtu 1300")],
        &[seen(
            &["mtu"],
            &[Node(2)],
            C::TooBigForDevice,
            &[("at.node", "node2"), ("device", "cni0"), ("mtu", "1300")],
        )],
    ),
    Fault::shell(
        "uplink-mtu",
        "the uplink of node3 has a smaller MTU than pods",
        &[node(3, "ip link set eth0 mtu 1300")],
        &[seen(
            &["mtu"],
            &[Node(3)],
            C::TooBigForDevice,
            &[("at.node", "node3"), ("device", "eth0"), ("mtu", "1300")],
        )],
    ),
    Fault::shell(
        "uplink-mtu-followed",
        "the uplink of node2 has a smaller MTU than pods by no more than it lets through, and its bridge has followed it",
        &[node(
            2,
            "ip link set eth0 mtu 1498; ip link set cni0 mtu 1498",
        )],
        &[seen(
            &["mtu"],
            &[Node(2)],
            C::TooBigForDevice,
            &[("at.node", "node2"), ("device", "eth0"), ("mtu", "1498")],
        )],
    )
    .needs(ROUTES),
    Fault::shell(
        "tunnel-uplink-mtu",
        "the uplink of node2 carries less than pods' packets in the tunnel, and its tunnel and bridge have followed it",
        &[node(
            2,
            "ip link set eth0 mtu 1300; ip link set flatnet.1 mtu 1250; ip link set cni0 mtu 1250",
        )],
        &[seen(
            &["mtu"],
            &[Node(2)],
            C::TooBigForDevice,
            &[("at.node", "node2"), ("device", "eth0"), ("mtu", "1300")],
        )],
    )
    .needs(VXLAN),
    Fault::shell(
        "tunnel-mtu",
        "the VXLAN device of node2 has a smaller MTU than pods",
        &[node(2, "ip link set flatnet.1 mtu 1300")],
        &[seen(
            &["mtu"],
            &[Node(2)],
            C::TooBigForDevice,
            &[
                ("at.node", "node2"),
                ("device", "flatnet.1"),
                ("mtu", "1300"),
            ],
        )],
    )
    .needs(VXLAN),
    Fault::shell(
        "pod-path-mtu",
        "busybox-1 has learned a path MTU for busybox-2 from node1, whose uplink was narrower for a moment",
        &[
            node(1, "ip link set eth0 mtu 1300"),
            pod(1, TEACH_POD),
            node(1, "ip link set eth0 mtu 1500"),
        ],
        &[seen(
            &["mtu"],
            &[],
            C::PathMtuLearned,
            &[
                ("at.pod.name", "busybox-1"),
                ("to", "$POD2"),
                ("learned.mtu", "1300"),
            ],
        )],
    )
    .needs(ROUTES),
    Fault::shell(
        "tunnel-path-mtu",
        "node1 has learned a path MTU for node2 from the router between them, whose port was narrower for a moment",
        &[
            wire("ip link set $WIRE2 mtu 1421"),
            node(1, TEACH_NODE),
            wire("ip link set $WIRE2 mtu 1500"),
        ],
        &[seen(
            &["mtu"],
            &[],
            C::PathMtuLearned,
            &[
                ("at.node", "node1"),
                ("to", "$NODE2"),
                ("learned.mtu", "1421"),
            ],
        )],
    )
    .needs(ROUTED_IPV6),
    Fault::shell(
        "route-mtu",
        "node1's route to the pods of node2 has an MTU of its own",
        &[node(
            1,
            "r=$(ip route show $CIDR2); ip route replace $r mtu 1300",
        )],
        &[seen(
            &["mtu"],
            &[Node(1)],
            C::RouteMtu,
            &[("at.node", "node1"), ("mtu", "1300")],
        )],
    ),
    Fault::shell(
        "tcp-length-drop",
        "node2 drops long TCP segments of pods",
        &[node(
            2,
            filter!(
                "inet",
                "forward",
                "0",
                "meta l4proto tcp meta length > 1000 drop"
            ),
        )],
        &[seen(
            &["mtu"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
    ),
    Fault::shell(
        "tcp-length-drop-ipv6",
        "node1 drops long TCP segments of pods over IPv6",
        &[node(
            1,
            filter!(
                "ip6",
                "forward",
                "0",
                "ip6 nexthdr tcp ip6 length > 1000 drop"
            ),
        )],
        &[seen(
            &["mtu"],
            &[Node(1)],
            C::DroppedByRule,
            own_rule!("ip6", ("at.node", "node1")),
        )],
    )
    .needs(DUAL),
    Fault::shell(
        "tcp-answer-length-drop",
        "busybox-3 drops long TCP segments that it sends as a server, by a rule of its own network namespace",
        &[pod(
            3,
            filter!(
                "ip",
                "output",
                "0",
                "tcp sport 7411 ip length > 1000 drop"
            ),
        )],
        &[seen(
            &["mtu"],
            &[Pod(3)],
            C::DroppedByRule,
            own_rule!("ip", ("at.pod.name", "busybox-3")),
        )],
    ),
    Fault::shell(
        "echoes-doubled",
        "node1 sends a copy of each ICMP echo for busybox-1",
        &[node(
            1,
            filter!(
                "ip",
                "prerouting",
                "-150",
                "ip daddr $POD1 ip protocol icmp dup to $POD1 device cni0"
            ),
        )],
        &[may_be(
            &["duplicates"],
            &[Node(1)],
            C::PacketsDoubled,
            &[("node", "node1")],
        )],
    ),
];
