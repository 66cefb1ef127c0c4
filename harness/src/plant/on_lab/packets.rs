//! Faults of what becomes of packets on their way: dropped, rewritten.
use std::net::{IpAddr, SocketAddr};

use flatnet_lab::{Change, LabTarget};
use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, Table};
use ipnet::IpNet;

use super::{
    ANY, BRIDGE, Fault, Moment, Recipe, Step, UPLINK, Who, host, may_be, same_family, seen,
};
use crate::Error;
use crate::plant::shell::own_rule;
use flatnet_cluster::observe::fleet::POD_PORT;
use flatnet_model::cause::CauseId;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        id: "same-node-drop",
        summary: "node1 drops what its own pods send each other",
        moment: Moment::AfterPods,
        says: &[seen(
            &["same-node"],
            &[Who::Node(1)],
            CauseId::DroppedByRule,
            own_rule!("inet", ("at.node", "node1")),
        )],
        may_fail: &["mtu"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let own = [
                Expr::InInterface(BRIDGE.to_owned()),
                Expr::OutInterface(BRIDGE.to_owned()),
            ];
            Ok(vec![not_forwarded(context.on(1)?, &own)])
        }),
    },
    Fault {
        id: "forward-drop",
        summary: "node2 forwards nothing from other nodes",
        moment: Moment::AfterPods,
        says: &[seen(
            &["cross-node"],
            &[Who::Node(2)],
            CauseId::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
        may_fail: &["mtu"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let from_others = [Expr::InInterface(UPLINK.to_owned())];
            Ok(vec![not_forwarded(context.on(2)?, &from_others)])
        }),
    },
    Fault {
        id: "udp-drop",
        summary: "node2 drops UDP from other nodes to its pods, and nothing else",
        moment: Moment::AfterPods,
        says: &[seen(
            &["cross-node"],
            &[Who::Node(2)],
            CauseId::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
        may_fail: &["mtu"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let udp_from_others = [
                Expr::InInterface(UPLINK.to_owned()),
                Expr::Protocol(UDP),
                Expr::DestinationPort(POD_PORT),
            ];
            Ok(vec![not_forwarded(context.on(2)?, &udp_from_others)])
        }),
    },
    Fault {
        id: "random-loss",
        summary: "node2 drops three in ten of the packets from other nodes to its pods",
        moment: Moment::AfterPods,
        says: &[seen(
            &["cross-node"],
            &[Who::Node(2)],
            CauseId::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
        may_fail: &["mtu"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let some = [Expr::InInterface(UPLINK.to_owned()), Expr::Percent(30)];
            Ok(vec![not_forwarded(context.on(2)?, &some)])
        }),
    },
    Fault {
        id: "length-drop",
        summary: "node2 drops packets longer than 1300 bytes from other nodes to its pods",
        moment: Moment::AfterPods,
        says: &[seen(
            &["mtu"],
            &[Who::Node(2)],
            CauseId::DroppedByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let long = [Expr::InInterface(UPLINK.to_owned()), Expr::LongerThan(1300)];
            Ok(vec![not_forwarded(context.on(2)?, &long)])
        }),
    },
    Fault {
        id: "first-packet-lost",
        summary: "node2 drops the first two echo requests to its pods",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["first-packet"],
            &[Who::Node(2)],
            CauseId::FirstPacketLost,
            &[("node", "node2")],
        )
        // The two may be of two paths.
        .or_nobody()],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let first = [
                Expr::InInterface(UPLINK.to_owned()),
                Expr::Protocol(ICMP),
                Expr::First(2),
            ];
            Ok(vec![not_forwarded(context.on(2)?, &first)])
        }),
    },
    Fault {
        id: "packets-doubled",
        summary: "node2 sends a copy of every UDP packet that another node has for busybox-2",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["duplicates"],
            &[Who::Node(2)],
            CauseId::PacketsDoubled,
            &[("node", "node2")],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(2)?;
            let IpAddr::V4(to) = pod.ip else {
                return Err(Error::Input(
                    "--plant packets-doubled: needs IPv4 pods".to_owned(),
                ));
            };
            let rule = vec![
                Expr::InInterface(UPLINK.to_owned()),
                Expr::DestinationIn(IpNet::from(pod.ip)),
                Expr::Protocol(UDP),
                Expr::DestinationPort(POD_PORT),
                Expr::CopyTo(to),
            ];
            Ok(vec![nft(
                context.on(2)?,
                ChainType::Filter,
                Hook::Prerouting,
                -300,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "masquerade",
        summary: "node1 masquerades what its pods send to pods of other nodes",
        moment: Moment::AfterPods,
        says: &[seen(
            &["no-nat"],
            &[Who::Node(1)],
            CauseId::RewrittenByRule,
            own_rule!("inet", ("at.node", "node1")),
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let own = context.cidr(1)?;
            let rules = context
                .pod_network
                .iter()
                .filter(|n| same_family(n, &own))
                .map(|network| {
                    vec![
                        Expr::SourceIn(own),
                        Expr::DestinationIn(*network),
                        Expr::DestinationNotIn(own),
                        Expr::Masquerade,
                    ]
                });
            Ok(vec![nft(
                context.on(1)?,
                ChainType::Nat,
                Hook::Postrouting,
                90,
                rules.collect(),
            )])
        }),
    },
    Fault {
        id: "dnat",
        summary: "node2 sends TCP connections for busybox-2 to another pod",
        moment: Moment::AfterPods,
        says: &[seen(
            &["no-nat", "cross-node"],
            &[Who::Node(2)],
            CauseId::RewrittenByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
        may_fail: &["same-node"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(2)?;
            let to = SocketAddr::new(context.neighbour_of(pod)?.ip, POD_PORT);
            let rule = vec![
                Expr::DestinationIn(IpNet::from(pod.ip)),
                Expr::Protocol(TCP),
                Expr::DestinationPort(POD_PORT),
                Expr::Dnat(to),
            ];
            Ok(vec![nft(
                LabTarget::Node(pod.object.node.clone()),
                ChainType::Nat,
                Hook::Prerouting,
                -100,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "reply-source",
        summary: "node2 rewrites the source of what busybox-2 answers over UDP",
        moment: Moment::AfterPods,
        says: &[seen(
            &["no-nat"],
            &[Who::Node(2)],
            CauseId::RewrittenByRule,
            own_rule!("inet", ("at.node", "node2")),
        )],
        may_fail: &["mtu"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(2)?;
            let other = host(context.cidr(2)?, 200)?;
            let rule = vec![
                Expr::SourceIn(IpNet::from(pod.ip)),
                Expr::Protocol(UDP),
                Expr::SourcePort(POD_PORT),
                Expr::SetSource(other),
            ];
            // Before connection tracking (-200), which would hide a rewritten reply from the client.
            Ok(vec![nft(
                LabTarget::Node(pod.object.node.clone()),
                ChainType::Filter,
                Hook::Prerouting,
                -300,
                vec![rule],
            )])
        }),
    },
];

/// What matches is not forwarded there; the rule has a counter, to show that it matched.
fn not_forwarded(place: LabTarget, matches: &[Expr]) -> Step {
    let rule = [matches, &[Expr::Counter, Expr::Drop]].concat();
    nft(place, ChainType::Filter, Hook::Forward, 0, vec![rule])
}

/// A table with one base chain.
fn nft(
    place: LabTarget,
    kind: ChainType,
    hook: Hook,
    priority: i32,
    rules: Vec<Vec<Expr>>,
) -> Step {
    let chain = Chain {
        name: "fault".to_owned(),
        kind,
        hook,
        priority,
        rules,
    };
    Step::Change(
        place,
        vec![Change::Nft {
            table: Table {
                name: "fault".to_owned(),
                sets: Vec::new(),
                chains: vec![chain],
            },
        }],
    )
}
