//! Faults of routes and of rules that choose among them.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault, ROUTES, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{may_be, seen};
use crate::plant::shell::{filter, node, pod};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "wrong-next-hop",
        "node1 sends what is for the pods of node3 to node2",
        &[node(1, "ip route replace $CIDR3 via $NODE2")],
        &[seen(
            &["node-routes"],
            &[Node(1)],
            C::WrongNextHop,
            &[
                ("holder", "node2"),
                ("hop", "$NODE2"),
                ("node", "node1"),
                ("range", "$CIDR3"),
                ("to", "node3"),
            ],
        )],
    )
    .needs(ROUTES),
    Fault::shell(
        "host-route-astray",
        "node1 sends what is for busybox-3 to node2",
        &[node(1, "ip route add $POD3 via $NODE2")],
        &[seen(
            &["node-routes"],
            &[Node(1)],
            C::PartRoutedElsewhere,
            &[
                ("node", "node1"),
                ("part", "$POD3/32"),
                ("range", "$CIDR3"),
                ("to", "node3"),
            ],
        )],
    )
    .needs(ROUTES),
    Fault::shell(
        "blackhole-route",
        "node1 has a blackhole route for busybox-3",
        &[node(1, "ip route add blackhole $POD3")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::PartRoutedElsewhere,
            &[
                ("node", "node1"),
                ("part", "$POD3/32"),
                ("range", "$CIDR3"),
                ("to", "node3"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "unreachable-route",
        "node1 has an unreachable route for busybox-2",
        &[node(1, "ip route add unreachable $POD2")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::PartRoutedElsewhere,
            &[
                ("node", "node1"),
                ("part", "$POD2/32"),
                ("range", "$CIDR2"),
                ("to", "node2"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "prohibit-route",
        "node3 has a prohibit route for busybox-1",
        &[node(3, "ip route add prohibit $POD1")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(3)],
            C::PartRoutedElsewhere,
            &[
                ("node", "node3"),
                ("part", "$POD1/32"),
                ("range", "$CIDR1"),
                ("to", "node1"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "route-into-bridge",
        "node1 looks for busybox-3 on its own bridge",
        &[node(1, "ip route add $POD3 dev cni0")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::PartRoutedElsewhere,
            &[
                ("node", "node1"),
                ("part", "$POD3/32"),
                ("range", "$CIDR3"),
                ("to", "node3"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "own-range-routed-away",
        "node1 sends the range of its own pods to node2",
        &[node(1, "ip route replace $CIDR1 via $NODE2")],
        &[seen(
            &["cross-node", "gateway", "node-routes", "same-node"],
            &[Node(1)],
            C::OwnPodCidrRoutedAway,
            &[("node", "node1"), ("range", "$CIDR1")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "duplicate-route",
        "node1 has a second route to the pods of node3, by node2",
        &[node(1, "ip route add $CIDR3 via $NODE2 metric 50")],
        &[seen(
            &["node-routes"],
            &[Node(1)],
            C::DuplicateRoute,
            &[
                ("node", "node1"),
                ("range", "$CIDR3"),
                ("routes", "2"),
                ("to", "node3"),
            ],
        )],
    )
    .needs(ROUTES),
    Fault::shell(
        "route-off-link",
        "node1 sends what is for the pods of node3 to an address that is not on \
             link",
        &[node(
            1,
            "ip route replace $CIDR3 via 172.31.255.1 dev eth0 onlink",
        )],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::WrongNextHop,
            &[
                ("hop", "172.31.255.1"),
                ("node", "node1"),
                ("range", "$CIDR3"),
                ("to", "node3"),
            ],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "vxlan-route-missing",
        "node1 has no route into the tunnel to node3",
        &[node(1, "ip route del $CIDR3")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::RouteMissing,
            &[("node", "node1"), ("range", "$CIDR3"), ("to", "node3")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "ipv6-route-missing",
        "node2 has no IPv6 route to the pods of node1",
        &[node(2, "ip -6 route del $CIDR1_V6")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(2)],
            C::RouteMissing,
            &[("node", "node2"), ("range", "$CIDR1_V6"), ("to", "node1")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
    Fault::shell(
        "pod-route-refuses",
        "busybox-1 has a prohibit route for busybox-2",
        &[pod(1, "ip route add prohibit $POD2")],
        &[seen(
            &["cross-node"],
            &[Pod(1)],
            C::RouteRefuses,
            &[("by.main.route", "prohibit $POD2/32"), ("to", "$POD2")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "gateway-off-link",
        "busybox-1 has no route to its gateway",
        &[pod(1, "ip route del $GATEWAY1")],
        &[seen(
            &["gateway"],
            &[Pod(1)],
            C::GatewayOffLink,
            &[("hop", "$GATEWAY1"), ("pods.0.name", "busybox-1")],
        )],
    ),
    Fault::shell(
        "rule-blackhole",
        "a policy rule of node1 drops what comes from busybox-1",
        &[node(1, "ip rule add from $POD1 blackhole prio 100")],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(1)],
            C::RouteRefuses,
            &[("at.node", "node1")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "rule-table",
        "a policy rule of node1 looks for the pods of node3 in a table of its \
             own, which has no way to them",
        &[node(
            1,
            "ip route add unreachable default table 99; ip rule add to $CIDR3 \
             lookup 99 prio 100",
        )],
        &[seen(
            &["cross-node"],
            &[Node(1)],
            C::RouteRefuses,
            &[
                ("at.node", "node1"),
                ("by.table.route", "unreachable default"),
                ("by.table.rule.action.lookup", "99"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "rule-mark",
        "a mark takes UDP of node2 for the pods of node1 to a table that has no \
             way",
        &[
            node(
                2,
                filter!(
                    "ip",
                    "prerouting",
                    "mangle",
                    "ip daddr $CIDR1 meta l4proto udp meta mark set 7"
                ),
            ),
            node(
                2,
                "ip route add unreachable default table 97; ip rule add fwmark 7 lookup \
             97 prio 90",
            ),
        ],
        &[seen(
            &["cross-node"],
            &[Node(2)],
            C::RouteRefuses,
            &[
                ("at.node", "node2"),
                ("by.table.route", "unreachable default"),
                ("by.table.rule.action.lookup", "97"),
                ("by.table.rule.mark.value", "7"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "range-into-bridge",
        "node1 looks for all pods of node3 on its own bridge",
        &[node(1, "ip route replace $CIDR3 dev cni0")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::RouteIntoBridge,
            &[("node", "node1"), ("range", "$CIDR3"), ("to", "node3")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "routing-loop",
        "node1 and node2 send each other what is for the pods of node3",
        &[
            node(1, "ip route replace $CIDR3 via $NODE2"),
            node(2, "ip route replace $CIDR3 via $NODE1"),
        ],
        &[
            seen(
                &["cross-node"],
                &[Node(1)],
                C::WrongNextHop,
                &[("node", "node1"), ("to", "node3")],
            ),
            seen(
                &["node-routes"],
                &[Node(1)],
                C::WrongNextHop,
                &[
                    ("holder", "node2"),
                    ("hop", "$NODE2"),
                    ("node", "node1"),
                    ("range", "$CIDR3"),
                    ("to", "node3"),
                ],
            ),
            seen(
                &["node-routes"],
                &[Node(2)],
                C::WrongNextHop,
                &[
                    ("holder", "node1"),
                    ("hop", "$NODE1"),
                    ("node", "node2"),
                    ("range", "$CIDR3"),
                    ("to", "node3"),
                ],
            ),
        ],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "rule-away",
        "a policy rule of node1 sends what is for busybox-3 out of a device \
             that leads nowhere",
        &[node(
            1,
            "ip link add other0 type veth peer name other1; ip link set other1 up; \
             ip link set other0 up; ip route add default dev other0 table 96; ip \
             rule add to $POD3 lookup 96 prio 100",
        )],
        &[seen(
            &["cross-node"],
            &[Node(1)],
            C::RoutedAway,
            &[
                ("at.node", "node1"),
                ("by.table.route", "default dev other0"),
                ("by.table.rule.action.lookup", "96"),
                ("device", "other0"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "local-route",
        "node1 takes what is for the pods of node3 for itself, though it has none \
             of their addresses",
        &[node(1, "ip route add local $CIDR3 dev lo")],
        &[
            seen(
                &["cross-node"],
                &[Node(1)],
                C::RoutedAway,
                &[
                    ("at.node", "node1"),
                    ("by.table.route", "local $CIDR3 dev lo"),
                    ("device", "lo"),
                ],
            ),
            // An echo request is answered by whoever takes it.
            may_be(
                &["no-nat"],
                &[Node(1)],
                C::DestinationTranslated,
                &[("node", "node1")],
            ),
        ],
    )
    .may_fail(&["mtu"]),
];
