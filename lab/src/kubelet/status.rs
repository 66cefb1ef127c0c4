//! A pod and its events as Kubernetes objects.
use k8s_openapi::api::core::v1::{
    ContainerState as ContainerStateObject, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, Event, EventSource, HostIP, ObjectReference,
    Pod as PodObject, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::events::{Entry, Kind};
use super::manifest::ContainerPlan;
use super::pod::{ContainerState, Now, Pod, State, Terminated};
use crate::node::Node;

/// As `kubectl get pod -o yaml` shows it.
pub(super) fn object(pod: &Pod, node: &Node) -> PodObject {
    let state = pod.state();
    let mut object = pod.plan.object.clone();
    object.metadata.deletion_timestamp = state.deletion.clone();
    let ips: Vec<String> = state.ips.iter().map(ToString::to_string).collect();
    let host_ips: Vec<String> = node
        .addresses
        .iter()
        .map(|net| net.addr().to_string())
        .collect();
    let statuses = state
        .containers
        .iter()
        .zip(&pod.plan.containers)
        .map(|(container, plan)| container_status(container, plan));
    object.status = Some(PodStatus {
        phase: Some(state.phase(&pod.plan).to_owned()),
        conditions: Some(conditions(&state, pod)),
        host_ip: host_ips.first().cloned(),
        host_ips: Some(host_ips.into_iter().map(|ip| HostIP { ip }).collect()),
        pod_ip: ips.first().cloned(),
        pod_ips: (!ips.is_empty()).then(|| ips.into_iter().map(|ip| PodIP { ip }).collect()),
        start_time: pod.plan.object.metadata.creation_timestamp.clone(),
        container_statuses: Some(statuses.collect()),
        ..Default::default()
    });
    object
}

fn conditions(state: &State, pod: &Pod) -> Vec<PodCondition> {
    let waiting = || {
        let unready = state
            .containers
            .iter()
            .zip(&pod.plan.containers)
            .filter(|(c, _)| !matches!(c.now, Now::Running { .. }));
        let names: Vec<&str> = unready.map(|(_, plan)| plan.name.as_str()).collect();
        format!("containers with unready status: [{}]", names.join(" "))
    };
    let ready = state.is_ready();
    let all = [
        (
            "PodReadyToStartContainers",
            state.sandbox.is_some() && !state.ips.is_empty(),
            false,
        ),
        ("Initialized", true, false),
        ("Ready", ready, true),
        ("ContainersReady", ready, true),
        ("PodScheduled", true, false),
    ];
    let condition = |(type_, holds, about_containers): (&str, bool, bool)| PodCondition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: (about_containers && !holds).then(|| "ContainersNotReady".to_owned()),
        message: (about_containers && !holds).then(waiting),
        ..Default::default()
    };
    all.into_iter().map(condition).collect()
}

fn container_status(container: &ContainerState, plan: &ContainerPlan) -> ContainerStatus {
    let running = matches!(container.now, Now::Running { .. });
    let mut state = ContainerStateObject::default();
    match &container.now {
        Now::Waiting { reason, message } => {
            let message = (!message.is_empty()).then(|| message.clone());
            state.waiting = Some(ContainerStateWaiting {
                reason: Some((*reason).to_owned()),
                message,
            });
        }
        Now::Running { since, .. } => {
            state.running = Some(ContainerStateRunning {
                started_at: Some(since.clone()),
            })
        }
        Now::Terminated(end) => state.terminated = Some(terminated(end)),
    }
    let id = match &container.now {
        Now::Running { id, .. } => Some(id),
        Now::Terminated(end) => Some(&end.id),
        Now::Waiting { .. } => container.last.as_ref().map(|end| &end.id),
    };
    ContainerStatus {
        name: plan.name.clone(),
        image: plan.image.clone(),
        image_id: String::new(),
        container_id: id.map(|id| format!("flatnet-lab://{id}")),
        ready: running,
        started: Some(running),
        restart_count: container.restarts,
        state: Some(state),
        last_state: container.last.as_ref().map(|end| ContainerStateObject {
            terminated: Some(terminated(end)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn terminated(end: &Terminated) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: end.exit_code,
        reason: Some(
            if end.exit_code == 0 {
                "Completed"
            } else {
                "Error"
            }
            .to_owned(),
        ),
        message: end.message.clone(),
        signal: (end.exit_code > 128).then(|| end.exit_code - 128),
        started_at: Some(end.started.clone()),
        finished_at: Some(end.finished.clone()),
        container_id: Some(format!("flatnet-lab://{}", end.id)),
    }
}

/// As `kubectl events --for pod/…` shows them.
pub(super) fn events(pod: &Pod) -> Vec<Event> {
    let state = pod.state();
    state
        .events
        .entries()
        .iter()
        .enumerate()
        .map(|(at, entry)| event(pod, at, entry))
        .collect()
}

fn event(pod: &Pod, at: usize, entry: &Entry) -> Event {
    let name = &pod.plan.name;
    let (component, host) = match entry.reason {
        "Scheduled" => ("default-scheduler", None),
        _ => ("kubelet", Some(pod.plan.node.clone())),
    };
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{at:x}", name.name)),
            namespace: Some(name.namespace.clone()),
            creation_timestamp: Some(entry.first.clone()),
            ..Default::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(name.namespace.clone()),
            name: Some(name.name.clone()),
            uid: Some(pod.plan.uid.clone()),
            ..Default::default()
        },
        type_: Some(
            if entry.kind == Kind::Normal {
                "Normal"
            } else {
                "Warning"
            }
            .to_owned(),
        ),
        reason: Some(entry.reason.to_owned()),
        message: Some(entry.message.clone()),
        count: Some(entry.count),
        first_timestamp: Some(entry.first.clone()),
        last_timestamp: Some(entry.last.clone()),
        source: Some(EventSource {
            component: Some(component.to_owned()),
            host: host.clone(),
        }),
        reporting_component: Some(component.to_owned()),
        reporting_instance: host,
        ..Default::default()
    }
}
