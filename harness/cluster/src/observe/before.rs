//! How nodes are before a run adds its pods.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::kernel::netfilter::Netfilter;
use flatnet_model::observations::Observed;
use flatnet_model::probe::{Facts, ask};
use futures::future::join_all;

use super::once::Probes;
use crate::{Cluster, Result, Target};

/// Every node, by its name.
pub type NodesBefore = BTreeMap<String, NodeBefore>;

/// A node; an error for what could not be asked.
#[derive(Clone, Debug)]
pub struct NodeBefore {
    /// Links, addresses, routes, neighbours, FDB.
    pub facts: Observed<Facts>,
    /// Rules of netfilter.
    pub netfilter: Observed<Netfilter>,
}

/// How long a plugin that is adding a pod may take from its bridge to the bridge's address.
const ADDING: Duration = Duration::from_millis(500);
/// Looks at a node whose bridge is unfinished: what is so in all of them is no moment of a plugin's work.
const LOOKS: usize = 5;

/// Asks every node; one with an unfinished bridge a few times, as a plugin may just be setting it up.
///
/// # Errors
/// When the nodes cannot be listed.
pub async fn nodes(cluster: &Arc<dyn Cluster>) -> Result<NodesBefore> {
    let probes = Probes::on(Arc::clone(cluster));
    let looks = cluster.node_names().await?.into_iter().map(|node| {
        let probes = &probes;
        async move {
            let target = Target::Node(node.clone());
            let look = || probes.ask(&target, &ask::Facts {});
            let mut facts = look().await;
            for _ in 1..LOOKS {
                if !facts.as_ref().is_ok_and(is_unfinished) {
                    break;
                }
                tokio::time::sleep(ADDING).await;
                facts = look().await;
            }
            let netfilter = probes.ask(&target, &ask::Netfilter {}).await;
            let before = NodeBefore {
                facts: facts.map_err(|error| error.to_string()),
                netfilter: netfilter.map_err(|error| error.to_string()),
            };
            (node, before)
        }
    });
    Ok(join_all(looks).await.into_iter().collect())
}

/// Whether a bridge that has ports is down or has no address.
fn is_unfinished(facts: &Facts) -> bool {
    let mut links = facts.links.iter();
    links.any(|link| {
        facts.has_ports(link) && !(link.up && facts.addresses_of(link).next().is_some())
    })
}
