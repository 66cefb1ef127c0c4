//! What the API's objects say of themselves.
use std::sync::Arc;

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

/// The image that a pod cannot get: its network cannot be judged then.
pub fn image_missing(pod: &PodSnapshot) -> Option<Error> {
    const PULL: [&str; 4] = [
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
    ];
    pod.containers.iter().find_map(|container| {
        let waiting = container.state.waiting.as_ref()?;
        let message: String = waiting.message.chars().take(300).collect();
        let words = match message.as_str() {
            "" => waiting.reason.clone(),
            message => format!("{}: {message}", waiting.reason),
        };
        PULL.contains(&waiting.reason.as_str()).then(|| Error::Missing {
            what: format!(
                "pod {}: node {} does not have the image {} and cannot pull it ({words})",
                pod.reference, pod.node, container.image,
            ),
            remedy: "correct the image's name, make its registry reachable, or load the image with --image-archive FILE (kind); on the lab use the image busybox".to_owned(),
        })
    })
}

/// Why a pod does not run: what its containers wait for, then its warning events, oldest first.
pub async fn warnings(cluster: &Arc<dyn Cluster>, pod: &PodSnapshot) -> Vec<String> {
    let with = |message: &str| match message {
        "" => String::new(),
        message => format!(": {message}"),
    };
    let mut found = Vec::new();
    for container in pod.main_containers() {
        if let Some(waiting) = &container.state.waiting {
            let reason = match waiting.reason.as_str() {
                "" => "no reason",
                reason => reason,
            };
            found.push(format!(
                "container {} waits: {reason}{}",
                container.name,
                with(&waiting.message)
            ));
        }
        if let Some(end) = container
            .state
            .terminated
            .as_ref()
            .or(container.last.as_ref())
        {
            found.push(format!(
                "container {} ended with exit code {}",
                container.name, end.exit_code
            ));
        }
    }
    match events(cluster, &pod.reference).await {
        Ok(events) => found.extend(
            events
                .iter()
                .filter(|event| event.warning)
                .map(|event| format!("{}: {}", event.name(), event.message)),
        ),
        Err(e) => found.push(format!("events cannot be read: {e}")),
    }
    found
}

/// The pod's events, oldest first.
///
/// # Errors
/// Events that cannot be listed.
pub async fn events(cluster: &Arc<dyn Cluster>, pod: &PodRef) -> Result<Vec<EventSnapshot>> {
    cluster.events(pod).await?.iter().map(event).collect()
}
