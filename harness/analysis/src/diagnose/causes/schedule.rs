//! The way of a pod onto a node.
use super::{Cause, Finding, PodSymptoms, Seen, Symptoms, checks};
use crate::checks::listed;
use flatnet_model::advice::Advice;

/// `status.reason` of a pod that a kubelet refused (kubernetes `pkg/kubelet/lifecycle`, `pkg/kubelet/eviction`).
const REFUSALS: [&str; 6] = [
    "NodeAffinity",
    "NodePorts",
    "NodeName",
    "TaintToleration",
    "UnexpectedAdmissionError",
    "Evicted",
];

pub(super) fn of(evidence: &Symptoms, pod: &PodSymptoms) -> Vec<Finding> {
    let found = match pod.node() {
        Some(node) => unknown_node(evidence, pod, node).or_else(|| refused(evidence, pod, node)),
        None => unscheduled(evidence, pod),
    };
    found.into_iter().collect()
}

fn unknown_node(evidence: &Symptoms, pod: &PodSymptoms, node: &str) -> Option<Finding> {
    let names = evidence.node_names.as_ref()?;
    if names.iter().any(|name| name == node) {
        return None;
    }
    let name = &pod.object.reference;
    let another = names.first().map_or("NODE", String::as_str);
    Some(Finding {
        id: Cause::NodeUnknown,
        evidence: checks::Evidence {
            what: format!("pod {name} is pinned to node {node}, which is not there"),
            expected: "spec.nodeName is the name of a node".to_owned(),
            observed: format!(
                "spec.nodeName is {node}; the nodes are {}",
                listed(names, 8)
            ),
            culprit: Some(format!("pod {name}")),
            cause: Some(
                "its manifest names a node that never was or is gone: no kubelet takes it up"
                    .to_owned(),
            ),
            look: "kubectl get nodes".to_owned(),
        },
        mend: evidence
            .advice
            .change(name, &format!("s/nodeName: {node}/nodeName: {another}/")),
        seen: Vec::new(),
    })
}

/// Reason and message of a kubelet that did not take the pod.
pub(super) fn refusal(pod: &PodSymptoms) -> Option<(&str, &str)> {
    let reason = pod.object.reason.as_str();
    let refused = reason.starts_with("OutOf") || REFUSALS.contains(&reason);
    (refused && pod.object.phase == "Failed").then_some((reason, pod.object.message.as_str()))
}

fn refused(evidence: &Symptoms, pod: &PodSymptoms, node: &str) -> Option<Finding> {
    let (reason, message) = refusal(pod)?;
    let name = &pod.object.reference;
    Some(Finding {
        id: Cause::Unschedulable,
        evidence: checks::Evidence {
            what: format!("{node} does not take pod {name}: {reason}"),
            expected: format!("{node} has what the pod asks for"),
            observed: message.to_owned(),
            culprit: Some(format!("pod {name}")),
            cause: Some(match reason {
                "Evicted" => format!("{node} ran short and ended the pod"),
                _ => "pinned to its node, it was never asked which one fits".to_owned(),
            }),
            look: format!("kubectl describe node {node}"),
        },
        mend: remedy(&evidence.advice, pod, &format!("{reason} {message}")),
        seen: vec![Seen::new("status", &format!("{reason}: {message}"))],
    })
}

fn unscheduled(evidence: &Symptoms, pod: &PodSymptoms) -> Option<Finding> {
    let mut conditions = pod.object.conditions.iter();
    let scheduled = conditions.find(|c| c.kind == "PodScheduled" && c.status != "True")?;
    let message = scheduled.message.as_str();
    let name = &pod.object.reference;
    Some(Finding {
        id: Cause::Unschedulable,
        evidence: checks::Evidence {
            what: format!("no node takes pod {name}"),
            expected: "one node that fits".to_owned(),
            observed: message.to_owned(),
            culprit: Some(format!("pod {name}")),
            cause: reasons(message),
            look: evidence.advice.describe(name),
        },
        mend: remedy(&evidence.advice, pod, message),
        seen: vec![Seen::new("condition PodScheduled", message)],
    })
}

/// What the scheduler's plugins mean, each once.
fn reasons(message: &str) -> Option<String> {
    let known = [
        ("Insufficient ", "it asks for more than any node has free"),
        (
            "untolerated taint",
            "nodes have taints that it does not tolerate",
        ),
        (
            "node affinity/selector",
            "no node has the labels that its selector or affinity wants",
        ),
        (
            "persistentvolumeclaim",
            "a claim that it names is not there or not bound",
        ),
        (
            "PersistentVolumeClaims",
            "a claim that it names is not bound",
        ),
        ("Too many pods", "nodes are full (maxPods)"),
        ("were unschedulable", "nodes are cordoned"),
        ("free ports", "a hostPort that it wants is taken"),
    ];
    let meant: Vec<&str> = known
        .iter()
        .filter(|(words, _)| message.contains(words))
        .map(|(_, meaning)| *meaning)
        .collect();
    (!meant.is_empty()).then(|| meant.join("; "))
}

fn remedy(advice: &Advice, pod: &PodSymptoms, message: &str) -> String {
    let name = &pod.object.reference;
    let mut steps = Vec::new();
    if message.contains("Insufficient") || message.starts_with("OutOf") {
        steps.push(format!(
            "smaller requests: {}",
            advice.change(name, "s/cpu: .*/cpu: 100m/; s/memory: .*/memory: 64Mi/")
        ));
    }
    if message.contains("node affinity/selector") || message.starts_with("NodeAffinity") {
        let labels = pod.object.node_selector.iter();
        let labels: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let labels = if labels.is_empty() {
            "KEY=VALUE".to_owned()
        } else {
            labels.join(" ")
        };
        steps.push(format!("kubectl label node NODE {labels}"));
    }
    if message.to_lowercase().contains("persistentvolumeclaim") {
        steps.push(format!(
            "make or bind the claim: kubectl -n {} get pvc",
            name.namespace
        ));
    }
    if message.contains("were unschedulable") {
        steps.push("kubectl uncordon NODE".to_owned());
    }
    // A control plane's taint is as it should be: it is only worth a word where nothing else keeps the pod off.
    if steps.is_empty() && message.contains("untolerated taint") {
        steps.push(
            "a toleration in the pod, or the taint off a node: kubectl describe nodes | grep Taints; kubectl taint node NODE KEY-"
                .to_owned(),
        );
    }
    if steps.is_empty() {
        steps.push(format!("what these words ask for: {}", advice.edit(name)));
    }
    steps.join("; ")
}
