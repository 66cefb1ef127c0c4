//! Why a pod does not run, or is not reached; why a node is not Ready: causes with their evidence and how to fix them, ranked
//! by [`flatnet_model::cause`]. Pure functions of the [`Symptoms`] that were gathered.
mod causes;
mod tried;
mod words;

use flatnet_model::diagnosis::{Ended, Finding, Kind, Restarted, Subject};
use flatnet_model::observations::Observations;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::{NodeSymptoms, PodSymptoms, Symptoms};

/// What is wrong with a node; nothing where it is Ready.
pub fn node(symptoms: &Symptoms, node: &NodeSymptoms) -> Subject {
    let findings = causes::of_node(symptoms, node);
    subject(node, findings)
}

/// A node that is Ready, and on which the network add-on's agent does not work.
pub fn without_agent(symptoms: &Symptoms, node: &NodeSymptoms) -> Option<Subject> {
    let finding = causes::ended_agent(symptoms, node)?;
    Some(subject(node, vec![finding]))
}

fn subject(node: &NodeSymptoms, findings: Vec<Finding>) -> Subject {
    let (status, reason, message) = node.ready();
    Subject {
        kind: Kind::Node,
        name: node.object.name.clone(),
        node: None,
        status: if status == "True" {
            "Ready"
        } else {
            "NotReady"
        }
        .to_owned(),
        healthy: status == "True" && findings.is_empty(),
        findings,
        last_warning: (status != "True").then(|| format!("{reason}: {message}")),
        tried: None,
        unmeasured: Vec::new(),
        restarted: Vec::new(),
    }
}

/// What is wrong with a pod; with `seen`, what probes saw in it, also whether it is reached.
pub fn pod(symptoms: &Symptoms, pod: &PodSymptoms, seen: Option<&Observations>) -> Subject {
    let healthy = pod.object.is_healthy(pod.tolerated);
    let mut findings = if healthy {
        Vec::new()
    } else {
        causes::of_pod(symptoms, pod)
    };
    if let Some(seen) = seen {
        let against = causes::reach::of(symptoms, &pod.object, seen);
        findings.extend(causes::agent_behind(symptoms, pod, &against));
        findings.extend(against);
    }
    let last = pod.warnings().max_by_key(|event| event.last_seen);
    let last = last.filter(|_| !healthy && findings.is_empty());
    Subject {
        kind: Kind::Pod,
        name: pod.object.reference.to_string(),
        node: pod.node().map(str::to_owned),
        status: status(&pod.object),
        healthy: healthy && findings.is_empty(),
        last_warning: last.map(|event| format!("{}: {}", event.title(), event.message)),
        tried: seen.map(|seen| tried::tried(&pod.object, seen)),
        unmeasured: seen.map_or_else(Vec::new, |seen| tried::unmeasured(&pod.object, seen)),
        restarted: restarted(pod),
        findings,
    }
}

/// Containers that were restarted lately, and of which that is no cause.
fn restarted(pod: &PodSymptoms) -> Vec<Restarted> {
    let lasting = pod.object.main_containers().filter(|container| {
        container.ready && container.restarted_lately() && !container.restarts(pod.tolerated)
    });
    let told = lasting.filter_map(|container| {
        let ended = container.last.as_ref().map(|end| Ended {
            exit_code: end.exit_code,
            reason: end.reason.clone(),
            at: end.finished_at,
        });
        Some(Restarted {
            container: container.name.clone(),
            times: container.restart_count,
            ended,
            runs_since: container.state.running.as_ref()?.started_at?,
        })
    });
    told.collect()
}

/// The STATUS column of `kubectl get pods`, with the reason of a container of a pod that is Pending.
fn status(pod: &PodSnapshot) -> String {
    let waits = || {
        let waiting = pod.main_containers().find_map(|c| c.state.waiting.as_ref());
        waiting
            .map(|waiting| waiting.reason.clone())
            .filter(|reason| !reason.is_empty())
    };
    match pod.status().as_str() {
        _ if pod.terminating => "Terminating".to_owned(),
        "Pending" => waits().unwrap_or_else(|| "Pending".to_owned()),
        word => word.to_owned(),
    }
}
