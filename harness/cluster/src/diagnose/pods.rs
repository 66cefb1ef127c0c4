//! Pods: who is well, and what is known of those who are not.
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

use super::Place;
use crate::Ground;
use crate::Result;
use crate::kube::pods;
use crate::status;
use flatnet_model::diagnosis::Seen;
use flatnet_model::snapshot::{Container, EventSnapshot, PodSnapshot};
use flatnet_model::symptoms::PodSymptoms;

/// So many lines of a log are last words.
pub(super) const LAST_LINES: i64 = 5;

/// Events and last words of each.
pub(super) async fn read(
    place: Place<'_>,
    pods: Vec<PodSnapshot>,
    tolerated: i32,
) -> Vec<PodSymptoms> {
    let each = pods.into_iter().map(|pod| read_one(place, pod, tolerated));
    join_all(each).await
}

async fn read_one(place: Place<'_>, object: PodSnapshot, tolerated: i32) -> PodSymptoms {
    PodSymptoms {
        events: events(place, &object).await.map_err(|e| e.to_string()),
        tolerated,
        last_words: last_words(place, &object).await,
        object,
    }
}

/// Those of this very pod: an earlier one of that name may have left some, which outlive it by an hour.
async fn events(place: Place<'_>, pod: &PodSnapshot) -> Result<Vec<EventSnapshot>> {
    let mut events = status::events(place.cluster, &pod.reference).await?;
    events.retain(|event| match (&event.object_uid, &pod.uid) {
        (Some(of), Some(own)) => of == own,
        _ => true,
    });
    Ok(events)
}

/// What containers that ended said last.
async fn last_words(place: Place<'_>, pod: &PodSnapshot) -> Vec<Seen> {
    let mut words = Vec::new();
    for container in pod.containers.iter().filter(|c| c.failed()) {
        let text = match place.ground {
            // The lab keeps them in the status.
            Ground::Lab(_) => None,
            Ground::Kubernetes(cluster) => {
                let name = &pod.reference;
                let api = Api::namespaced(cluster.client().clone(), &name.namespace);
                log(&api, &name.name, Some(&container.name)).await.ok()
            }
        };
        let text = text.or_else(|| kept(container));
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            let source = format!("log of container {}", container.name);
            words.push(Seen::new(source, &text));
        }
    }
    words
}

/// What the status has of them.
fn kept(container: &Container) -> Option<String> {
    let ends = [&container.state.terminated, &container.last];
    let mut messages = ends.into_iter().flatten().map(|end| &end.message);
    messages.find(|message| !message.is_empty()).cloned()
}

/// The last lines of a container's run before, or of the one that runs where there was none.
pub(super) async fn log(
    api: &Api<Pod>,
    pod: &str,
    container: Option<&str>,
) -> kube::Result<String> {
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
