//! A second lab, made with the new configuration: what nodes and pods of it are like, and what is there when its pods are gone.
use std::collections::BTreeMap;
use std::sync::Arc;

use flatnet_analysis::change::{self, Properties};
use flatnet_cluster::Cluster;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::looks;
use flatnet_lab::LabSpec;
use flatnet_model::change::NodeLook;
use flatnet_model::snapshot::{Observed, PodSnapshot};

use super::pods;
use crate::cni::lab_change::{self, Config, Work};
use crate::programs::Programs;
use crate::run_id::run_id;
use crate::{Error, Result, torn_down};

use super::POD_LIMIT;

/// What a cluster is like that was made with a configuration.
pub(super) struct Fresh {
    /// Properties of each node, with pods on it.
    pub(super) nodes: BTreeMap<String, Properties>,
    /// Properties of a pod of each node.
    pub(super) pods: BTreeMap<String, Properties>,
    /// Each node when the pods are gone.
    pub(super) without_pods: BTreeMap<String, NodeLook>,
}

/// Boots a lab like `spec` with `config`, looks at it, and ends it.
///
/// # Errors
/// A lab that does not come up, or a node that does not tell.
pub(super) async fn look(spec: &LabSpec, config: &Config, programs: &Programs) -> Result<Fresh> {
    let mut spec = spec.clone();
    spec.name = format!("fresh-{}", run_id());
    spec.labels = BTreeMap::from([config.label()?]);
    for node in &mut spec.nodes {
        if let Some(cidrs) = config.pod_cidrs.get(&node.name) {
            node.pod_cidrs.clone_from(cidrs);
        }
    }
    let (lab, deletion) = LabCluster::boot(programs.lab.clone(), spec, false).await?;
    let looked = look_at(lab, config).await;
    torn_down(looked, deletion.delete().await)
}

async fn look_at(lab: LabCluster, config: &Config) -> Result<Fresh> {
    let mut work = Work::new(lab.clone(), config.clone()).await?;
    work.bring_about(config).await?;
    lab_change::settle(&lab, config, None).await?;
    let cluster: Arc<dyn Cluster> = Arc::new(lab);
    let nodes = work.nodes();
    let wanted = pods::on_each(&nodes, cluster.namespace(), "new")?;
    let made = pods::make(&cluster, &wanted, POD_LIMIT).await?;
    let running: Vec<&PodSnapshot> = made.running.iter().collect();
    let objects = cluster.nodes().await?;
    let fleet = Fleet::start(Arc::clone(&cluster), &objects, &running, None).await?;
    let with_pods = known(looks::nodes(&fleet, &cluster).await?)?;
    let facts = looks::pods(&fleet, &running).await;
    let mut of_pods = BTreeMap::new();
    for pod in running {
        let Some(Ok(facts)) = facts.get(&pod.reference) else {
            continue;
        };
        let properties = change::of_pod(pod, facts, with_pods.get(&pod.node));
        of_pods.entry(pod.node.clone()).or_insert(properties);
    }
    let of_nodes = with_pods
        .iter()
        .map(|(name, look)| (name.clone(), change::of_node(look)));
    let of_nodes = of_nodes.collect();
    pods::delete(
        &cluster,
        made.running.iter().map(|pod| pod.reference.clone()),
    )
    .await?;
    Ok(Fresh {
        nodes: of_nodes,
        pods: of_pods,
        without_pods: known(looks::nodes(&fleet, &cluster).await?)?,
    })
}

/// Every node, or the first that did not tell.
///
/// # Errors
/// Its words.
pub(super) fn known(
    looks: BTreeMap<String, Observed<NodeLook>>,
) -> Result<BTreeMap<String, NodeLook>> {
    let known = |(node, look): (String, Observed<NodeLook>)| match look {
        Ok(look) => Ok((node, look)),
        Err(why) => Err(Error::Failed(format!("look at {node}: {why}"))),
    };
    looks.into_iter().map(known).collect()
}
