//! A pod that runs and is not reached, judged by the checks: nodes are its peers.
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::Symptoms;

use super::{Cause, Finding, checks};
use crate::checks::Verdict;
use flatnet_model::PodRef;
use flatnet_model::observations::{Observations, PodNames};

/// Checks that look at how a pod is wired: what they find is a cause.
const WIRING: [&str; 5] = [
    "pod-ip-present",
    "pod-ip-unique",
    "bridge",
    "gateway",
    "node-routes",
];
/// Checks that send packets: what they find follows from something, which they name where they can.
const PACKETS: [&str; 5] = ["same-node", "cross-node", "no-nat", "mtu", "hairpin"];

/// What the checks have against a pod.
pub(in crate::diagnose) fn of(
    evidence: &Symptoms,
    pod: &PodSnapshot,
    observations: &Observations,
) -> Vec<Finding> {
    let name = &pod.reference;
    let node = Some(pod.node.clone()).filter(|node| !node.is_empty());
    let names = [Some(PodNames::of(observations).pod(name)), node];
    let mut findings = Vec::new();
    for (id, ids) in [(Cause::Wiring, WIRING), (Cause::Unreachable, PACKETS)] {
        for check in ids.into_iter().filter_map(|id| checks::find(id).ok()) {
            let Verdict::Fail { evidence: against } = (check.judge)(observations) else {
                continue;
            };
            let about_it = against
                .into_iter()
                .filter(|e| names.iter().flatten().any(|name| mentions(e, name)));
            for found in about_it {
                let root = findings.iter().find(|earlier: &&Finding| {
                    found.cause.as_ref() == Some(&earlier.evidence.what)
                });
                findings.push(Finding {
                    id,
                    // What follows from something goes with it.
                    mend: root.map_or_else(
                        || mend(evidence, name, check.id, &found),
                        |root| root.mend.clone(),
                    ),
                    evidence: found,
                    seen: Vec::new(),
                });
            }
        }
    }
    findings
}

/// Whether the evidence is about somebody of that name, and not about one whose name only begins so.
fn mentions(evidence: &checks::Evidence, name: &str) -> bool {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/');
    let culprit = evidence.culprit.as_deref().unwrap_or_default();
    [&evidence.what, culprit]
        .into_iter()
        .flat_map(|text| text.split(|c| !in_name(c)))
        .any(|word| word.trim_end_matches('.') == name)
}

fn mend(evidence: &Symptoms, pod: &PodRef, check: &str, found: &checks::Evidence) -> String {
    let advice = &evidence.advice;
    let node = found.culprit.as_deref().filter(|culprit| {
        let names = evidence.node_names.as_deref().unwrap_or_default();
        names.iter().any(|name| name == culprit)
    });
    let agents = evidence.agents.as_deref().unwrap_or_default();
    let set = agents.iter().find_map(|agent| agent.set.as_ref());
    match (check, set, node) {
        ("node-routes", Some((namespace, name)), _) => {
            format!("kubectl -n {namespace} rollout restart daemonset/{name}")
        }
        ("node-routes", None, Some(node)) if advice.is_lab() => advice.on_node(
            node,
            &format!(
                "/.flatnet/flatnet-agent --once --node {node} --nodes-file /run/flatnet/nodes.json"
            ),
        ),
        _ if PACKETS.contains(&check) => match node {
            Some(node) => format!(
                "the rule that does it: {}",
                advice.on_node(node, "nft list ruleset")
            ),
            None => format!("what its cause names; look: {}", found.look),
        },
        _ => advice.remake(pod),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_name_is_another_one() {
        let evidence = |what: &str| checks::Evidence {
            what: what.to_owned(),
            expected: String::new(),
            observed: String::new(),
            culprit: None,
            cause: None,
            look: String::new(),
        };
        assert!(mentions(
            &evidence("pod busybox-1 on node1: down"),
            "busybox-1"
        ));
        assert!(mentions(&evidence("node1: no route"), "node1"));
        assert!(!mentions(
            &evidence("pod busybox-10 on node11"),
            "busybox-1"
        ));
        assert!(!mentions(&evidence("pod busybox-10 on node11"), "node1"));
        let twin = evidence("pod other/busybox-1 on node1: down");
        assert!(mentions(&twin, "other/busybox-1"));
        assert!(!mentions(&twin, "default/busybox-1"));
    }
}
