//! How a pod comes onto a node: its `nodeName`, the scheduler, and the kubelet that takes it.
use flatnet_model::advice::Advice;
use flatnet_model::cause::{Refusal, Unfit};
use flatnet_model::evidence::{At, Command, Remediation, Rule, Start, Step, Subject, Todo};

use super::{Cause, Finding, Known, PodSymptoms, Seen, Symptoms, said};

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
    let sed = format!("s/nodeName: {node}/nodeName: {another}/");
    let known = Known {
        subjects: vec![Subject::UnscheduledPod(name.clone())],
        culprit: Subject::UnscheduledPod(name.clone()),
        expected: Start::NodeExists.into(),
        observed: vec![
            Start::PinnedTo {
                node: node.to_owned(),
                nodes: names.clone(),
            }
            .into(),
        ],
        look: Command::here("kubectl get nodes"),
        fix: Remediation {
            steps: vec![Step {
                todo: None,
                commands: evidence.advice.change(name, &sed),
            }],
        },
        seen: Vec::new(),
    };
    let cause = Cause::NodeUnknown {
        pod: name.clone(),
        node: node.to_owned(),
    };
    Some(known.finding(Rule::pod_runs(), cause))
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
    let known = Known {
        subjects: vec![Subject::UnscheduledPod(name.clone())],
        culprit: Subject::UnscheduledPod(name.clone()),
        expected: Start::NodeFits {
            node: Some(node.to_owned()),
        }
        .into(),
        observed: vec![said(message)],
        look: Command::here(&format!("kubectl describe node {node}")),
        fix: remedy(&evidence.advice, pod, &format!("{reason} {message}")),
        seen: vec![Seen::new("status", &format!("{reason}: {message}"))],
    };
    let cause = Cause::Unschedulable {
        pod: name.clone(),
        refusal: Some(Refusal {
            node: node.to_owned(),
            reason: reason.to_owned(),
        }),
        unfit: Vec::new(),
    };
    Some(known.finding(Rule::pod_runs(), cause))
}

fn unscheduled(evidence: &Symptoms, pod: &PodSymptoms) -> Option<Finding> {
    let mut conditions = pod.object.conditions.iter();
    let scheduled = conditions.find(|c| c.kind == "PodScheduled" && c.status != "True")?;
    let message = scheduled.message.as_str();
    let name = &pod.object.reference;
    let known = Known {
        subjects: vec![Subject::UnscheduledPod(name.clone())],
        culprit: Subject::UnscheduledPod(name.clone()),
        expected: Start::NodeFits { node: None }.into(),
        observed: vec![said(message)],
        look: evidence.advice.describe(name),
        fix: remedy(&evidence.advice, pod, message),
        seen: vec![Seen::new("condition PodScheduled", message)],
    };
    let cause = Cause::Unschedulable {
        pod: name.clone(),
        refusal: None,
        unfit: unfit(message),
    };
    Some(known.finding(Rule::pod_runs(), cause))
}

/// What the scheduler's plugins mean, each once.
fn unfit(message: &str) -> Vec<Unfit> {
    let known = [
        ("Insufficient ", Unfit::Resources),
        ("untolerated taint", Unfit::Taints),
        ("node affinity/selector", Unfit::Labels),
        ("persistentvolumeclaim", Unfit::ClaimMissing),
        ("PersistentVolumeClaims", Unfit::ClaimUnbound),
        ("Too many pods", Unfit::Full),
        ("were unschedulable", Unfit::Cordoned),
        ("free ports", Unfit::PortTaken),
    ];
    let meant = known.iter().filter(|(words, _)| message.contains(words));
    meant.map(|(_, unfit)| *unfit).collect()
}

fn remedy(advice: &Advice, pod: &PodSymptoms, message: &str) -> Remediation {
    let name = &pod.object.reference;
    let mut steps = Vec::new();
    let mut step = |todo: Option<Todo>, commands: Vec<Command>| steps.push(Step { todo, commands });
    if message.contains("Insufficient") || message.starts_with("OutOf") {
        let sed = "s/cpu: .*/cpu: 100m/; s/memory: .*/memory: 64Mi/";
        step(Some(Todo::SmallerRequests), advice.change(name, sed));
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
        let label = Command::here(&format!("kubectl label node NODE {labels}"));
        step(None, vec![label]);
    }
    if message.to_lowercase().contains("persistentvolumeclaim") {
        let claims = Command::here(&format!("kubectl -n {} get pvc", name.namespace));
        step(Some(Todo::BindClaim), vec![claims]);
    }
    if message.contains("were unschedulable") {
        step(None, vec![Command::here("kubectl uncordon NODE")]);
    }
    if !steps.is_empty() {
        return Remediation { steps };
    }
    // A control plane's taint is as it should be: it is only worth a word where nothing else keeps the pod off.
    if message.contains("untolerated taint") {
        let see = Command::shell(At::Here, "kubectl describe nodes | grep Taints");
        let take = Command::here("kubectl taint node NODE KEY-");
        return Remediation::to(Todo::Tolerate, vec![see]).then(Remediation::run(take));
    }
    advice.edit(Todo::HeedWords, name)
}
