//! With whom a pod is to talk: one pod of every node.
use std::sync::Arc;
use std::time::Duration;

use flatnet_cluster::manifest::{self, BUSYBOX};
use flatnet_cluster::{Cluster, status};
use flatnet_model::diagnosis::Unread;
use flatnet_model::snapshot::PodSnapshot;
use k8s_openapi::api::core::v1::{Node, Pod};

use crate::Result;

/// How long a peer may take to run.
const RUNS_WITHIN: Duration = Duration::from_secs(30);

/// A running pod of each node besides `pods`: one that is there and is like flatnet's own, or else one that is started now and
/// goes with the cluster's [`Cluster::withdraw`]. A node on which none comes to run has none.
///
/// # Errors
/// Pods that cannot be listed.
pub(super) async fn of(
    cluster: &Arc<dyn Cluster>,
    pods: &[PodSnapshot],
    nodes: &[Node],
    unread: &mut Vec<Unread>,
) -> Result<Vec<PodSnapshot>> {
    let there = cluster.pods().await?;
    let mut found = Vec::new();
    let mut starting = Vec::new();
    for node in nodes {
        let Some(name) = &node.metadata.name else {
            continue;
        };
        let mut candidates = there
            .iter()
            .filter(|pod| takes_probe(pod))
            .filter_map(|pod| {
                let pod = status::pod(pod).ok()?;
                let fits = pod.node == *name
                    && pod.is_running()
                    && !pod.terminating
                    && !pod.host_network
                    && pods
                        .iter()
                        .all(|subject| subject.reference != pod.reference);
                fits.then_some(pod)
            });
        match candidates.next() {
            Some(pod) => found.push(pod),
            None => starting.push(started(cluster, name)),
        }
    }
    for started in futures::future::join_all(starting).await {
        match started {
            Ok(pod) => found.push(pod),
            Err(why) => unread.push(why),
        }
    }
    Ok(found)
}

/// Only a pod like flatnet's own is known to have what the probe is carried with.
fn takes_probe(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| spec.containers.first());
    let image = containers
        .filter_map(|container| container.image.as_deref())
        .next();
    image.is_some_and(|image| image.contains("busybox"))
}

async fn started(
    cluster: &Arc<dyn Cluster>,
    node: &str,
) -> std::result::Result<PodSnapshot, Unread> {
    let work = async {
        let mut pod = manifest::parse("manifests/busybox.yaml", BUSYBOX)?.remove(0);
        pod.metadata.name = Some(format!("flatnet-peer-{node}"));
        pod.metadata.namespace = Some(cluster.namespace().to_owned());
        if let Some(spec) = pod.spec.as_mut() {
            spec.node_name = Some(node.to_owned());
        }
        cluster.create_pod(&pod).await?;
        let pod = cluster
            .wait_pod(&status::pod_ref(&pod), RUNS_WITHIN)
            .await?;
        status::pod(&pod)
    };
    let unread = |why: String| Unread {
        what: format!("a peer on {node}"),
        why,
    };
    match work.await {
        Ok(pod) if pod.is_running() => Ok(pod),
        Ok(pod) => Err(unread(format!(
            "pod {} does not come to run: {}",
            pod.reference,
            pod.status()
        ))),
        Err(e) => Err(unread(e.to_string())),
    }
}
