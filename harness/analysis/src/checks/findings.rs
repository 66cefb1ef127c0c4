//! What a check collects on its way to a verdict.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, PodAt, State, Subject};

pub(super) use crate::words::{count, joined, listed, transports};

use super::{Deviation, Verdict};
use crate::checks::topology::Topology;
use flatnet_model::PodRef;
use flatnet_model::observations::{Denied, Forbidden};
use flatnet_model::skip::SkipReason;
use flatnet_model::verdict::Unmeasured;

/// Facts, evidence, and what could not be measured.
#[derive(Debug, Default)]
pub(super) struct Findings {
    facts: Vec<String>,
    evidence: Vec<Deviation>,
    /// What could not be measured, each reason once with everything that it kept from being measured.
    unmeasured: Vec<Unmeasured>,
}

impl Findings {
    pub(super) fn fact(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }

    /// The fact that a reader sees first, and alone where there is little room.
    pub(super) fn headline(&mut self, fact: impl Into<String>) {
        self.facts.insert(0, fact.into());
    }

    pub(super) fn fail(&mut self, evidence: Deviation) {
        self.evidence.push(evidence);
    }

    pub(super) fn unmeasured(&mut self, what: impl Into<String>) {
        self.not_measured(what.into(), None);
    }

    /// As [`Findings::unmeasured`]: things with one reason are said together.
    pub(super) fn unmeasured_for(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.not_measured(what.into(), Some(why.into()));
    }

    fn not_measured(&mut self, what: String, why: Option<String>) {
        let mut all = self.unmeasured.iter_mut();
        match all.find(|known| known.why.is_some() && known.why == why) {
            Some(known) if known.what.contains(&what) => {}
            Some(known) => known.what.push(what),
            None => {
                let what = vec![what];
                let new = Unmeasured { what, why };
                if !self.unmeasured.contains(&new) {
                    self.unmeasured.push(new);
                }
            }
        }
    }

    /// Nodes whose interfaces could not be looked at, each with its reason; `what` of them was wanted.
    pub(super) fn unread(&mut self, topology: &Topology<'_>, what: &str) {
        for node in topology.unread_nodes() {
            let why = topology.unread(node).unwrap_or_default();
            self.unmeasured_for(format!("{what} of {node}"), why);
        }
    }

    /// Says which pods could not be judged because they do not run: `pod-ip-present` is the check that fails for them.
    pub(super) fn mention_idle(&mut self, topology: &Topology<'_>) {
        let idle: Vec<String> = topology
            .idle()
            .map(|pod| {
                let name = topology.pod_name(pod.reference());
                format!("{name} on {} ({})", pod.object.node, pod.status)
            })
            .collect();
        if !idle.is_empty() {
            self.fact(format!(
                "not judged, because they do not run: {}",
                listed(&idle, 6)
            ));
        }
    }

    /// Says whom a missing right kept out: the verdict is about the others.
    pub(super) fn mention_forbidden(&mut self, topology: &Topology<'_>) {
        if let Some(denied) = topology.nodes_forbidden() {
            self.fact(format!("nodes took no part: {}", not_allowed(denied)));
        }
        for denied in &topology.observations.denied {
            if denied.who == Forbidden::HostNetworkPods {
                let why = not_allowed(denied);
                self.fact(format!("hostNetwork pods took no part: {why}"));
            }
        }
    }

    /// One thing that is wrong outweighs everything; then one thing that could not be measured.
    pub(super) fn verdict(self) -> Verdict {
        if !self.evidence.is_empty() {
            Verdict::Fail {
                evidence: self.evidence,
            }
        } else if !self.unmeasured.is_empty() {
            let each = self.unmeasured.iter().map(|one| match &one.why {
                Some(why) => format!("{}: {why}", listed(&one.what, 6)),
                None => listed(&one.what, 6),
            });
            let each: Vec<String> = each.collect();
            Verdict::Broken {
                error: format!("could not measure: {}", joined(&each, "; ", 6)),
                unmeasured: self.unmeasured,
            }
        } else {
            Verdict::Pass { facts: self.facts }
        }
    }
}

/// Something wrong with the configuration of a node or pod. It is evidence of the check that found it, and the likely cause
/// of what other checks see.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    /// The node where it is.
    pub(super) node: String,
    /// The other node it is about, where it is about one.
    pub(super) peer: Option<String>,
    /// The pods it is about; empty when it concerns the whole node.
    pub(super) pods: Vec<PodRef>,
    pub(super) deviation: Deviation,
}

/// What was to be done, and who lacks which right for it.
pub(super) fn not_allowed(denied: &Denied) -> String {
    format!("{}: not allowed: {}", denied.what, denied.rule)
}

/// A check that is about pods' own addresses has nothing to say where every pod uses its node's; pods that should have one and do not run
/// are another matter.
pub(super) fn without_networked(topology: &Topology<'_>) -> Option<Verdict> {
    let mut pods = topology.observations.pods.iter();
    let none = pods.all(|pod| pod.object.host_network);
    none.then_some(Verdict::Skip {
        reason: SkipReason::NoPodAddress,
    })
}

/// A check that is about nodes has nothing to say where a right is missing to look at them.
pub(super) fn without_nodes(topology: &Topology<'_>) -> Option<Verdict> {
    topology.nodes_forbidden().map(|denied| Verdict::Skip {
        reason: SkipReason::NodesForbidden {
            what: denied.what.clone(),
            rule: denied.rule.clone(),
        },
    })
}

impl Problem {
    /// A cause that was seen on a node, for which that node is to blame.
    pub(super) fn on(node: &str, cause: Cause, seen: Seen) -> Self {
        let subject = Subject::node_of(node);
        Problem {
            node: node.to_owned(),
            peer: None,
            pods: Vec::new(),
            deviation: seen.deviation(vec![subject.clone()], vec![subject], Finding::cause(cause)),
        }
    }

    /// Something that was seen in pods of one node.
    pub(super) fn in_pods(
        pods: Vec<PodAt>,
        culprits: Vec<Subject>,
        finding: Finding,
        seen: Seen,
    ) -> Self {
        let node = pods.first().map_or("", |at| at.node.as_str()).to_owned();
        Problem {
            peer: None,
            pods: pods.iter().map(|at| at.pod.clone()).collect(),
            deviation: seen.deviation(subjects(&pods), culprits, finding),
            node,
        }
    }
}

/// What should have been seen, what was, and how to see it.
pub(super) struct Seen {
    pub(super) expected: State,
    pub(super) observed: Vec<State>,
    pub(super) look: Command,
}

impl Seen {
    pub(super) fn new(
        expected: impl Into<State>,
        observed: impl Into<State>,
        look: Command,
    ) -> Self {
        Seen {
            expected: expected.into(),
            observed: vec![observed.into()],
            look,
        }
    }

    pub(super) fn deviation(
        self,
        subjects: Vec<Subject>,
        culprits: Vec<Subject>,
        finding: Finding,
    ) -> Deviation {
        Deviation {
            subjects,
            culprits,
            finding,
            expected: self.expected,
            observed: self.observed,
            look: self.look,
        }
    }
}

/// Each of these pods.
pub(super) fn subjects(pods: &[PodAt]) -> Vec<Subject> {
    pods.iter().cloned().map(Subject::Pod).collect()
}

/// The first `most`, and how many more there are.
pub(super) fn some(mut states: Vec<State>, most: usize) -> Vec<State> {
    if states.len() > most {
        let count = states.len() - most;
        states.truncate(most);
        states.push(State::More { count });
    }
    states
}
