//! Creates the pods and waits for them; plants the fault between, where it says so.
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use tokio::task::JoinSet;

use super::events::{Event, Observer};
use super::plan::Plan;
use crate::cluster::lab::LabCluster;
use crate::cluster::{Cluster, PodRef};
use crate::plant::{Fault, Moment};
use crate::{Error, Result};

/// Creates every pod of the plan and returns each as last seen: running, ended, or stuck when its time was up.
///
/// # Errors
/// A pod that the cluster refuses (unknown node, bad spec), or a fault that cannot be planted.
pub async fn pods(
    cluster: &Arc<dyn Cluster>,
    lab: &LabCluster,
    plan: &Plan,
    fault: Option<&Fault>,
    observer: &Observer,
) -> Result<Vec<Pod>> {
    observer(&Event::Expect(plan.pods.len()));
    let plant = async |moment| match fault.filter(|f| f.moment == moment) {
        Some(fault) => {
            fault.plant(lab, plan).await?;
            observer(&Event::Planted(format!("{}: {}", fault.id, fault.summary)));
            Ok(())
        }
        None => Ok::<(), Error>(()),
    };
    plant(Moment::BeforePods).await?;
    let mut seen = Vec::new();
    if fault.is_some_and(|f| f.moment == Moment::AfterFirstPod) {
        seen.extend(create(cluster, &plan.pods[..1], plan, observer).await?);
        plant(Moment::AfterFirstPod).await?;
    }
    seen.extend(create(cluster, &plan.pods[seen.len()..], plan, observer).await?);
    plant(Moment::AfterPods).await?;
    Ok(seen)
}

async fn create(
    cluster: &Arc<dyn Cluster>,
    pods: &[Pod],
    plan: &Plan,
    observer: &Observer,
) -> Result<Vec<Pod>> {
    for pod in pods {
        cluster.apply_pod(pod).await?;
    }
    let mut waits = JoinSet::new();
    for (index, pod) in pods.iter().enumerate() {
        let (cluster, pod, limit, observer) = (
            Arc::clone(cluster),
            PodRef::of(pod),
            plan.pod_timeout,
            Arc::clone(observer),
        );
        waits.spawn(async move {
            let seen = cluster.wait_pod(&pod, limit).await?;
            if is_running(&seen) {
                observer(&Event::PodReady(pod.name));
            } else {
                let why = warnings(&cluster, &seen)
                    .await
                    .pop()
                    .unwrap_or_else(|| "no event says why".to_owned());
                observer(&Event::PodFailed(pod.name, why));
            }
            Ok::<_, Error>((index, seen))
        });
    }
    let mut seen = Vec::new();
    while let Some(done) = waits.join_next().await {
        seen.push(done.map_err(|e| Error::failed("wait for pods", e))??);
    }
    seen.sort_by_key(|(index, _)| *index);
    Ok(seen.into_iter().map(|(_, pod)| pod).collect())
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
    match cluster.events(&PodRef::of(pod)).await {
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
