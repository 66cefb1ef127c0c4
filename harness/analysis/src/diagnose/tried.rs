//! What a pod's network was tried with, and what could not be.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::PodRef;
use flatnet_model::diagnosis::Tried;
use flatnet_model::network::Transport;
use flatnet_model::observations::{Dial, Endpoint, Observations, ObservedPod};
use flatnet_model::probe::{DialOutcome, Failure};
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::verdict::Verdict;

use super::causes::reach;
use crate::checks;

/// What came through.
pub(super) fn tried(pod: &PodSnapshot, seen: &Observations) -> Tried {
    let own = Endpoint::Pod(pod.reference.clone());
    let over = transports(pod, seen);
    let peers = |away: bool| -> BTreeSet<&PodRef> {
        let mut answered: BTreeMap<&PodRef, (bool, BTreeSet<Transport>)> = BTreeMap::new();
        for dial in &seen.dials {
            let (from, to) = (&dial.from, &dial.to);
            let Endpoint::Pod(peer) = (match away {
                true if *from == own => to,
                false if *to == own => from,
                _ => continue,
            }) else {
                continue;
            };
            if *peer == pod.reference || is_unsupported(dial) {
                continue;
            }
            let entry = answered.entry(peer).or_insert((true, BTreeSet::new()));
            entry.0 &= matches!(dial.result, DialOutcome::Answered { .. });
            entry.1.insert(dial.request.transport);
        }
        let whole = answered
            .into_iter()
            .filter(|(_, (all, seen))| *all && *seen == over);
        whole.map(|(peer, _)| peer).collect()
    };
    let (reached, reached_by) = (peers(true), peers(false));
    let nodes: BTreeSet<&str> = seen
        .pods
        .iter()
        .filter(|peer| reached.contains(peer.reference()) && reached_by.contains(peer.reference()))
        .map(|peer| peer.object.node.as_str())
        .collect();
    let passed = seen
        .mtu
        .iter()
        .filter(|run| run.from == own)
        .map(|run| {
            let trials = run.trials.as_deref().unwrap_or_default();
            let arrived = trials.iter().filter(|trial| trial.arrived);
            arrived.map(|trial| trial.size).max().unwrap_or(0)
        })
        .min();
    Tried {
        reached: reached.len(),
        reached_by: reached_by.len(),
        nodes: nodes.len(),
        over,
        bytes: passed.filter(|bytes| *bytes > 0),
        gateway: gateway_answered(pod, seen),
        service: service_answered(&own, seen),
    }
}

/// What was to be tried, and why it was not: nodes without a peer, and checks that could not measure.
pub(super) fn unmeasured(pod: &PodSnapshot, seen: &Observations) -> Vec<String> {
    let mut unmeasured = Vec::new();
    let takes_part = |peer: &&ObservedPod| {
        let end = peer.endpoint();
        peer.runs()
            && !peer.object.host_network
            && peer.object.reference != pod.reference
            && seen.dials.iter().any(|dial| dial.from == end)
    };
    for node in &seen.nodes {
        let name = &node.object.name;
        let mut peers = seen.pods.iter().filter(takes_part);
        if !peers.any(|peer| peer.object.node == *name) {
            unmeasured.push(format!(
                "whether it reaches pods of {name} and is reached by them: no pod there took the probe"
            ));
        }
    }
    for id in reach::WIRING.into_iter().chain(reach::PACKETS) {
        let Ok(check) = checks::find(id) else {
            continue;
        };
        if let Verdict::Broken { error, .. } = check.judge(seen) {
            unmeasured.push(format!("{id}: {error}"));
        }
    }
    unmeasured
}

/// Those over which the pod was to be reached, or to reach others.
fn transports(pod: &PodSnapshot, seen: &Observations) -> BTreeSet<Transport> {
    let own = Endpoint::Pod(pod.reference.clone());
    let of_pod = seen
        .dials
        .iter()
        .filter(|dial| (dial.from == own || dial.to == own) && !is_unsupported(dial));
    of_pod.map(|dial| dial.request.transport).collect()
}

fn is_unsupported(dial: &Dial) -> bool {
    matches!(
        dial.result,
        DialOutcome::Failed {
            kind: Failure::Unsupported,
            ..
        }
    )
}

/// The gateway's own kernel answers ICMP: a dial of it has no port.
fn gateway_answered(pod: &PodSnapshot, seen: &Observations) -> bool {
    let own = Endpoint::Pod(pod.reference.clone());
    let node = Endpoint::Node(pod.node.clone());
    let dials = seen.dials.iter().filter(|dial| {
        dial.from == own
            && dial.to == node
            && dial.request.transport == Transport::Icmp
            && dial.request.port == 0
    });
    let mut dials = dials.peekable();
    dials.peek().is_some() && dials.all(|dial| matches!(dial.result, DialOutcome::Answered { .. }))
}

fn service_answered(own: &Endpoint, seen: &Observations) -> Option<bool> {
    let translated = seen.translated.iter().flat_map(|all| &all.dials);
    let to_itself = translated.filter(|dial| dial.from == *own && dial.to == *own);
    let answered = to_itself.map(|dial| matches!(dial.result, DialOutcome::Answered { .. }));
    answered.reduce(|a, b| a && b)
}
