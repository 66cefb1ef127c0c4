//! Faults of what joins the nodes.
use flatnet_model::cause::CauseId as C;

use super::{Fault, ROUTES, VXLAN};
use crate::plant::says::{may_be, seen};
use crate::plant::shell::{filter, own_rule, wire};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "underlay-pair-cut",
        "node2 and node3 do not reach each other over the underlay, and both \
             reach node1",
        &[wire(
            "bridge link set dev $WIRE2 isolated on; bridge link set dev $WIRE3 \
             isolated on",
        )],
        &[may_be(
            &["cross-node"],
            &[],
            C::UnderlayCut,
            &[("nodes.0", "node2"), ("nodes.1", "node3")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "underlay-vxlan-drop",
        "the underlay drops VXLAN for node2, as the firewall of a cloud does",
        &[wire(filter!(
            "bridge",
            "forward",
            "0",
            "ip daddr $NODE2 udp dport 8472 drop"
        ))],
        &[seen(
            &["cross-node"],
            &[],
            C::DroppedByRule,
            own_rule!("bridge", ("at", "wire")),
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
];
