//! Faults of packet filters that one pod alone suffers from.
use flatnet_model::cause::CauseId as C;

use super::Fault;
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{red, seen};
use crate::plant::shell::{filter, node, own_rule, pod};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "pod-input-drop",
        "busybox-2 drops TCP that comes in, by a rule of its own network \
             namespace",
        &[pod(2, filter!("inet", "input", "0", "tcp dport 7411 drop"))],
        &[
            seen(
                &["cross-node", "same-node"],
                &[Pod(2)],
                C::DroppedByRule,
                own_rule!("inet"),
            ),
            red(&["hairpin"], &[Pod(2)]),
        ],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "pod-output-drop",
        "busybox-1 drops UDP that it sends, by a rule of its own network \
             namespace",
        &[pod(
            1,
            filter!("inet", "output", "0", "udp dport 7411 drop"),
        )],
        &[
            seen(
                &["cross-node", "same-node"],
                &[Pod(1)],
                C::DroppedByRule,
                own_rule!("inet"),
            ),
            red(&["hairpin"], &[Pod(1)]),
        ],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "pod-answer-drop",
        "busybox-5 drops what it answers over TCP, by a rule of its own network namespace",
        &[pod(
            5,
            filter!("inet", "output", "0", "tcp sport 7411 drop"),
        )],
        &[
            seen(
                &["cross-node", "same-node"],
                &[Pod(5)],
                C::DroppedByRule,
                own_rule!("inet"),
            ),
            red(&["hairpin"], &[Pod(5)]),
        ],
    ),
    Fault::shell(
        "forward-one-drop",
        "node2 drops UDP for busybox-5",
        &[node(
            2,
            filter!("ip", "forward", "0", "ip daddr $POD5 udp dport 7411 drop"),
        )],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("ip", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "pod-input-some-drop",
        "busybox-2 drops TCP of pods of node1, by a rule of its own network namespace",
        &[pod(
            2,
            filter!("ip", "input", "0", "ip saddr $CIDR1 tcp dport 7411 drop"),
        )],
        &[seen(
            &["cross-node"],
            &[Pod(2)],
            C::DroppedByRule,
            own_rule!("ip"),
        )],
    ),
    Fault::shell(
        "forward-one-some-drop",
        "node2 drops UDP of pods of node1 for busybox-5",
        &[node(
            2,
            filter!(
                "ip",
                "forward",
                "0",
                "ip saddr $CIDR1 ip daddr $POD5 udp dport 7411 drop"
            ),
        )],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::DroppedByRule,
            own_rule!("ip", ("at.node", "node2")),
        )],
    )
    .may_fail(&["mtu"]),
];
