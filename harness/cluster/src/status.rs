//! What the API's objects say of themselves.
use std::sync::Arc;

use flatnet_model::nodes_file::Node as NodeEntry;
use flatnet_model::snapshot::{EventSnapshot, NodeSnapshot, PodSnapshot};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use serde::Serialize;

use crate::{Cluster, Error, PodRef, Result};

/// The reference of a pod object; `default` where it names no namespace.
pub fn pod_ref(pod: &Pod) -> PodRef {
    PodRef {
        namespace: pod
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned()),
        name: pod.metadata.name.clone().unwrap_or_default(),
    }
}

fn json(object: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(object).map_err(|e| Error::failed("encode an object of the API", e))
}

/// What flatnet judges a pod by.
///
/// # Errors
/// An address that does not parse.
pub fn pod(object: &Pod) -> Result<PodSnapshot> {
    PodSnapshot::read(&json(object)?).map_err(|e| Error::Failed(e.to_string()))
}

/// What flatnet judges a node by.
///
/// # Errors
/// An address or podCIDR that does not parse, by name.
pub fn node(object: &Node) -> Result<NodeSnapshot> {
    NodeSnapshot::read(&json(object)?).map_err(|e| Error::Failed(e.to_string()))
}

/// What flatnet judges by an event.
///
/// # Errors
/// None that the API's own events cause.
pub fn event(object: &Event) -> Result<EventSnapshot> {
    EventSnapshot::read(&json(object)?).map_err(|e| Error::Failed(e.to_string()))
}

/// `spec.hostNetwork`.
pub fn host_network(pod: &Pod) -> bool {
    pod.spec
        .as_ref()
        .and_then(|s| s.host_network)
        .unwrap_or(false)
}

/// The agent's view of a Kubernetes node object.
///
/// # Errors
/// An address or podCIDR that does not parse, by name.
pub fn node_of(object: &Node) -> Result<NodeEntry> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let bad = |what: &str, text: &str| {
        Error::Failed(format!("node {name}: {what} {text:?} does not parse"))
    };
    let addresses = object
        .status
        .iter()
        .flat_map(|s| s.addresses.iter().flatten())
        .filter(|a| a.type_ == "InternalIP")
        .map(|a| a.address.parse().map_err(|_| bad("InternalIP", &a.address)))
        .collect::<Result<_>>()?;
    let pod_cidrs = object
        .spec
        .iter()
        .flat_map(|s| s.pod_cidrs.iter().flatten())
        .map(|cidr| cidr.parse().map_err(|_| bad("podCIDR", cidr)))
        .collect::<Result<_>>()?;
    Ok(NodeEntry {
        name,
        addresses,
        pod_cidrs,
    })
}

/// Reason and message of a Ready condition that is not True; `None` for a Ready node.
pub fn not_ready(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    let Some(ready) = conditions.and_then(|c| c.iter().find(|c| c.type_ == "Ready")) else {
        return Some("no Ready condition yet".to_owned());
    };
    (ready.status != "True").then(|| {
        format!(
            "{}: {}",
            ready.reason.as_deref().unwrap_or("not Ready"),
            ready.message.as_deref().unwrap_or("no message")
        )
    })
}

/// The image a pod cannot have: nothing about its network can be told then, which is no verdict on the network.
pub fn image_missing(pod: &Pod) -> Option<Error> {
    let name = pod_ref(pod);
    let status = pod.status.as_ref()?;
    let node = pod.spec.as_ref()?.node_name.clone().unwrap_or_default();
    let inits = status.init_container_statuses.iter().flatten();
    let mut containers = inits.chain(status.container_statuses.iter().flatten());
    containers.find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let pull = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"];
        pull.contains(&reason).then(|| Error::Missing {
            what: format!(
                "pod {name}: node {node} does not have the image {} and cannot pull it ({reason}{})",
                container.image,
                waiting
                    .message
                    .as_deref()
                    .map(|m| format!(": {}", m.chars().take(300).collect::<String>()))
                    .unwrap_or_default()
            ),
            remedy: "mend the registry's reach or the image's name; where there is no registry, bring the image with --image-archive FILE".to_owned(),
        })
    })
}

/// Running with at least one IP, every container up.
pub fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| {
        status.phase.as_deref() == Some("Running")
            && status.pod_ip.is_some()
            && status
                .container_statuses
                .iter()
                .flatten()
                .all(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()))
    })
}

/// The STATUS column of `kubectl get pods`: a pod's phase stays Running while its containers crash and restart, so a
/// container's own reason goes before it.
pub fn status_word(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.clone());
    let phase = phase.unwrap_or_else(|| "Unknown".to_owned());
    if phase != "Running" {
        return phase;
    }
    let states = status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten());
    let reason = states.filter_map(|c| c.state.as_ref()).find_map(|state| {
        let waiting = state.waiting.as_ref().and_then(|w| w.reason.clone());
        waiting.or_else(|| {
            state
                .terminated
                .as_ref()
                .map(|end| end.reason.clone().unwrap_or_else(|| "Error".to_owned()))
        })
    });
    let restarted = || {
        status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten())
            .any(|c| c.restart_count > 0)
    };
    // Between two crashes a container runs for a moment.
    reason.unwrap_or_else(|| {
        if restarted() {
            "CrashLoopBackOff"
        } else {
            &phase
        }
        .to_owned()
    })
}

/// Why a pod does not run: what its containers wait for, then its warning events, oldest first.
pub async fn warnings(cluster: &Arc<dyn Cluster>, pod: &Pod) -> Vec<String> {
    let mut found = Vec::new();
    for container in pod
        .status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten())
    {
        if let Some(waiting) = container.state.as_ref().and_then(|s| s.waiting.as_ref()) {
            found.push(format!(
                "container {} waits: {}{}",
                container.name,
                waiting.reason.as_deref().unwrap_or("no reason"),
                waiting
                    .message
                    .as_deref()
                    .map(|m| format!(": {m}"))
                    .unwrap_or_default()
            ));
        }
        let ended = |s: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            s.as_ref().and_then(|s| s.terminated.clone())
        };
        if let Some(end) = ended(&container.state).or_else(|| ended(&container.last_state)) {
            found.push(format!(
                "container {} ended with exit code {}",
                container.name, end.exit_code
            ));
        }
    }
    match cluster.events(&pod_ref(pod)).await {
        Ok(events) => found.extend(
            events
                .into_iter()
                .filter(|e| e.type_.as_deref() == Some("Warning"))
                .map(|e| {
                    let times = e
                        .count
                        .filter(|n| *n > 1)
                        .map(|n| format!(" (x{n})"))
                        .unwrap_or_default();
                    format!(
                        "{}{times}: {}",
                        e.reason.unwrap_or_default(),
                        e.message.unwrap_or_default()
                    )
                }),
        ),
        Err(e) => found.push(format!("events cannot be read: {e}")),
    }
    found
}
