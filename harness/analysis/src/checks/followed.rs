//! What following packets adds to a check's evidence: a cause that was seen, in place of one that is concluded.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Basis, Found, State, Subject};
use flatnet_model::follow::{Burst, Fate, Followed, Rewrite, Wanted};
use flatnet_model::kernel::{AddressField, MacAddr};
use flatnet_model::observations::Endpoint;
use flatnet_model::probe::Facts;
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::Netns;

use super::findings::Problem;
use super::topology::{Topology, at};
use super::veth::paired;

/// The dials between these ends that were followed.
pub(super) fn between<'a>(
    topology: &Topology<'a>,
    is_meant: impl Fn(&Endpoint, &Endpoint) -> bool,
) -> Vec<&'a Followed> {
    of_burst(topology, Burst::Few, is_meant)
}

/// The same, of bursts of one kind.
pub(super) fn of_burst<'a>(
    topology: &Topology<'a>,
    burst: Burst,
    is_meant: impl Fn(&Endpoint, &Endpoint) -> bool,
) -> Vec<&'a Followed> {
    let followed = topology.observations.following.followed.iter();
    followed
        .filter(|followed| followed.dial.burst == burst)
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

/// The change of a request's destination that was seen, whatever made it.
pub(super) fn redirected<'a>(followed: &[&'a Followed]) -> Option<&'a Rewrite> {
    let found = followed
        .iter()
        .filter_map(|followed| followed.found.as_ref());
    let mut rewrites = found.flat_map(|found| &found.rewrites);
    rewrites.find(|rewrite| rewrite.field == AddressField::Destination && !rewrite.leg.is_back())
}

/// The rule that was seen to make that change.
pub(super) fn rewritten_by(rewrite: &Rewrite) -> Option<Found> {
    Some(Found::seen(Cause::RewrittenByRule {
        at: rewrite.at.clone(),
        rule: rewrite.by.clone()?,
    }))
}

/// The namespace in which packets ended; nothing where they left one and were not seen in the next, and no cause says which.
pub(super) fn ended_at(fate: &Fate) -> Option<&Netns> {
    let cause = fate.cause.as_ref().and_then(|found| place_of(&found.cause));
    cause.or_else(|| match &fate.last {
        Some(last) => (last.passing != Passing::Out).then_some(&last.netns),
        // They came to no device of where they were sent.
        None => fate.unseen_at.as_ref(),
    })
}

/// Whether where packets ended, if that is known, leaves the problem as the reason: it tells what was seen there in more detail.
pub(super) fn agrees(
    topology: &Topology<'_>,
    ended: Option<(&Wanted, &Fate)>,
    problem: &Problem,
) -> bool {
    ended.is_none_or(|ended| {
        let outlined = ended.1.cause.as_ref().is_none_or(is_outline);
        outlined && !got_past(topology, ended, problem)
    })
}

/// Whether the packet came further than what is wrong there could let it: it ended at the node of its goal, and the problem is at
/// the node of its sender.
fn got_past(topology: &Topology<'_>, (dial, fate): (&Wanted, &Fate), problem: &Problem) -> bool {
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
        Some(Netns::Pod(pod)) => topology.pod(pod).is_some_and(|pod| pod.object.node == to),
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

/// Who is to blame for that end of packets; nobody where they left one namespace and were not seen in the next.
pub(super) fn blamed(topology: &Topology<'_>, fate: &Fate) -> Vec<Subject> {
    let cause = fate.cause.as_ref().map(|found| &found.cause);
    if let Some(blamed) = cause.and_then(|cause| changer(topology, cause)) {
        return blamed;
    }
    // Who gets a frame for another has not sent it, and who was told of a narrow path did not make it narrow.
    if let Some(Cause::FrameMisdirected { .. } | Cause::PathMtuLearned { .. }) = cause {
        return Vec::new();
    }
    if let Some(node) = cause.and_then(|cause| node_of_port(topology, cause)) {
        return vec![Subject::node_of(node)];
    }
    let at = ended_at(fate);
    let culprit = at.and_then(|at| culprit(topology, at));
    culprit.into_iter().collect()
}

/// The node behind the port of what joins the nodes that a cause is about.
fn node_of_port<'a>(topology: &Topology<'a>, cause: &Cause) -> Option<&'a str> {
    let (Cause::TooBigForDevice {
        at: Netns::Wire,
        device: Some(device),
        ..
    }
    | Cause::LinkDown {
        at: Netns::Wire,
        device,
        ..
    }) = cause
    else {
        return None;
    };
    let wire = topology.observations.following.wire.as_ref()?;
    let port = wire.as_ref().ok()?.link_named(device)?;
    let mut nodes = topology.nodes();
    let node = nodes.find(|node| {
        let links = node.inside.facts().map(|facts| &facts.links[..]);
        let mut links = links.unwrap_or_default().iter();
        // Index and peer are numbers of both ends' namespaces, which other pairs may have as well: a node has one uplink of that kind.
        links.any(|link| link.master.is_none() && paired(link, port))
    })?;
    Some(&node.object.name)
}

/// Whether a neighbour entry that differs from its next hop's Ethernet address was changed, or the next hop's was. Other entries for
/// that next hop decide, then the address that CNI plugins make of an IPv4 address (0a:58 and its four bytes); else it may be either.
fn changer(topology: &Topology<'_>, cause: &Cause) -> Option<Vec<Subject>> {
    let Cause::NeighbourWrong {
        at,
        hop,
        mac,
        actual: Some(actual),
        ..
    } = cause
    else {
        return None;
    };
    let pods = topology.networked().map(|pod| {
        let netns = Netns::Pod(pod.reference().clone());
        (netns, pod.facts.as_ref().ok())
    });
    let nodes = topology.nodes().map(|node| {
        let netns = Netns::Node(node.object.name.clone());
        (netns, node.inside.facts().ok())
    });
    let all: Vec<(Netns, &Facts)> = pods
        .chain(nodes)
        .filter_map(|(netns, facts)| Some((netns, facts?)))
        .collect();
    let holder = all.iter().find(|(_, facts)| facts.holder(*hop).is_some());
    let changed = holder.and_then(|(netns, _)| culprit(topology, netns));
    let others = |wanted: &MacAddr| {
        let entries = all.iter().filter(|(netns, _)| netns != at);
        let entries = entries.flat_map(|(_, facts)| &facts.neighbours);
        entries
            .filter(|entry| entry.address == *hop && entry.mac == Some(*wanted))
            .count()
    };
    let made_of = |mac: &MacAddr| is_made_of(*mac, *hop);
    let entry = culprit(topology, at);
    let (known, right) = (others(mac), others(actual));
    let blamed: Vec<Option<Subject>> = match () {
        () if known > right => vec![changed],
        () if right > known => vec![entry],
        () if made_of(mac) && !made_of(actual) => vec![changed],
        () if made_of(actual) && !made_of(mac) => vec![entry],
        () => vec![entry, changed],
    };
    Some(blamed.into_iter().flatten().collect())
}

/// Whether an Ethernet address is the one that CNI plugins make of an address: of an IPv4 one many do, of an IPv6 one flatnet's.
pub(super) fn is_made_of(mac: MacAddr, address: IpAddr) -> bool {
    mac == MacAddr::from_ip(address)
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
                | Cause::RoutedAway { .. }
                | Cause::CountedDrop { .. }
                | Cause::RoutingLoop { .. }
                | Cause::ForwardingOff { .. }
        )
}

/// The namespace that a cause is about.
pub(super) fn place_of(cause: &Cause) -> Option<&Netns> {
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
        | Cause::SourceIsOwn { at, .. }
        | Cause::SentAway { at, .. }
        | Cause::RoutedAway { at, .. }
        | Cause::RoutingLoop { at }
        | Cause::TtlExpired { by: at, .. }
        | Cause::TooBigForDevice { at, .. }
        | Cause::PathMtuLearned { at, .. }
        | Cause::RouteMtu { at, .. }
        | Cause::CountedDrop { at, .. }
        | Cause::RewrittenByRule { at, .. } => Some(at),
        _ => None,
    }
}
