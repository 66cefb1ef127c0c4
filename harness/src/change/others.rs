//! Pods that are not the run's: they stay, and so does what belongs to them.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, PodRef, Target};
use flatnet_model::change::NodeLook;
use flatnet_model::probe::Facts;
use flatnet_model::snapshot::{Observed, PodSnapshot};

use crate::Result;
use crate::cni::container_ids;

/// Interfaces and routes of pods.
pub(super) type PodFacts = BTreeMap<PodRef, Observed<Facts>>;

/// Pods of others that run in the network of pods.
///
/// # Errors
/// When pods cannot be listed.
pub(super) async fn running(
    cluster: &Arc<dyn Cluster>,
    ours: &BTreeSet<PodRef>,
) -> Result<Vec<PodSnapshot>> {
    let mut others = Vec::new();
    for pod in cluster.pods().await? {
        let pod = flatnet_cluster::status::pod(&pod)?;
        if pod.is_running() && !pod.host_network && !ours.contains(&pod.reference) {
            others.push(pod);
        }
    }
    Ok(others)
}

/// Ports of these pods on their nodes.
pub(super) fn ports(
    facts: &PodFacts,
    pods: &[PodSnapshot],
    nodes: &BTreeMap<String, NodeLook>,
) -> BTreeSet<String> {
    let port = |pod: &PodSnapshot| {
        let inside = facts.get(&pod.reference)?.as_ref().ok()?;
        let peer = inside.link_named("eth0")?.link;
        let port = nodes.get(&pod.node)?.facts.link(peer)?;
        Some(port.name.clone())
    };
    pods.iter().filter_map(port).collect()
}

/// Names of the files in which plugins and runtime keep what they must remember of single pods.
///
/// # Errors
/// A lab that does not answer.
pub(super) async fn records(lab: &LabCluster) -> Result<BTreeSet<String>> {
    let list = "ls -1 /var/lib/cni/results /var/lib/cni/networks/* 2>/dev/null";
    let argv = ["sh", "-c", list].map(str::to_owned);
    let mut names = BTreeSet::new();
    for node in lab.node_names().await? {
        let listed = lab.exec(&Target::Node(node), &argv, b"").await?;
        let names_one = |name: &&str| container_ids(name).next().is_some();
        let of_pods = listed.stdout.lines().filter(names_one);
        names.extend(of_pods.map(str::to_owned));
    }
    Ok(names)
}
