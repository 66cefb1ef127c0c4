//! Pods: who is well, and what is known of those who are not.
use std::sync::Arc;

use futures::future::join_all;

use crate::{Cluster, Result, status};
use flatnet_model::diagnosis::Seen;
use flatnet_model::snapshot::{Container, EventSnapshot, PodSnapshot};
use flatnet_model::symptoms::PodSymptoms;

/// Events and last words of each.
pub(super) async fn read(
    cluster: &Arc<dyn Cluster>,
    pods: Vec<PodSnapshot>,
    tolerated: i32,
) -> Vec<PodSymptoms> {
    let each = pods
        .into_iter()
        .map(|pod| read_one(cluster, pod, tolerated));
    join_all(each).await
}

async fn read_one(cluster: &Arc<dyn Cluster>, object: PodSnapshot, tolerated: i32) -> PodSymptoms {
    PodSymptoms {
        events: events(cluster, &object).await.map_err(|e| e.to_string()),
        tolerated,
        last_words: last_words(cluster, &object).await,
        object,
    }
}

/// Those of this very pod: an earlier one of that name may have left some, which outlive it by an hour.
async fn events(cluster: &Arc<dyn Cluster>, pod: &PodSnapshot) -> Result<Vec<EventSnapshot>> {
    let mut events = status::events(cluster, &pod.reference).await?;
    events.retain(|event| match (&event.object_uid, &pod.uid) {
        (Some(of), Some(own)) => of == own,
        _ => true,
    });
    Ok(events)
}

/// What containers that ended said last.
async fn last_words(cluster: &Arc<dyn Cluster>, pod: &PodSnapshot) -> Vec<Seen> {
    let mut words = Vec::new();
    for container in pod.containers.iter().filter(|c| c.failed()) {
        let text = cluster
            .last_lines(&pod.reference, Some(&container.name))
            .await
            .ok();
        // Where the log is gone, and on clusters that keep none.
        let text = text.filter(|text| !text.trim().is_empty());
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
