//! Path MTUs that pods have learned. Trials pay no regard to them; applications of those pods do.
use std::collections::BTreeMap;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, State, Subject, Talk};
use flatnet_model::observations::{Endpoint, MtuRun};
use flatnet_model::reference::Netns;

use crate::checks::Deviation;
use crate::checks::findings::some;
use crate::checks::topology::{Topology, at};

/// Of what was learned so much is told, as the rest differs in addresses only.
const NAMED: usize = 1;

/// Whether the sender's kernel holds back packets that its interface would take.
pub(super) fn is_below(run: &MtuRun) -> bool {
    run.learned
        .is_some_and(|learned| learned.mtu < run.interface_mtu)
}

/// What the senders of these runs have learned that keeps packets back.
pub(super) fn states(runs: &[&MtuRun]) -> Vec<State> {
    let below = runs.iter().filter(|run| is_below(run));
    let said = below.filter_map(|run| {
        Some(State::from(Talk::LearnedMtu {
            from: run.from.clone(),
            to: run.address,
            learned: run.learned?,
        }))
    });
    some(said.collect(), NAMED)
}

/// One finding for each sender of paths that carry more than its kernel believes. Nobody is to blame: who was told of a narrow path
/// did not make it narrow.
pub(super) fn evidence(topology: &Topology<'_>, runs: &[&MtuRun]) -> Vec<Deviation> {
    let mut of_sender: BTreeMap<&Endpoint, Vec<&MtuRun>> = BTreeMap::new();
    for run in runs {
        of_sender.entry(&run.from).or_default().push(run);
    }
    let each = of_sender.into_iter().filter_map(|(sender, runs)| {
        let Endpoint::Pod(pod) = sender else {
            return None;
        };
        let first = runs[0];
        let bytes = first.interface_mtu;
        let cause = Cause::PathMtuLearned {
            at: Netns::Pod(pod.clone()),
            to: first.address,
            learned: first.learned?,
        };
        let mut observed = vec![Talk::PassedWhole { bytes }.into()];
        observed.extend(states(&runs));
        Some(Deviation {
            subjects: vec![Subject::Pod(at(topology.pod(pod)?))],
            culprits: Vec::new(),
            expected: Talk::Passes { bytes }.into(),
            observed,
            look: crate::look::at(&cause, &topology.observations.pods)?,
            finding: Finding::cause(cause),
        })
    });
    each.collect()
}
