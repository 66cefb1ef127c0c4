//! Causes, one small file per family: pure functions from the evidence to findings.
mod addresses;
mod agent;
mod configuration;
mod container;
mod directory;
mod executed;
mod image;
mod node;
mod object;
mod plugin;
mod probe;
pub(super) mod reach;
mod reservations;
mod schedule;
mod terminating;

#[cfg(test)]
mod tests;

use flatnet_model::cause::{Basis, Cause};
use flatnet_model::diagnosis::{Finding, Seen, one_line};
use flatnet_model::evidence::{
    Command, Deviation, Evidence, Finding as Wrong, PodAt, Remediation, Rule, State, Subject,
};
use flatnet_model::symptoms::{NodeSymptoms, PodSymptoms, Symptoms};

use super::words::{self, Said};

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
        if pod.object.terminating {
            findings.extend(terminating::of(&about, pod));
            if !pod.object.host_network {
                findings.extend(removal(&about));
            }
        } else if pod.waits_for_sandbox() {
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

/// The agent of a running pod's node, where it does not work and nothing else was seen to be behind what the checks have `against` the
/// pod: routes are the agent's, and what only may be a packet filter comes after what is known to be missing.
pub(super) fn agent_behind(
    evidence: &Symptoms,
    pod: &PodSymptoms,
    against: &[Finding],
) -> Option<Finding> {
    let unexplained = |finding: &Finding| {
        let found = finding.evidence.deviation.finding.found();
        finding.evidence.rule.id == "node-routes"
            || found.is_none_or(|found| found.basis == Basis::Inferred)
    };
    if against.is_empty() || !against.iter().all(unexplained) {
        return None;
    }
    let node = evidence.node(pod.node()?)?;
    agent::of(&About {
        evidence,
        node,
        pod: Some(pod),
    })
}

/// The agent of a node that is Ready, where it does not work.
pub(super) fn ended_agent(evidence: &Symptoms, node: &NodeSymptoms) -> Option<Finding> {
    let about = About {
        evidence,
        node,
        pod: None,
    };
    node.object.is_ready().then(|| agent::ended(&about))?
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
    findings.extend(reservations::of(&about));
    ranked(findings)
}

/// Why DEL fails: only what its words name, a node's files are not what an earlier ADD was done with.
fn removal(about: &About<'_>) -> Vec<Finding> {
    match about.said() {
        Said::PluginMissing { .. } => {
            directory::of(about).map_or_else(|| configuration::of(about), |found| vec![found])
        }
        Said::AgentSilent { .. } => agent::of(about).into_iter().collect(),
        _ => executed::of(about).into_iter().collect(),
    }
}

fn network(about: &About<'_>) -> Vec<Finding> {
    let mut findings = match directory::of(about) {
        Some(found) => vec![found],
        None => configuration::of(about),
    };
    findings.extend(executed::of(about));
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
    findings
}

/// What is known of a cause, apart from its parameters.
struct Known {
    subjects: Vec<Subject>,
    culprit: Subject,
    expected: State,
    observed: Vec<State>,
    look: Command,
    fix: Remediation,
    seen: Vec<Seen>,
}

impl Known {
    /// A cause that keeps that pod from running; of none, that node from being Ready.
    fn finding(self, rule: Rule, cause: Cause) -> Finding {
        Finding {
            id: cause.id(),
            evidence: Evidence {
                rule,
                deviation: Deviation {
                    subjects: self.subjects,
                    culprits: vec![self.culprit],
                    finding: Wrong::cause(cause),
                    expected: self.expected,
                    observed: self.observed,
                    look: self.look,
                },
                remediation: Some(self.fix),
                alike: Vec::new(),
            },
            seen: self.seen,
        }
    }
}

/// Somebody's words, on one line: runtimes and programs end them as they like.
fn said(text: &str) -> State {
    State::Said {
        text: one_line(text),
    }
}

/// An unhealthy node, or a pod on it.
struct About<'a> {
    evidence: &'a Symptoms,
    node: &'a NodeSymptoms,
    pod: Option<&'a PodSymptoms>,
}

impl About<'_> {
    /// The pod, or the node.
    fn subject(&self) -> Subject {
        match self.pod {
            Some(pod) => Subject::Pod(self.pod_at(pod)),
            None => self.node(),
        }
    }

    fn node(&self) -> Subject {
        Subject::node_of(&self.node.object.name)
    }

    fn pod_at(&self, pod: &PodSymptoms) -> PodAt {
        PodAt::new(pod.object.reference.clone(), &self.node.object.name)
    }

    /// The latest that runtime or kubelet said about the network of this pod; of a node, what its condition says.
    fn network_words(&self) -> Option<Seen> {
        match self.pod {
            Some(pod) => {
                let reasons: &[&str] = match pod.object.terminating {
                    true => &["FailedKillPod"],
                    false => &["FailedCreatePodSandBox", "NetworkNotReady", "FailedSync"],
                };
                let event = pod.latest(reasons)?;
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

    /// A command on the node, words separated by blanks.
    fn on_node(&self, line: &str) -> Command {
        Command::on(&self.node.object.name, line)
    }

    /// A line for a shell on the node.
    fn shell(&self, line: impl Into<String>) -> Command {
        let at = flatnet_model::evidence::At::Node(self.node.object.name.clone());
        Command::shell(at, line)
    }

    /// A cause, read from these words besides those of runtime or kubelet.
    fn finding(&self, cause: Cause, known: Known) -> Finding {
        let rule = match self.pod {
            Some(_) => Rule::pod_runs(),
            None => Rule::node_ready(),
        };
        let seen = self.network_words().into_iter().chain(known.seen).collect();
        Known { seen, ..known }.finding(rule, cause)
    }
}
