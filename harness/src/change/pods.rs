//! Pods that a change makes.
use std::sync::Arc;
use std::time::Duration;

use flatnet_cluster::status::{self, pod_ref, warnings};
use flatnet_cluster::{Cluster, PodRef};
use flatnet_model::snapshot::PodSnapshot;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;

use crate::cni::Wanted;
use crate::session::workload::Workload;
use crate::{Error, Result, torn_down};

/// Busybox pods, two on each node, in the network of pods.
///
/// # Errors
/// A node without a name.
pub(super) fn on_each(nodes: &[String], namespace: &str, prefix: &str) -> Result<Vec<Pod>> {
    let shipped = Workload::Shipped { per_node: Some(2) };
    let mut pods = shipped.place(nodes, namespace)?;
    pods.retain(|pod| {
        pod.spec
            .as_ref()
            .is_some_and(|spec| spec.host_network != Some(true))
    });
    for (index, pod) in pods.iter_mut().enumerate() {
        pod.metadata.name = Some(format!("{prefix}-{}", index + 1));
    }
    Ok(pods)
}

/// Pods as they are when they run, and what the cluster says of each that does not.
pub(super) struct Made {
    pub(super) running: Vec<PodSnapshot>,
    pub(super) failed: Vec<String>,
}

/// Creates them and waits for them.
///
/// # Errors
/// A pod that the cluster refuses.
pub(super) async fn make(
    cluster: &Arc<dyn Cluster>,
    pods: &[Pod],
    limit: Duration,
) -> Result<Made> {
    for pod in pods {
        cluster.create_pod(pod).await?;
    }
    let waits = pods.iter().map(|pod| async move {
        let seen = status::pod(&cluster.wait_pod(&pod_ref(pod), limit).await?)?;
        let why = match seen.is_running() {
            true => None,
            false => Some(warnings(cluster, &seen).await.pop()),
        };
        Ok::<_, Error>((seen, why))
    });
    let mut made = Made {
        running: Vec::new(),
        failed: Vec::new(),
    };
    for outcome in join_all(waits).await {
        match outcome? {
            (seen, None) => made.running.push(seen),
            (seen, Some(why)) => {
                let why = why.unwrap_or_else(|| "no event says why".to_owned());
                made.failed.push(format!("{}: {why}", seen.reference.name));
            }
        }
    }
    Ok(made)
}

/// The pods that show whether `to` networks pods of `node` at all.
///
/// # Errors
/// [`Error::Input`] with what the cluster says where one of them does not run; they are deleted then.
pub(super) async fn first_runs(
    cluster: &Arc<dyn Cluster>,
    pods: &[Pod],
    made: Made,
    to: &Wanted,
    node: &str,
) -> Result<Vec<PodSnapshot>> {
    let Some(why) = made.failed.first() else {
        return Ok(made.running);
    };
    let refused = Error::Input(format!(
        "--to {to}: refused: the first new pod on {node} does not run: {why}"
    ));
    torn_down(
        Err(refused),
        delete(cluster, pods.iter().map(pod_ref)).await,
    )
}

/// Deletes them, all at once, and waits until they are gone.
///
/// # Errors
/// The first that does not go.
pub(super) async fn delete(
    cluster: &Arc<dyn Cluster>,
    pods: impl Iterator<Item = PodRef>,
) -> Result<()> {
    let deleting = pods.map(|pod| async move { cluster.delete_pod(&pod).await });
    join_all(deleting).await.into_iter().collect()
}
