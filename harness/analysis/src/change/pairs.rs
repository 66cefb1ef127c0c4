//! Pairs of pods, by age.
use std::collections::BTreeSet;

use flatnet_model::PodRef;
use flatnet_model::change::{Ages, Pairs};
use flatnet_model::observations::{Endpoint, Observations};
use flatnet_model::probe::DialOutcome;

/// How the pairs of each kind reached each other; `old` are the pods from before.
pub fn pairs(observations: &Observations, old: &BTreeSet<PodRef>) -> Pairs {
    let mut pairs = Pairs::new();
    let in_pod_network: BTreeSet<&PodRef> = observations
        .pods
        .iter()
        .filter(|pod| !pod.object.host_network)
        .map(|pod| pod.reference())
        .collect();
    for dial in &observations.dials {
        let (Endpoint::Pod(from), Endpoint::Pod(to)) = (&dial.from, &dial.to) else {
            continue;
        };
        if from == to || !in_pod_network.contains(from) || !in_pod_network.contains(to) {
            continue;
        }
        let ages = match (old.contains(from), old.contains(to)) {
            (true, true) => Ages::OldOld,
            (false, false) => Ages::NewNew,
            _ => Ages::OldNew,
        };
        let reached = pairs.entry(ages).or_default();
        reached.dialled += 1;
        if let DialOutcome::Failed { detail, .. } = &dial.result {
            let request = dial.request;
            let words = format!(
                "{from} to {to} ({}, {}): {detail}",
                request.address, request.transport
            );
            reached.failed.push(words);
        }
    }
    pairs
}
