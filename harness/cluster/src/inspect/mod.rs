//! Looks at a cluster once: its objects through the API, and every node through one probe. Whatever fails is kept with its
//! reason; the rest is had all the same.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;

use crate::observe::inside::{self, Extent};
use crate::status;
use crate::{Cluster, Error, Result};
use flatnet_model::naming;
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::view::{InspectedNode, View};

/// Everything the questions are about; of the node named, or of all.
///
/// # Errors
/// [`Error::Input`] for a node that is not there; otherwise only what keeps the nodes from being listed.
pub async fn look(cluster: &Arc<dyn Cluster>, node: Option<&str>) -> Result<View> {
    let objects = cluster.nodes().await?;
    let snapshots = objects
        .iter()
        .map(status::node)
        .collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = snapshots.iter().map(|object| object.name.clone()).collect();
    let node = match node {
        None => None,
        Some(text) => Some(naming::node(text, &names).ok_or_else(|| {
            Error::Input(format!(
                "there is no node {text:?} in cluster {}; nodes: {}",
                cluster.name(),
                naming::listed(names.iter())
            ))
        })?),
    };
    let wanted = |name: &str| node.is_none_or(|wanted| wanted == name);
    let chosen: Vec<Node> = objects
        .iter()
        .filter(|object| object.metadata.name.as_deref().is_some_and(wanted))
        .cloned()
        .collect();
    let (pods, api, mut insides) = tokio::join!(
        pods(&**cluster),
        cluster.control_plane(),
        inside::look(Arc::clone(cluster), &chosen, Extent::Everything),
    );
    let nodes = snapshots.iter().filter(|object| wanted(&object.name));
    let nodes = nodes
        .map(|object| InspectedNode {
            object: object.clone(),
            inside: insides.remove(&object.name).unwrap_or(Availability::Lost {
                error: "it was not asked".to_owned(),
            }),
        })
        .collect();
    Ok(View {
        provider: cluster.provider().to_owned(),
        capabilities: cluster.capabilities().clone(),
        cluster: cluster.name().to_owned(),
        nodes,
        objects: snapshots,
        pods,
        api,
    })
}

async fn pods(cluster: &dyn Cluster) -> Availability<Vec<PodSnapshot>> {
    let listed = cluster.pods().await;
    let pods = listed.and_then(|pods| pods.iter().map(status::pod).collect::<Result<Vec<_>>>());
    Availability::from(pods).map(|mut pods| {
        pods.sort_by(|a, b| a.reference.cmp(&b.reference));
        pods
    })
}
