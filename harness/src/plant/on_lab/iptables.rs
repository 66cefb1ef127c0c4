//! Faults of rules and policies of iptables.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault};
use crate::plant::Who::Node;
use crate::plant::says::seen;
use crate::plant::shell::node;

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "iptables-forward-policy",
        "the policy of the iptables chain FORWARD is DROP on node2, as Docker \
             sets it",
        &[node(2, "iptables-nft -w -P FORWARD DROP")],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::DroppedByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", "FORWARD"),
                ("rule.family", "ip"),
                ("rule.table", "filter"),
                ("rule.text", "policy drop"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "iptables-reject",
        "the last rule of the iptables chain FORWARD rejects on node2",
        &[node(
            2,
            "iptables-nft -w -A FORWARD -m conntrack --ctstate ESTABLISHED -j \
             ACCEPT; iptables-nft -w -A FORWARD -j REJECT --reject-with \
             icmp-host-prohibited",
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::DroppedByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", "FORWARD"),
                ("rule.family", "ip"),
                ("rule.table", "filter"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "iptables-raw-drop",
        "iptables drops UDP in the table raw on node3",
        &[node(
            3,
            "iptables-nft -w -t raw -A PREROUTING -i eth0 -p udp --dport 7411 -j \
             DROP",
        )],
        &[seen(
            &["cross-node"],
            &[Node(3)],
            C::DroppedByRule,
            &[
                ("at.node", "node3"),
                ("rule.chain", "PREROUTING"),
                ("rule.family", "ip"),
                ("rule.table", "raw"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "iptables-mangle-drop",
        "iptables drops TCP in the table mangle on node1",
        &[node(
            1,
            "iptables-nft -w -t mangle -A FORWARD -o eth0 -p tcp --dport 7411 -j \
             DROP",
        )],
        &[seen(
            &["cross-node"],
            &[Node(1)],
            C::DroppedByRule,
            &[
                ("at.node", "node1"),
                ("rule.chain", "FORWARD"),
                ("rule.family", "ip"),
                ("rule.table", "mangle"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "iptables-legacy-drop",
        "legacy iptables drops UDP for the pods of node2",
        &[node(
            2,
            "iptables-legacy -w -A FORWARD -i eth0 -p udp --dport 7411 -j DROP",
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", ""),
                ("rule.family", "ip"),
                ("rule.table", "filter"),
                (
                    "rule.text",
                    "-A FORWARD -i eth0 -p udp -m udp --dport 7411 -j DROP",
                ),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "ip6tables-drop",
        "ip6tables drops TCP for the pods of node2",
        &[node(
            2,
            "ip6tables-nft -w -A FORWARD -i eth0 -p tcp --dport 7411 -j DROP",
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            &[
                ("at.node", "node2"),
                ("rule.chain", "FORWARD"),
                ("rule.family", "ip6"),
                ("rule.table", "filter"),
            ],
        )],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
];
