//! Pods: who is well, and what is known of those who are not.
use futures::future::join_all;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::LogParams;

use super::Place;
use crate::cluster::PodRef;
use crate::cluster::kube::pods;
use crate::diagnose::evidence::{PodEvidence, restarts};
use crate::diagnose::model::Seen;
use crate::session::boot::Ground;
use crate::session::deploy::is_running;

/// So many lines of a log are last words.
pub(super) const LAST_LINES: i64 = 5;

/// Running and ready, not restarted more often lately than is tolerated; or done.
pub(in crate::diagnose) fn is_healthy(pod: &Pod, tolerated: i32) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.as_deref());
    let mut conditions = status
        .into_iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let unready = conditions.any(|c| c.type_ == "Ready" && c.status != "True");
    match phase {
        Some("Succeeded") => true,
        _ => {
            let mut containers = status
                .into_iter()
                .flat_map(|s| s.container_statuses.iter().flatten());
            is_running(pod)
                && !unready
                && pod.metadata.deletion_timestamp.is_none()
                && !containers.any(|c| restarts(c, tolerated))
        }
    }
}

/// Events and last words of each.
pub(super) async fn read(place: Place<'_>, pods: Vec<Pod>, tolerated: i32) -> Vec<PodEvidence> {
    let each = pods.into_iter().map(|pod| read_one(place, pod, tolerated));
    join_all(each).await
}

async fn read_one(place: Place<'_>, pod: Pod, tolerated: i32) -> PodEvidence {
    let events = place
        .cluster
        .events(&PodRef::of(&pod))
        .await
        .map(|mut events| {
            // An earlier pod of that name may have left some: they outlive it by an hour.
            events.retain(
                |event| match (&event.involved_object.uid, &pod.metadata.uid) {
                    (Some(of), Some(own)) => of == own,
                    _ => true,
                },
            );
            events
        });
    PodEvidence {
        events: events.map_err(|e| e.to_string()),
        tolerated,
        last_words: last_words(place, &pod).await,
        object: pod,
    }
}

/// What containers that ended said last.
async fn last_words(place: Place<'_>, pod: &Pod) -> Vec<Seen> {
    let status = pod.status.as_ref();
    let statuses = status.into_iter().flat_map(|s| {
        let inits = s.init_container_statuses.iter().flatten();
        inits.chain(s.container_statuses.iter().flatten())
    });
    let mut words = Vec::new();
    for container in statuses.filter(|c| ended(c)) {
        let source = format!("log of container {}", container.name);
        let text = match place.ground {
            // The lab keeps them in the status.
            Ground::Lab(_) => None,
            Ground::Kubernetes(cluster) => {
                let name = PodRef::of(pod);
                let api = Api::namespaced(cluster.client().clone(), &name.namespace);
                log(&api, &name.name, Some(&container.name)).await.ok()
            }
        };
        let kept = || {
            let states = [&container.state, &container.last_state];
            let mut ends = states
                .into_iter()
                .filter_map(|s| s.as_ref()?.terminated.as_ref());
            ends.find_map(|end| end.message.clone())
        };
        if let Some(text) = text.or_else(kept).filter(|text| !text.trim().is_empty()) {
            words.push(Seen::new(source, &text));
        }
    }
    words
}

fn ended(container: &ContainerStatus) -> bool {
    [&container.state, &container.last_state]
        .into_iter()
        .flatten()
        .any(|state| {
            state
                .terminated
                .as_ref()
                .is_some_and(|end| end.exit_code != 0)
        })
}

/// The last lines of a container's run before, or of the one that runs where there was none.
pub(super) async fn log(
    api: &Api<Pod>,
    pod: &str,
    container: Option<&str>,
) -> Result<String, kube::Error> {
    let params = |previous| LogParams {
        container: container.map(str::to_owned),
        previous,
        tail_lines: Some(LAST_LINES),
        ..LogParams::default()
    };
    match pods::log(api, pod, &params(true)).await {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        _ => pods::log(api, pod, &params(false)).await,
    }
}
