//! What a check collects on its way to a verdict.
use std::collections::BTreeSet;

use flatnet_model::probe::Transport;

use super::{Evidence, Verdict};
use crate::checks::topology::Topology;
use flatnet_model::PodRef;
use flatnet_model::observations::Forbidden;

/// Facts, evidence, and what could not be measured.
#[derive(Debug, Default)]
pub(super) struct Findings {
    facts: Vec<String>,
    evidence: Vec<Evidence>,
    unmeasured: Vec<String>,
}

impl Findings {
    pub(super) fn fact(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }

    /// The fact that a reader sees first, and alone where there is little room.
    pub(super) fn headline(&mut self, fact: impl Into<String>) {
        self.facts.insert(0, fact.into());
    }

    pub(super) fn fail(&mut self, evidence: Evidence) {
        self.evidence.push(evidence);
    }

    pub(super) fn unmeasured(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.unmeasured.contains(&what) {
            self.unmeasured.push(what);
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
        if let Some(why) = topology.nodes_forbidden() {
            self.fact(format!("nodes took no part: {why}"));
        }
        for denied in &topology.observations.denied {
            if denied.who == Forbidden::HostNetworkPods {
                self.fact(format!(
                    "hostNetwork pods took no part: {}: not allowed: {}",
                    denied.what, denied.rule
                ));
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
            Verdict::Broken {
                error: format!("could not measure: {}", joined(&self.unmeasured, "; ", 6)),
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
    pub(super) evidence: Evidence,
}

/// A check that is about nodes has nothing to say where a right is missing to look at them.
pub(super) fn without_nodes(topology: &Topology<'_>) -> Option<Verdict> {
    topology.nodes_forbidden().map(|why| Verdict::Skip {
        reason: format!("nodes may not be looked at: {why}"),
    })
}

/// `a, b, c and 4 more`.
pub fn listed<T: AsRef<str>>(items: &[T], most: usize) -> String {
    joined(items, ", ", most)
}

/// The first `most` items, and how many are left out.
pub(super) fn joined<T: AsRef<str>>(items: &[T], separator: &str, most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    let mut text = shown.join(separator);
    if items.len() > most {
        text.push_str(&format!(" and {} more", items.len() - most));
    }
    text
}

/// The command a person types to look for themselves; `command` must exist in busybox.
pub fn look(who: impl std::fmt::Display, command: impl std::fmt::Display) -> String {
    format!("flatnet exec {who} -- {command}")
}

/// `1 pod`, `2 pods`, `2 addresses`.
pub fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ if noun.ends_with('s') => format!("{n} {noun}es"),
        _ => format!("{n} {noun}s"),
    }
}

/// `tcp`, `udp`, `icmp`.
pub(super) fn transport(transport: Transport) -> &'static str {
    transport.as_str()
}

/// `tcp, udp, icmp`.
pub(super) fn transports(of: impl IntoIterator<Item = Transport>) -> String {
    let set: BTreeSet<Transport> = of.into_iter().collect();
    set.into_iter()
        .map(transport)
        .collect::<Vec<_>>()
        .join(", ")
}
