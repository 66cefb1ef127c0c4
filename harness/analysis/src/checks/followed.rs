//! What following packets adds to a check's evidence: a cause that was seen, in place of one that is concluded.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Basis, Command, Found, State, Subject};
use flatnet_model::follow::{Fate, Followed, Rewrite, RuleRef, Wanted};
use flatnet_model::observations::{Endpoint, ObservedPod};
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::Netns;

use super::findings::Problem;
use super::topology::{Topology, at};

/// The dials between these ends that were followed.
pub(super) fn between<'a>(
    topology: &Topology<'a>,
    is_meant: impl Fn(&Endpoint, &Endpoint) -> bool,
) -> Vec<&'a Followed> {
    let followed = topology.observations.following.followed.iter();
    followed
        .filter(|followed| is_meant(&followed.dial.from, &followed.dial.to))
        .collect()
}

/// Where packets ended, of the first of those of which that is known; one with a cause before one without.
pub(super) fn fate<'a>(followed: &[&'a Followed]) -> Option<(&'a Wanted, &'a Fate)> {
    let fates = || {
        followed.iter().filter_map(|followed| {
            let fate = followed.found.as_ref()?.fate.as_ref()?;
            Some((&followed.dial, fate))
        })
    };
    fates()
        .find(|(_, fate)| fate.cause.is_some())
        .or_else(|| fates().next())
}

/// The change of an address that a rule was seen to make, or else any that was seen.
pub(super) fn rewrite<'a>(followed: &[&'a Followed]) -> Option<&'a Rewrite> {
    let rewrites = || {
        let found = followed
            .iter()
            .filter_map(|followed| followed.found.as_ref());
        found.flat_map(|found| &found.rewrites)
    };
    rewrites()
        .find(|rewrite| rewrite.by.is_some())
        .or_else(|| rewrites().next())
}

/// The namespace in which packets ended; nothing where they left one and were not seen in the next, and no cause says which.
pub(super) fn ended_at(fate: &Fate) -> Option<&Netns> {
    let cause = fate.cause.as_ref().and_then(|found| place_of(&found.cause));
    cause.or_else(|| {
        let last = fate.last.as_ref()?;
        (last.passing != Passing::Out).then_some(&last.netns)
    })
}

/// Whether the packet came further than what is wrong there could let it: it ended at the node of its goal, and the problem is at
/// the node of its sender.
pub(super) fn got_past(
    topology: &Topology<'_>,
    (dial, fate): (&Wanted, &Fate),
    problem: &Problem,
) -> bool {
    let ends = (topology.node_of(&dial.from), topology.node_of(&dial.to));
    let (Some(from), Some(to)) = ends else {
        return false;
    };
    let (from, to) = match fate.leg.is_back() {
        true => (to, from),
        false => (from, to),
    };
    let at_goal = match ended_at(fate) {
        Some(Netns::Node(node)) => node == to,
        Some(Netns::Pod(_)) => true,
        Some(Netns::Wire) | None => false,
    };
    at_goal && from != to && problem.pods.is_empty() && problem.node == from
}

/// Who is to blame for what happens in a namespace.
pub(super) fn culprit(topology: &Topology<'_>, netns: &Netns) -> Option<Subject> {
    match netns {
        Netns::Node(node) => Some(Subject::node_of(node)),
        Netns::Pod(pod) => topology.pod(pod).map(|pod| Subject::Pod(at(pod))),
        Netns::Wire => None,
    }
}

/// Where several pods know one wrong Ethernet address for one next hop, it is the next hop's that was changed.
pub(super) fn changed_mac(topology: &Topology<'_>, cause: &Cause) -> Option<Subject> {
    let Cause::NeighbourWrong { hop, mac, .. } = cause else {
        return None;
    };
    let knows = |pod: &&ObservedPod| {
        let neighbours = pod.facts.iter().flat_map(|facts| &facts.neighbours);
        neighbours
            .into_iter()
            .any(|entry| entry.address == *hop && entry.mac == Some(*mac))
    };
    let holder = *topology.holders(*hop).first()?;
    (topology.networked().filter(knows).count() > 1).then(|| Subject::node_of(holder))
}

/// What is observed where nothing could be followed.
pub(super) fn withheld(topology: &Topology<'_>) -> Option<State> {
    let why = topology.observations.following.withheld.clone()?;
    Some(State::NotFollowed { why })
}

/// Whether the cause is one that a check of nodes and pods tells in more detail where it finds it in the same place.
pub(super) fn is_outline(found: &Found) -> bool {
    found.basis == Basis::Inferred
        || matches!(
            found.cause,
            Cause::RouteRefuses { .. }
                | Cause::NeighbourUnresolved { .. }
                | Cause::NeighbourWrong { .. }
                | Cause::LinkDown { .. }
                | Cause::FrameMisdirected { .. }
                | Cause::ForwardingEntryMissing { .. }
                | Cause::NoVtep { .. }
                | Cause::TakenByOther { .. }
                | Cause::SentAway { .. }
                | Cause::CountedDrop { .. }
                | Cause::RoutingLoop { .. }
                | Cause::ForwardingOff { .. }
        )
}

/// The command that shows the rule, route or setting that was seen.
pub fn look(cause: &Cause) -> Option<Command> {
    let (at, line) = match cause {
        Cause::DroppedByRule { at, rule } | Cause::RewrittenByRule { at, rule } => {
            (at, list_rule(rule))
        }
        Cause::ReversePathFilter { at, device, .. } => (
            at,
            format!(
                "cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/{device}/rp_filter"
            ),
        ),
        Cause::RouteRefuses { at, to, .. } => (at, format!("ip route get {to}")),
        Cause::NeighbourUnresolved {
            at, hop, device, ..
        }
        | Cause::NeighbourWrong {
            at, hop, device, ..
        } => (at, format!("ip neigh show {hop} dev {device}")),
        Cause::LinkDown { at, device, .. } | Cause::FrameMisdirected { at, device, .. } => {
            (at, format!("ip link show dev {device}"))
        }
        Cause::ForwardingEntryMissing { at, device, .. } => {
            (at, format!("bridge fdb show dev {device}"))
        }
        Cause::NoVtep { at, .. } => (at, "ip -d link show type vxlan".to_owned()),
        Cause::TakenByOther { at, .. } => (at, "ip address".to_owned()),
        Cause::SentAway { at, .. } => (at, "ip rule".to_owned()),
        Cause::ForwardingOff { node, key } => {
            let path = key.replace('.', "/");
            return Some(Command::on(node, &format!("cat /proc/sys/net/{path}")));
        }
        Cause::CountedDrop {
            at,
            device: Some(device),
            ..
        } => (at, format!("ip -s link show dev {device}")),
        _ => return None,
    };
    match at {
        Netns::Node(node) => Some(Command::on(node, &line)),
        Netns::Pod(pod) => Some(Command::in_pod(pod, &line)),
        Netns::Wire => None,
    }
}

fn list_rule(rule: &RuleRef) -> String {
    let RuleRef {
        family,
        table,
        chain,
        ..
    } = rule;
    match (chain.is_empty(), family.as_str()) {
        (true, "ip6") => format!("ip6tables-legacy -t {table} -L -n -v"),
        (true, _) => format!("iptables-legacy -t {table} -L -n -v"),
        (false, _) => format!("nft -a list chain {family} {table} {chain}"),
    }
}

/// The namespace that a cause is about.
fn place_of(cause: &Cause) -> Option<&Netns> {
    match cause {
        Cause::DroppedByRule { at, .. }
        | Cause::ReversePathFilter { at, .. }
        | Cause::RouteRefuses { at, .. }
        | Cause::NeighbourUnresolved { at, .. }
        | Cause::NeighbourWrong { at, .. }
        | Cause::LinkDown { at, .. }
        | Cause::FrameMisdirected { at, .. }
        | Cause::ForwardingEntryMissing { at, .. }
        | Cause::NoVtep { at, .. }
        | Cause::TakenByOther { at, .. }
        | Cause::SentAway { at, .. }
        | Cause::RoutingLoop { at }
        | Cause::TooBigForDevice { at, .. }
        | Cause::CountedDrop { at, .. }
        | Cause::RewrittenByRule { at, .. } => Some(at),
        _ => None,
    }
}
