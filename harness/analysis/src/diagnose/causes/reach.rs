//! A pod that runs and is not reached, judged by the checks: pods of every node and the nodes themselves are its peers.
use flatnet_model::PodRef;
use flatnet_model::cause::{Cause, CauseId};
use flatnet_model::evidence::{Command, Evidence, Remediation, Step, Subject, Todo};
use flatnet_model::observations::Observations;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::Symptoms;
use flatnet_model::verdict::Verdict;

use super::Finding;
use crate::{checks, mend};

/// Checks that look at how a pod is wired: what they find is a cause.
pub(in crate::diagnose) const WIRING: [&str; 5] = [
    "pod-ip-present",
    "pod-ip-unique",
    "bridge",
    "gateway",
    "node-routes",
];
/// Checks that send packets: what they find follows from something, which they name where they can.
pub(in crate::diagnose) const PACKETS: [&str; 5] =
    ["same-node", "cross-node", "no-nat", "mtu", "hairpin"];

/// What the checks have against a pod.
pub(in crate::diagnose) fn of(
    evidence: &Symptoms,
    pod: &PodSnapshot,
    observations: &Observations,
) -> Vec<Finding> {
    let name = &pod.reference;
    let node = Some(pod.node.as_str()).filter(|node| !node.is_empty());
    let mut findings: Vec<Finding> = Vec::new();
    for (id, ids) in [(CauseId::Wiring, WIRING), (CauseId::Unreachable, PACKETS)] {
        for check in ids.into_iter().filter_map(|id| checks::find(id).ok()) {
            let Verdict::Fail { evidence: against } = check.judge(observations) else {
                continue;
            };
            let about_it = against.into_iter().filter(|found| {
                let deviation = &found.deviation;
                deviation.concerns(name, node)
                    || checks::touches(observations, &deviation.finding, name)
            });
            for mut found in about_it {
                let root = findings.iter().find(|earlier| {
                    found.cause().is_some() && earlier.evidence.cause() == found.cause()
                });
                // What follows from something is put right with it.
                found.remediation = match root {
                    Some(root) => root.evidence.remediation.clone(),
                    None => Some(fix(evidence, name, (check.id, &found), observations)),
                };
                findings.push(Finding {
                    id,
                    evidence: found,
                    seen: Vec::new(),
                });
            }
        }
    }
    findings
}

fn fix(
    evidence: &Symptoms,
    pod: &PodRef,
    (check, found): (&str, &Evidence),
    observations: &Observations,
) -> Remediation {
    if let Some(mend) = mend::of(&found.deviation.finding, observations) {
        return mend;
    }
    let advice = &evidence.advice;
    let node = match &found.deviation.culprits[..] {
        [Subject::Node { node }] => Some(node.as_str()),
        _ => None,
    };
    let agents = evidence.agents.as_deref().unwrap_or_default();
    let set = agents.iter().find_map(|agent| agent.set.as_ref());
    match (check, set, node) {
        ("node-routes", Some((namespace, name)), _) => mend::agent::restart(namespace, name),
        ("node-routes", None, Some(node)) if !advice.has_kubectl() => {
            Remediation::run(mend::agent::once(advice.booted.as_ref(), node))
        }
        _ if PACKETS.contains(&check) => match node {
            // Where something else than a rule was seen, its own look shows it.
            Some(node) if found.cause().is_none_or(is_of_filters) => {
                Remediation::to(Todo::FindRule, vec![Command::on(node, "nft list ruleset")])
            }
            _ => Remediation::to(Todo::NamedCause, vec![found.deviation.look.clone()]),
        },
        _ => Remediation {
            steps: vec![Step {
                todo: None,
                commands: advice.recreate(pod),
            }],
        },
    }
}

/// Whether the cause is a packet filter's rule, or only concluded to be one.
fn is_of_filters(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::DroppedByRule { .. }
            | Cause::RewrittenByRule { .. }
            | Cause::TransportFiltered { .. }
            | Cause::Rejected { .. }
            | Cause::Prohibited { .. }
            | Cause::PacketsLost { .. }
            | Cause::LossyPath { .. }
            | Cause::LengthDropped { .. }
            | Cause::TranslatedLost { .. }
    )
}

#[cfg(test)]
mod tests {
    use flatnet_model::evidence::{Deviation, Finding, PodAt, State, Symptom};
    use flatnet_model::network::Family;

    use super::*;

    #[test]
    fn a_longer_name_is_another_one() {
        let pod = |name: &str, node: &str| PodAt::new(PodRef::new("default", name), node);
        let about = |subject: Subject| Deviation {
            subjects: vec![subject],
            culprits: Vec::new(),
            finding: Finding::symptom(Symptom::NoAddress {
                pod: pod("busybox-1", "node1"),
                family: Some(Family::V4),
            }),
            expected: State::Running,
            observed: Vec::new(),
            look: Command::here("true"),
        };
        let wanted = PodRef::new("default", "busybox-1");
        let one = about(Subject::Pod(pod("busybox-1", "node1")));
        let ten = about(Subject::Pod(pod("busybox-10", "node11")));
        let elsewhere = PodAt::new(PodRef::new("other", "busybox-1"), "node9");
        assert!(one.concerns(&wanted, None));
        assert!(about(Subject::node_of("node1")).concerns(&wanted, Some("node1")));
        assert!(!ten.concerns(&wanted, Some("node1")));
        assert!(!about(Subject::Pod(elsewhere)).concerns(&wanted, Some("node1")));
        // That another pod of its node is wrong says nothing about it.
        assert!(!about(Subject::Pod(pod("busybox-4", "node1"))).concerns(&wanted, Some("node1")));
    }
}
