//! Faults of sizes, losses and copies.
use flatnet_model::cause::CauseId as C;

use super::{Fault, VXLAN};
use crate::plant::Who::Node;
use crate::plant::says::{may_be, seen};
use crate::plant::shell::{filter, node};

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
