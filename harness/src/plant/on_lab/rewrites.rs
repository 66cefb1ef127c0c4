//! Faults that change addresses of packets.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{may_be, seen};
use crate::plant::shell::{nat, node, own_rule, pod};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "snat",
        "node1 gives what its pods send to node2 its own address",
        &[node(
            1,
            nat!(
                "ip",
                "postrouting",
                "srcnat",
                "ip saddr $CIDR1 ip daddr $CIDR2 snat to $NODE1"
            ),
        )],
        &[seen(
            &["no-nat"],
            &[Node(1)],
            C::RewrittenByRule,
            own_rule!("ip", ("at.node", "node1")),
        )],
    ),
    Fault::shell(
        "masquerade-inbound",
        "node2 masquerades what comes for its pods",
        &[node(
            2,
            nat!(
                "ip",
                "postrouting",
                "srcnat",
                "oifname cni0 ip daddr $CIDR2 masquerade"
            ),
        )],
        &[seen(
            &["no-nat"],
            &[Node(2)],
            C::RewrittenByRule,
            own_rule!("ip", ("at.node", "node2")),
        )],
    ),
    Fault::shell(
        "iptables-masquerade",
        "a chain of iptables that an add-on left masquerades what the pods of \
             node3 send",
        &[node(
            3,
            "iptables-nft -w -t nat -N LEFTOVER; iptables-nft -w -t nat -A \
             POSTROUTING -s $CIDR3 -j LEFTOVER; iptables-nft -w -t nat -A LEFTOVER \
             -j MASQUERADE",
        )],
        &[seen(
            &["no-nat"],
            &[Node(3)],
            C::RewrittenByRule,
            &[
                ("at.node", "node3"),
                ("rule.chain", "LEFTOVER"),
                ("rule.family", "ip"),
                ("rule.table", "nat"),
            ],
        )],
    ),
    Fault::shell(
        "ipv6-masquerade",
        "node1 masquerades IPv6 of its pods",
        &[node(
            1,
            nat!(
                "ip6",
                "postrouting",
                "srcnat",
                "ip6 saddr $CIDR1_V6 ip6 daddr $CIDR2_V6 masquerade"
            ),
        )],
        &[seen(
            &["no-nat"],
            &[Node(1)],
            C::RewrittenByRule,
            own_rule!("ip6", ("at.node", "node1")),
        )],
    )
    .needs(DUAL),
    Fault::shell(
        "redirect",
        "node2 redirects UDP for busybox-2 to a port of its own",
        &[node(
            2,
            nat!(
                "ip",
                "prerouting",
                "dstnat",
                "ip daddr $POD2 udp dport 7411 redirect to :7499"
            ),
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::RewrittenByRule,
            own_rule!("ip", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "dnat-on-source",
        "node1 sends what its pods have for busybox-2 to busybox-5",
        &[node(
            1,
            nat!("ip", "prerouting", "dstnat", "ip daddr $POD2 dnat to $POD5"),
        )],
        &[seen(
            &["cross-node", "no-nat"],
            &[Node(1)],
            C::RewrittenByRule,
            own_rule!("ip", ("at.node", "node1")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "legacy-dnat",
        "legacy iptables on node1 sends what its pods have for busybox-2 to \
             busybox-5",
        &[node(
            1,
            "iptables-legacy -w -t nat -A PREROUTING -d $POD2 -j DNAT \
             --to-destination $POD5",
        )],
        &[seen(
            &["cross-node", "no-nat"],
            &[Node(1)],
            C::RewrittenByRule,
            &[
                ("at.node", "node1"),
                ("rule.chain", ""),
                ("rule.family", "ip"),
                ("rule.table", "nat"),
                (
                    "rule.text",
                    "-A PREROUTING -d $POD2/32 -j DNAT --to-destination $POD5",
                ),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "legacy-redirect",
        "legacy iptables on node2 redirects UDP for busybox-2 to a port of the \
             node's own",
        &[node(
            2,
            "iptables-legacy -w -t nat -A PREROUTING -d $POD2 -p udp --dport 7411 \
             -j REDIRECT --to-ports 7499",
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::RewrittenByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", ""),
                ("rule.family", "ip"),
                ("rule.table", "nat"),
                (
                    "rule.text",
                    "-A PREROUTING -d $POD2/32 -p udp -m udp --dport 7411 -j \
                     REDIRECT --to-ports 7499",
                ),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "legacy-dnat-nowhere",
        "legacy iptables on node2 sends UDP for busybox-2 to an address that \
             nobody has",
        &[node(
            2,
            "iptables-legacy -w -t nat -A PREROUTING -d $POD2 -p udp --dport 7411 \
             -j DNAT --to-destination 10.244.1.250",
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::RewrittenByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", ""),
                ("rule.family", "ip"),
                ("rule.table", "nat"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "legacy-masquerade",
        "a chain of legacy iptables that an add-on left masquerades what the \
             pods of node3 send",
        &[node(
            3,
            "iptables-legacy -w -t nat -N LEFTOVER; iptables-legacy -w -t nat -A \
             POSTROUTING -s $CIDR3 -j LEFTOVER; iptables-legacy -w -t nat -A \
             LEFTOVER -j MASQUERADE",
        )],
        &[seen(
            &["no-nat"],
            &[Node(3)],
            C::RewrittenByRule,
            &[
                ("at.node", "node3"),
                ("rule.chain", ""),
                ("rule.family", "ip"),
                ("rule.table", "nat"),
                ("rule.text", "-A LEFTOVER -j MASQUERADE"),
            ],
        )],
    ),
    Fault::shell(
        "legacy-snat-ipv6",
        "legacy ip6tables on node1 gives what its pods send to node2 its own \
             address",
        &[node(
            1,
            "ip6tables-legacy -w -t nat -A POSTROUTING -s $CIDR1_V6 -d $CIDR2_V6 \
             -j SNAT --to-source $NODE1_V6",
        )],
        &[seen(
            &["no-nat"],
            &[Node(1)],
            C::RewrittenByRule,
            &[
                ("at.node", "node1"),
                ("rule.chain", ""),
                ("rule.family", "ip6"),
                ("rule.table", "nat"),
                (
                    "rule.text",
                    "-A POSTROUTING -s $CIDR1_V6 -d $CIDR2_V6 -j SNAT --to-source \
                     $NODE1_V6",
                ),
            ],
        )],
    )
    .needs(DUAL),
    Fault::shell(
        "pod-legacy-dnat",
        "legacy iptables in busybox-2 sends what it has for busybox-1 to \
             busybox-4",
        &[pod(
            2,
            "iptables-legacy -w -t nat -A OUTPUT -d $POD1 -j DNAT --to-destination \
             $POD4",
        )],
        &[may_be(
            &["cross-node", "no-nat"],
            &[Pod(2)],
            C::Dnat,
            &[("address", "$POD1"), ("target", "pod/default/busybox-1")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "pod-legacy-dnat-nowhere",
        "legacy iptables in busybox-2 sends UDP for busybox-1 to an address that \
             nobody has",
        &[pod(
            2,
            "iptables-legacy -w -t nat -A OUTPUT -p udp -d $POD1 -j DNAT \
             --to-destination 10.244.0.250",
        )],
        &[may_be(
            &["cross-node"],
            &[Pod(2)],
            C::DestinationTranslated,
            &[],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "legacy-dnat-port",
        "legacy iptables on node2 sends UDP for busybox-2 to a port of busybox-5 \
             on which nothing listens",
        &[node(
            2,
            "iptables-legacy -w -t nat -A PREROUTING -d $POD2 -p udp --dport 7411 \
             -j DNAT --to-destination $POD5:7499",
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::RewrittenByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", ""),
                ("rule.family", "ip"),
                ("rule.table", "nat"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
];
