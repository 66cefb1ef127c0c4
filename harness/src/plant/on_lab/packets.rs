//! Faults of what becomes of packets on their way: dropped, rewritten.
use std::net::{IpAddr, SocketAddr};

use flatnet_lab::{Change, LabTarget};
use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, Table};
use ipnet::IpNet;

use super::{BRIDGE, Fault, Moment, Recipe, Step, UPLINK, host, same_family};
use crate::Error;
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
        must_fail: &["same-node"],
        may_fail: &["mtu"],
        culprit: "node1",
        causes: &[CauseId::DroppedByRule],
        needs_vxlan: false,
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
        must_fail: &["cross-node"],
        may_fail: &["mtu"],
        culprit: "node2",
        causes: &[CauseId::DroppedByRule],
        needs_vxlan: false,
        recipe: Recipe::Steps(|context| {
            let from_others = [Expr::InInterface(UPLINK.to_owned())];
            Ok(vec![not_forwarded(context.on(2)?, &from_others)])
        }),
    },
    Fault {
        id: "udp-drop",
        summary: "node2 drops UDP from other nodes to its pods, and nothing else",
        moment: Moment::AfterPods,
        must_fail: &["cross-node"],
        may_fail: &["mtu"],
        culprit: "node2",
        causes: &[CauseId::DroppedByRule],
        needs_vxlan: false,
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
        must_fail: &["cross-node"],
        may_fail: &["mtu"],
        culprit: "node2",
        causes: &[CauseId::DroppedByRule],
        needs_vxlan: false,
        recipe: Recipe::Steps(|context| {
            let some = [Expr::InInterface(UPLINK.to_owned()), Expr::Percent(30)];
            Ok(vec![not_forwarded(context.on(2)?, &some)])
        }),
    },
    Fault {
        id: "length-drop",
        summary: "node2 drops packets longer than 1300 bytes from other nodes to its pods",
        moment: Moment::AfterPods,
        must_fail: &["mtu"],
        may_fail: &[],
        culprit: "node2",
        causes: &[CauseId::DroppedByRule],
        needs_vxlan: false,
        recipe: Recipe::Steps(|context| {
            let long = [Expr::InInterface(UPLINK.to_owned()), Expr::LongerThan(1300)];
            Ok(vec![not_forwarded(context.on(2)?, &long)])
        }),
    },
    Fault {
        id: "first-packet-lost",
        summary: "node2 drops the first two echo requests to its pods",
        moment: Moment::AfterPods,
        must_fail: &["first-packet"],
        may_fail: &[],
        culprit: "node2",
        causes: &[CauseId::FirstPacketLost],
        needs_vxlan: false,
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
        must_fail: &["duplicates"],
        may_fail: &[],
        culprit: "node2",
        causes: &[CauseId::PacketsDoubled],
        needs_vxlan: false,
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
        must_fail: &["no-nat"],
        may_fail: &[],
        culprit: "node1",
        causes: &[CauseId::RewrittenByRule],
        needs_vxlan: false,
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
        must_fail: &["no-nat", "cross-node"],
        may_fail: &["same-node"],
        culprit: "busybox-2",
        causes: &[CauseId::RewrittenByRule],
        needs_vxlan: false,
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
        must_fail: &["no-nat"],
        may_fail: &["mtu"],
        culprit: "busybox-2",
        causes: &[CauseId::RewrittenByRule],
        needs_vxlan: false,
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
