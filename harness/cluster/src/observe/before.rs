//! How nodes are before a run adds its pods.
use std::collections::BTreeMap;
use std::sync::Arc;

use flatnet_model::observations::Observed;
use flatnet_model::probe::{Facts, ask};
use futures::future::join_all;

use super::once::Probes;
use crate::{Cluster, Result, Target};

/// Facts of every node, by its name; an error for a node that could not be asked.
pub type NodesBefore = BTreeMap<String, Observed<Facts>>;

/// Asks every node.
///
/// # Errors
/// When the nodes cannot be listed.
pub async fn nodes(cluster: &Arc<dyn Cluster>) -> Result<NodesBefore> {
    let probes = Probes::on(Arc::clone(cluster));
    let looks = cluster.node_names().await?.into_iter().map(|node| {
        let probes = &probes;
        async move {
            let target = Target::Node(node.clone());
            let facts = probes.ask(&target, &ask::Facts {}).await;
            (node, facts.map_err(|error| error.to_string()))
        }
    });
    Ok(join_all(looks).await.into_iter().collect())
}
