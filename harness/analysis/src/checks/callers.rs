//! Whom calls that go wrong are blamed on.
use std::collections::BTreeSet;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Basis, Found, Subject};
use flatnet_model::follow::Burst;
use flatnet_model::observations::{Call, Endpoint};
use flatnet_model::probe::Transport;
use flatnet_model::reference::Netns;

use super::calls::Wrong;
use super::followed::place_of;
use super::topology::Topology;

/// What was seen at one of these nodes to end packets of pods and nodes that dialled each other, over one of these transports. The calls
/// themselves were not followed: that it ends them too is concluded.
pub(super) fn seen_cause_at<'n>(
    topology: &Topology<'_>,
    nodes: impl IntoIterator<Item = &'n str>,
    over: &BTreeSet<Transport>,
) -> Option<(Subject, Found)> {
    let nodes: BTreeSet<&str> = nodes.into_iter().collect();
    let followed = topology.observations.following.followed.iter();
    // What ends packets of one size only says nothing of calls.
    let fates = followed
        .filter(|followed| matches!(followed.dial.burst, Burst::Few | Burst::Many))
        .filter(|followed| over.contains(&followed.dial.request.transport))
        .filter_map(|followed| followed.found.as_ref()?.fate.as_ref());
    let mut causes = fates
        .filter_map(|fate| fate.cause.as_ref())
        .filter(|found| found.basis == Basis::Seen);
    causes.find_map(|found| {
        let node = node_of(&found.cause).filter(|node| nodes.contains(node))?;
        Some((Subject::node_of(node), Found::inferred(found.cause.clone())))
    })
}

/// The node that a cause is about.
fn node_of(cause: &Cause) -> Option<&str> {
    match (place_of(cause), cause) {
        (Some(Netns::Node(node)), _) | (None, Cause::ForwardingOff { node, .. }) => Some(node),
        _ => None,
    }
}

/// The clients on a node that make up a group; none where it is all of them.
pub(super) fn only_some(
    node: &str,
    wrong: &Wrong<'_>,
    all: &[Call],
    topology: &Topology<'_>,
) -> Vec<Endpoint> {
    let there = |call: &&Call| topology.node_of(&call.from) == Some(node);
    let clients: BTreeSet<&Endpoint> = all.iter().filter(there).map(|call| &call.from).collect();
    let wrong = wrong.clients();
    match wrong.len() == clients.len() {
        true => Vec::new(),
        false => wrong,
    }
}

/// The clients of a node whose calls go wrong, or the node: where it is all of its clients, or all of its pods that called and not
/// one of them alone.
pub(super) fn culprits(
    node: &str,
    clients: &[Endpoint],
    all: &[Call],
    topology: &Topology<'_>,
) -> Vec<Subject> {
    let pods: BTreeSet<&Endpoint> = all
        .iter()
        .map(|call| &call.from)
        .filter(|end| topology.node_of(end) == Some(node) && !topology.on_host(end))
        .collect();
    let all_pods = !pods.is_empty() && pods.iter().all(|pod| clients.contains(pod));
    let alone = pods.len() == 1 && pods.iter().all(|pod| is_cut_off(topology, pod));
    if clients.is_empty() || (all_pods && !alone) {
        return vec![Subject::node_of(node)];
    }
    let each = clients.iter().filter_map(|end| topology.subject(end));
    each.collect()
}

/// Whether a pod reaches no other node, and another pod of its node does.
fn is_cut_off(topology: &Topology<'_>, pod: &Endpoint) -> bool {
    let Some(node) = topology.node_of(pod) else {
        return false;
    };
    let observations = topology.observations;
    let reaching: BTreeSet<&Endpoint> = observations
        .dials
        .iter()
        .filter(|dial| {
            topology.node_of(&dial.from) == Some(node)
                && topology.node_of(&dial.to).is_some_and(|to| to != node)
                && !topology.on_host(&dial.from)
                && observations.fate(dial).reached() == Some(true)
        })
        .map(|dial| &dial.from)
        .collect();
    !reaching.contains(pod) && !reaching.is_empty()
}
