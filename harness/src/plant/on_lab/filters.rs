//! Faults of packet filters on nodes: nftables at every hook.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{may_be, seen};
use crate::plant::shell::{filter, node, own_rule};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "input-drop",
        "node2 takes no UDP from other nodes",
        &[node(
            2,
            filter!("inet", "input", "0", "iifname eth0 meta l4proto udp drop"),
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "output-drop",
        "node1 itself sends no TCP connections to pods",
        &[node(
            1,
            filter!("inet", "output", "0", "tcp dport 7411 drop"),
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(1)],
            C::DroppedByRule,
            own_rule!("inet", ("at.node", "node1")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "prerouting-drop",
        "node3 drops what busybox-3 sends, before routing",
        &[node(
            3,
            filter!("ip", "prerouting", "-150", "ip saddr $POD3 drop"),
        )],
        &[seen(
            &["cross-node", "gateway", "same-node"],
            &[Node(3)],
            C::DroppedByRule,
            own_rule!("ip", ("at.node", "node3")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "postrouting-drop",
        "node1 drops what leaves for busybox-2, after routing",
        &[node(
            1,
            filter!("ip", "postrouting", "200", "ip daddr $POD2 drop"),
        )],
        &[seen(
            &["cross-node"],
            &[Node(1)],
            C::DroppedByRule,
            own_rule!("ip", ("at.node", "node1")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "forward-policy",
        "node2 forwards only what belongs to connections that it knows: a \
             policy drops the rest",
        &[node(
            2,
            "nft \"table ip fault { chain fault { type filter hook forward priority \
             0; policy drop; ct state established,related accept; }; }\"",
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::DroppedByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", "fault"),
                ("rule.family", "ip"),
                ("rule.table", "fault"),
                ("rule.text", "policy drop"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "forward-reject",
        "node2 rejects what other nodes send to its pods, as firewalld does",
        &[node(
            2,
            filter!(
                "inet",
                "forward",
                "10",
                "iifname eth0 reject with icmpx admin-prohibited"
            ),
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "icmp-drop",
        "node3 drops ICMP echo requests for its pods",
        &[node(
            3,
            filter!("ip", "forward", "0", "icmp type echo-request drop"),
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(3)],
            C::DroppedByRule,
            own_rule!("ip", ("at.node", "node3")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "set-drop",
        "node2 drops what the addresses of a set send",
        &[node(
            2,
            "nft 'table inet fault { set banned { type ipv4_addr; }; chain fault { \
             type filter hook forward priority 0; ip saddr @banned drop; }; }'; nft \
             add element inet fault banned \"{ $POD1, $POD4 }\"",
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "jump-drop",
        "node2 drops UDP in a chain to which its base chain jumps",
        &[node(
            2,
            "nft 'table inet fault { chain deny { udp dport 7411 counter drop; }; \
             chain fault { type filter hook forward priority 0; iifname eth0 jump \
             deny; }; }'",
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", "deny"),
                ("rule.family", "inet"),
                ("rule.table", "fault"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "bridge-drop",
        "the bridge of node1 takes nothing from busybox-1",
        &[node(
            1,
            filter!("bridge", "input", "0", "ip saddr $POD1 drop"),
        )],
        &[seen(
            &["cross-node", "gateway", "same-node"],
            &[Node(1)],
            C::DroppedByRule,
            own_rule!("bridge", ("at.node", "node1")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "ingress-drop",
        "node2 drops UDP as its uplink receives it",
        &[node(
            2,
            filter!("netdev", "ingress device eth0", "0", "ip protocol udp drop"),
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("netdev", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "hairpin-drop",
        "node1 drops what busybox-1 sends to itself by way of the node",
        &[node(
            1,
            filter!("ip", "forward", "0", "ip saddr $POD1 ip daddr $POD1 drop"),
        )],
        &[may_be(
            &["hairpin"],
            &[Pod(1)],
            C::ServiceHairpin,
            &[("node", "node1")],
        )],
    ),
    Fault::shell(
        "translated-drop",
        "node1 forwards nothing whose address it has translated",
        &[node(
            1,
            filter!("ip", "forward", "0", "ct status dnat drop"),
        )],
        &[may_be(
            &["hairpin"],
            &[Node(1)],
            C::TranslatedLost,
            &[("node", "node1")],
        )],
    ),
    Fault::shell(
        "ipv6-forward-drop",
        "node2 forwards no IPv6 from other nodes",
        &[node(
            2,
            filter!(
                "ip6",
                "forward",
                "0",
                "iifname eth0 meta l4proto != ipv6-icmp drop"
            ),
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("ip6", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
    Fault::shell(
        "vxlan-port-drop",
        "node2 drops VXLAN that comes in",
        &[node(
            2,
            filter!("inet", "input", "0", "udp dport 8472 drop"),
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
];
