//! Faults of one next hop of several, and of nexthop objects (`ip nexthop`).
use flatnet_model::cause::CauseId as C;

use super::{Fault, ROUTES};
use crate::plant::Who::Node;
use crate::plant::says::seen;
use crate::plant::shell::node;

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "wrong-second-hop",
        "node1 sends a part of what is for the pods of node3 to node2",
        &[node(
            1,
            "ip route replace $CIDR3 proto 102 nexthop via $NODE3 nexthop via $NODE2",
        )],
        &[seen(
            &["node-routes"],
            &[Node(1)],
            C::WrongNextHop,
            &[("hop", "$NODE2"), ("of", "2"), ("to", "node3")],
        )],
    )
    .needs(ROUTES),
    Fault::shell(
        "silent-second-hop",
        "node1 sends a part of what is for the pods of node3 to an address that nobody has",
        &[node(
            1,
            "ip route replace $CIDR3 proto 102 nexthop via $NODE3 nexthop via ${NODE3%.*}.199",
        )],
        &[
            seen(
                &["node-routes"],
                &[Node(1)],
                C::WrongNextHop,
                &[("of", "2"), ("to", "node3")],
            ),
            // A hash of each packet's addresses decides whether one takes it.
            seen(
                &["cross-node"],
                &[Node(1)],
                C::WrongNextHop,
                &[("of", "2"), ("to", "node3")],
            )
            .sometimes(),
        ],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "silent-nexthop-object",
        "node1 sends a part of what is for the pods of node3 to an address that nobody has, by a group of nexthop objects",
        &[node(
            1,
            "ip nexthop add id 1 via $NODE3 dev eth0; ip nexthop add id 2 via ${NODE3%.*}.199 dev \
             eth0; ip nexthop add id 3 group 1/2; ip route replace $CIDR3 nhid 3",
        )],
        &[
            seen(
                &["node-routes"],
                &[Node(1)],
                C::WrongNextHop,
                &[("of", "2"), ("to", "node3")],
            ),
            seen(
                &["cross-node"],
                &[Node(1)],
                C::WrongNextHop,
                &[("of", "2"), ("to", "node3")],
            )
            .sometimes(),
        ],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "blackhole-nexthop",
        "the nexthop object of node1's route to the pods of node3 is a blackhole",
        &[node(
            1,
            "ip nexthop add id 5 blackhole; ip route replace $CIDR3 nhid 5",
        )],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::RouteRefuses,
            &[("at.node", "node1"), ("by.main.route", "blackhole $CIDR3")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
];
