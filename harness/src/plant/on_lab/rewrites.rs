//! Faults that change addresses of packets.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault};
use crate::plant::Who::Node;
use crate::plant::says::seen;
use crate::plant::shell::{nat, node};

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
            &[
                ("at.node", "node1"),
                ("rule.chain", "fault"),
                ("rule.family", "ip"),
                ("rule.table", "fault"),
            ],
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
            &[
                ("at.node", "node2"),
                ("rule.chain", "fault"),
                ("rule.family", "ip"),
                ("rule.table", "fault"),
            ],
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
            &[
                ("at.node", "node1"),
                ("rule.chain", "fault"),
                ("rule.family", "ip6"),
                ("rule.table", "fault"),
            ],
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
            &[
                ("at.node", "node2"),
                ("rule.chain", "fault"),
                ("rule.family", "ip"),
                ("rule.table", "fault"),
            ],
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
            &[
                ("at.node", "node1"),
                ("rule.chain", "fault"),
                ("rule.family", "ip"),
                ("rule.table", "fault"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
];
