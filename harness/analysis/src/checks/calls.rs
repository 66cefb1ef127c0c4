//! Calls of those who use a cluster, judged alike whatever is called.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::evidence::{Complaint, State, Talk};
use flatnet_model::probe::{DialOutcome, Failure, Transport};

use super::Verdict;
use super::findings::{Findings, some};
use super::topology::Topology;
use flatnet_model::PodRef;
use flatnet_model::observations::{
    Availability, Call, ControlPlane, Endpoint, Observations, ObservedNode, ObservedPod,
};
use flatnet_model::skip::SkipReason;

/// The part of a control plane that a check is about; else the verdict without it.
pub(super) fn part<'a, T>(
    observations: &'a Observations,
    of: impl FnOnce(&'a ControlPlane) -> &'a Availability<T>,
) -> Result<&'a T, Verdict> {
    let Some(control_plane) = &observations.control_plane else {
        return Err(Verdict::Skip {
            reason: match observations.capabilities.control_plane.why_absent() {
                Some(why) => not_available(why),
                None => SkipReason::ControlPlaneNotObserved,
            },
        });
    };
    available(of(control_plane))
}

fn not_available(why: &str) -> SkipReason {
    SkipReason::NotAvailable {
        why: why.to_owned(),
    }
}

/// What was found; else the verdict without it.
pub(super) fn available<T>(part: &Availability<T>) -> Result<&T, Verdict> {
    match part {
        Availability::Found(found) => Ok(found),
        Availability::Absent { why } => Err(Verdict::Skip {
            reason: not_available(why),
        }),
        Availability::Lost { error } => Err(Verdict::broken(error.clone())),
    }
}

/// Calls that went wrong, with what was said about each.
pub(super) struct Wrong<'a> {
    topology: &'a Topology<'a>,
    calls: Vec<(&'a Call, Vec<(Complaint, usize)>)>,
    /// Whether a dial of one of them was answered as it should be.
    some_answered: bool,
}

impl<'a> Wrong<'a> {
    /// Judges calls by what each answered dial tells (`good`: else what is wrong with it). Dials that could not be made are
    /// noted as unmeasured. Calls whose every dial was right are not part of it.
    pub(super) fn of(
        topology: &'a Topology<'a>,
        calls: impl IntoIterator<Item = &'a Call>,
        findings: &mut Findings,
        good: impl Fn(&Call, &DialOutcome) -> Result<(), Complaint>,
    ) -> Self {
        let mut wrong = Wrong {
            topology,
            calls: Vec::new(),
            some_answered: false,
        };
        for call in calls {
            let mut said: Vec<(Complaint, usize)> = Vec::new();
            let mut complain = |what: Complaint| match said.iter_mut().find(|(of, _)| *of == what) {
                Some((_, times)) => *times += 1,
                None => said.push((what, 1)),
            };
            if call.results.is_empty() {
                findings.unmeasured(format!(
                    "{} from {} to {} was not dialled",
                    call.request.transport,
                    topology.end_name(&call.from),
                    call.request.address
                ));
            }
            for outcome in &call.results {
                match outcome {
                    DialOutcome::Failed {
                        kind: Failure::Unsupported,
                        detail,
                        ..
                    } => findings.unmeasured_for(
                        format!(
                            "{} from {} to {}",
                            call.request.transport,
                            topology.end_name(&call.from),
                            call.request.address
                        ),
                        detail,
                    ),
                    DialOutcome::Failed { detail, .. } => complain(Complaint::Said(detail.clone())),
                    DialOutcome::Answered { .. } => match good(call, outcome) {
                        Ok(()) => {}
                        Err(what) => complain(what),
                    },
                }
            }
            let bad: usize = said.iter().map(|(_, times)| times).sum();
            if bad > 0 {
                wrong.some_answered |= bad < call.results.len();
                wrong.calls.push((call, said));
            }
        }
        wrong
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &'a Call> + '_ {
        self.calls.iter().map(|(call, _)| *call)
    }

    /// Part of the dials of a call were answered: there is a way, but not always.
    pub(super) fn partly(&self) -> bool {
        self.some_answered
    }

    /// Split by a key, such as the node of one end.
    pub(super) fn by<K: Ord>(self, key: impl Fn(&Call) -> K) -> BTreeMap<K, Wrong<'a>> {
        let mut groups: BTreeMap<K, Wrong<'a>> = BTreeMap::new();
        for (call, said) in self.calls {
            let group = groups.entry(key(call)).or_insert_with(|| Wrong {
                topology: self.topology,
                calls: Vec::new(),
                some_answered: self.some_answered,
            });
            group.calls.push((call, said));
        }
        groups
    }

    /// Each call and what was said about it, the first few.
    pub(super) fn observed(&self) -> Vec<State> {
        let said = self.calls.iter().map(|(call, said)| {
            State::from(Talk::Called {
                from: call.from.clone(),
                target: target(call),
                transport: call.request.transport,
                said: said.clone(),
                dials: call.results.len(),
            })
        });
        some(said.collect(), 3)
    }

    /// Over what it goes wrong.
    pub(super) fn over(&self) -> BTreeSet<Transport> {
        self.calls().map(|call| call.request.transport).collect()
    }

    /// Whose calls go wrong.
    pub(super) fn clients(&self) -> Vec<Endpoint> {
        let clients: BTreeSet<&Endpoint> = self.calls().map(|call| &call.from).collect();
        clients.into_iter().cloned().collect()
    }
}

/// `10.96.0.9:7411`, `[fd00::9]:7411`.
pub(super) fn target(call: &Call) -> String {
    std::net::SocketAddr::new(call.request.address, call.request.port).to_string()
}

/// The node of which an address was dialled.
pub(super) fn dialled_node<'a>(topology: &Topology<'a>, call: &Call) -> Option<&'a str> {
    let mut nodes = topology.nodes();
    let node = nodes.find(|node| node.object.internal_ips.contains(&call.request.address))?;
    Some(node.object.name.as_str())
}

/// Who answered, in its own words.
pub(super) fn responder(outcome: &DialOutcome) -> Option<&str> {
    match outcome {
        DialOutcome::Answered { responder, .. } => responder.as_deref(),
        DialOutcome::Failed { .. } => None,
    }
}

/// Whether one of these pods answered; else who did.
pub(super) fn answered_by<'p>(
    mut pods: impl Iterator<Item = &'p PodRef>,
    outcome: &DialOutcome,
) -> Result<(), Complaint> {
    let answered = responder(outcome);
    let end = answered.and_then(|text| text.parse().ok());
    match end {
        Some(Endpoint::Pod(pod)) if pods.any(|wanted| *wanted == pod) => Ok(()),
        _ => Err(Complaint::AnsweredBy {
            responder: answered.map(str::to_owned),
            no_backend: false,
        }),
    }
}

/// Running pods of the pod network, and nodes within reach, that made none of these calls.
pub(super) fn silent(topology: &Topology<'_>, calls: &[Call], pods_only: bool) -> Vec<String> {
    let made: BTreeSet<&Endpoint> = calls.iter().map(|call| &call.from).collect();
    let pods = topology.networked().map(ObservedPod::endpoint);
    let nodes = topology
        .nodes()
        .map(ObservedNode::endpoint)
        .filter(|_| !pods_only && topology.nodes_forbidden().is_none());
    pods.chain(nodes)
        .filter(|end| !made.contains(end))
        .map(|end| topology.end_name(&end))
        .collect()
}
