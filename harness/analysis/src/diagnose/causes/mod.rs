//! Causes, one small file a family: pure functions from the evidence to findings.
mod addresses;
mod agent;
mod configuration;
mod container;
mod image;
mod node;
mod object;
mod plugin;
mod probe;
pub(super) mod reach;
mod schedule;

#[cfg(test)]
mod tests;

use flatnet_model::cause::Cause;
use flatnet_model::diagnosis::{Finding, Seen, one_line};
use flatnet_model::symptoms::{NodeSymptoms, PodSymptoms, Symptoms};

use super::words::{self, Said};
use crate::checks;

/// What keeps a pod from being well, likeliest first.
pub(super) fn of_pod(evidence: &Symptoms, pod: &PodSymptoms) -> Vec<Finding> {
    let mut findings = schedule::of(evidence, pod);
    let node = pod.node().and_then(|name| evidence.node(name));
    if let Some(node) = node.filter(|_| !refused(pod)) {
        let about = About {
            evidence,
            node,
            pod: Some(pod),
        };
        findings.extend(node::of(&about));
        if pod.waits_for_sandbox() {
            if !pod.object.host_network {
                findings.extend(network(&about));
            }
            findings.extend(object::mounts(&about, pod));
        } else {
            findings.extend(image::of(&about, pod));
            findings.extend(object::references(&about, pod));
            findings.extend(container::of(&about, pod));
            findings.extend(probe::of(&about, pod));
        }
    }
    ranked(findings)
}

/// What keeps a node from being Ready, likeliest first.
pub(super) fn of_node(evidence: &Symptoms, node: &NodeSymptoms) -> Vec<Finding> {
    let about = About {
        evidence,
        node,
        pod: None,
    };
    let mut findings: Vec<Finding> = node::of(&about).into_iter().collect();
    // A kubelet that does not report says nothing about the network either.
    if node.ready().0 == "False" {
        findings.extend(network(&about));
    }
    ranked(findings)
}

fn network(about: &About<'_>) -> Vec<Finding> {
    let mut findings = configuration::of(about);
    findings.extend(addresses::pod_cidr(about));
    findings.extend(addresses::exhausted(about));
    findings.extend(addresses::stale_bridge(about));
    findings.extend(agent::of(about));
    if findings.is_empty() {
        findings.extend(plugin::of(about));
    }
    findings
}

/// The kubelet did not take the pod: nothing of its node's state explains it.
fn refused(pod: &PodSymptoms) -> bool {
    schedule::refusal(pod).is_some()
}

fn ranked(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.id);
    for finding in &mut findings {
        // Runtimes and programs end their words as they like.
        finding.evidence.observed = one_line(&finding.evidence.observed);
    }
    findings
}

/// Somebody who is not well: a node, or a pod on it.
struct About<'a> {
    evidence: &'a Symptoms,
    node: &'a NodeSymptoms,
    pod: Option<&'a PodSymptoms>,
}

impl About<'_> {
    /// `pod default/app on node1`, `node node1`.
    fn who(&self) -> String {
        match self.pod {
            Some(pod) => format!("pod {} on {}", pod.object.reference, self.node.object.name),
            None => format!("node {}", self.node.object.name),
        }
    }

    /// The latest that runtime or kubelet said about the network of this pod; of a node, what its condition says.
    fn network_words(&self) -> Option<Seen> {
        match self.pod {
            Some(pod) => {
                let reasons = ["FailedCreatePodSandBox", "NetworkNotReady", "FailedSync"];
                let event = pod.latest(&reasons)?;
                Some(Seen::new(event.title(), &event.message))
            }
            None => {
                let (status, _, message) = self.node.ready();
                (status != "True").then(|| Seen::new("condition Ready", message))
            }
        }
    }

    /// The same, understood.
    fn said(&self) -> Said {
        self.network_words()
            .map_or(Said::Other, |seen| words::read(&seen.text))
    }

    fn on_node(&self, command: &str) -> String {
        self.evidence
            .advice
            .on_node(&self.node.object.name, command)
    }

    fn finding(&self, id: Cause, evidence: checks::Evidence, mend: String) -> Finding {
        Finding {
            id,
            evidence,
            mend,
            seen: self.network_words().into_iter().collect(),
        }
    }
}
