//! `hostport`: a pod's hostPort is reached at its node, from another node and from outside.
use std::collections::BTreeSet;

use super::callers::seen_cause_at;
use super::calls::{Wrong, answered_by, dialled_node, part};
use super::findings::{Findings, count, transports};
use super::topology::Topology;
use super::{Deviation, Verdict};
use flatnet_model::cause::Cause;
use flatnet_model::cni::{Plugin, in_use};
use flatnet_model::evidence::{Command, Finding, Found, PodAt, Subject, Symptom, Talk};
use flatnet_model::observations::{Availability, Call, HostPorts, Observations, ObservedNode};
use flatnet_model::skip::SkipReason;

pub(super) fn judge(observations: &Observations) -> Verdict {
    let made = match part(observations, |plane| &plane.host_ports) {
        Ok(made) => made,
        Err(verdict) => return verdict,
    };
    let topology = Topology::of(observations);
    let plane = observations.control_plane.as_ref();
    let outside = plane.map(|plane| plane.outside.as_ref());
    let from_outside: &[Call] = match &outside {
        Some(Availability::Found(outside)) => &outside.host_ports,
        _ => &[],
    };
    let calls: Vec<&Call> = made.calls.iter().chain(from_outside).collect();
    let mut findings = Findings::default();
    let running = running(made);
    for pod in made.pods.iter().filter(|pod| pod.phase != "Running") {
        findings.unmeasured(format!(
            "pod {} with hostPort {} on {} does not run ({})",
            topology.pod_name(&pod.pod),
            made.port,
            pod.node,
            pod.phase
        ));
    }
    for node in topology.nodes() {
        let name = node.object.name.as_str();
        let here = |call: &&Call| dialled_node(&topology, call) == Some(name);
        let dialled = calls.iter().any(here);
        if running.contains(name) && !dialled && topology.nodes().count() > 1 {
            findings.unmeasured(format!(
                "hostPort {} of {} was not dialled",
                made.port, node.object.name
            ));
        }
    }
    let judged = calls
        .iter()
        .copied()
        .filter(|call| dialled_node(&topology, call).is_some_and(|node| running.contains(node)));
    let judged: Vec<&Call> = judged.collect();
    let wrong = Wrong::of(
        &topology,
        judged.iter().copied(),
        &mut findings,
        |call, outcome| {
            let node = dialled_node(&topology, call);
            let there = made
                .pods
                .iter()
                .filter(|pod| Some(pod.node.as_str()) == node);
            answered_by(there.map(|pod| &pod.pod), outcome)
        },
    );
    // Nothing promises it where no plugin asks for port mappings; a CNI that maps ports its own way shows that it does.
    if wrong.len() == judged.len() && !judged.is_empty() && no_mapping(&topology) {
        return Verdict::Skip {
            reason: SkipReason::NoPortMapping,
        };
    }
    let bad: BTreeSet<Option<&str>> = wrong
        .calls()
        .map(|call| dialled_node(&topology, call))
        .collect();
    findings.headline(format!(
        "{} of {} answer on hostPort {} over {}",
        running.len().saturating_sub(bad.len()),
        count(running.len(), "node"),
        made.port,
        transports(judged.iter().map(|call| call.request.transport))
    ));
    match outside {
        Some(Availability::Found(_)) => {
            findings.fact("dialled from another node, and from outside")
        }
        Some(Availability::Absent { why }) => {
            findings.fact(format!(
                "dialled from another node; not from outside: {why}"
            ));
        }
        Some(Availability::Lost { error }) => findings.unmeasured(error),
        None => {}
    }
    for (node, wrong) in wrong.by(|call| dialled_node(&topology, call)) {
        findings.fail(evidence(made, node.unwrap_or("?"), &wrong, &topology));
    }
    findings.verdict()
}

fn running(made: &HostPorts) -> BTreeSet<&str> {
    let running = made.pods.iter().filter(|pod| pod.phase == "Running");
    running.map(|pod| pod.node.as_str()).collect()
}

fn evidence(made: &HostPorts, node: &str, wrong: &Wrong<'_>, topology: &Topology<'_>) -> Deviation {
    let pod = made.pods.iter().find(|pod| pod.node == node);
    let pod = pod.map(|pod| pod.pod.clone());
    let at = Subject::node_of(node);
    let on_it = pod.clone().map(|pod| Subject::Pod(PodAt::new(pod, node)));
    let symptom = Symptom::HostPortUnreached {
        port: made.port,
        node: node.to_owned(),
        pod: pod.clone(),
        over: wrong.over(),
        clients: wrong.clients(),
    };
    let clients = wrong
        .calls()
        .filter_map(|call| topology.node_of(&call.from));
    let nodes = std::iter::once(node).chain(clients);
    let (culprit, cause) = seen_cause_at(topology, nodes, &wrong.over()).unwrap_or_else(|| {
        let cause = Cause::HostPortUnmapped {
            node: node.to_owned(),
        };
        (at.clone(), Found::inferred(cause))
    });
    Deviation {
        subjects: std::iter::once(at).chain(on_it).collect(),
        culprits: vec![culprit],
        finding: Finding::of(symptom, cause),
        expected: Talk::AnswerOfPod { pod, at: None }.into(),
        observed: wrong.observed(),
        look: Command::on(node, "iptables -t nat -nL CNI-HOSTPORT-DNAT"),
    }
}

/// Whether every node's configuration is known, and none of its plugins takes port mappings (CNI conventions, `portMappings`).
fn no_mapping(topology: &Topology<'_>) -> bool {
    topology.nodes().all(|node| maps_ports(node) == Some(false))
}

fn maps_ports(node: &ObservedNode) -> Option<bool> {
    let files = node.inside.cni().ok()?;
    let network = in_use(files)?;
    let takes = |plugin: &Plugin| {
        plugin
            .capabilities
            .iter()
            .any(|name| name == "portMappings")
    };
    Some(network.plugins.iter().any(takes))
}
