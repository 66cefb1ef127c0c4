//! What a change does differently on each kind of cluster.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use async_trait::async_trait;
use flatnet_analysis::change::Properties;
use flatnet_cluster::PodRef;
use flatnet_model::change::{Leftover, NodeLook};
use flatnet_model::snapshot::PodSnapshot;
use k8s_openapi::api::core::v1::Pod;

use super::pods::Made;
use super::report::Compared;
use super::traffic::Steps;
use crate::Result;

/// How a cluster gets a second configuration, how the first one is put back, and what nodes and pods are compared with.
#[async_trait]
pub(super) trait Rollout: Send + Sync {
    /// The first configuration and the second, as a person writes them.
    fn words(&self) -> [String; 2];

    /// What nodes and pods are compared with.
    fn compared(&self) -> Compared;

    /// Whether pods that are not the run's may get a probe: to look at their interfaces.
    fn probes_others(&self) -> bool;

    /// Brings the second configuration about, and makes `pods` under it. Begins each step as it comes.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for a configuration that is refused. The caller puts the first one back.
    async fn carry_out(&self, pods: &[Pod], steps: &mut Steps<'_>) -> Result<Made>;

    /// Puts the first configuration back where a change is under way, and says so.
    ///
    /// # Errors
    /// What keeps a node from it.
    async fn put_back(&self) -> Result<()>;

    /// What nodes and pods should be like; `seen` is what they are like.
    ///
    /// # Errors
    /// What keeps that from being found out.
    async fn wanted(&self, seen: &Seen<'_>) -> Result<Targets>;

    /// Has agents remove at once what pods from before needed.
    ///
    /// # Errors
    /// A cluster that does not answer.
    async fn hurry(&self) -> Result<()>;

    /// Waits until deleted pods, which had these ports, have no network any more; and has pods that are not the run's networked by the
    /// second configuration, where they have to be made again for that.
    ///
    /// # Errors
    /// A pod or a port that does not go.
    async fn replace_pods(&self, ports: &BTreeSet<String>) -> Result<()>;

    /// What is on nodes that should not be there, or is not and should, when all pods of the run are deleted.
    ///
    /// # Errors
    /// A node that does not tell.
    async fn leftovers(&self, nodes: &Remains<'_>) -> Result<Vec<Leftover>>;

    /// The change back.
    fn back(&self) -> Box<dyn Rollout>;
}

/// Nodes and pods as they are under the second configuration.
pub(super) struct Seen<'a> {
    /// Nodes.
    pub(super) nodes: &'a BTreeMap<String, NodeLook>,
    /// Pods that were looked at.
    pub(super) pods: &'a BTreeMap<PodRef, Properties>,
    /// Those that were made under the second configuration.
    pub(super) new: &'a [PodSnapshot],
    /// All pods of the run that are there.
    pub(super) ours: &'a [PodSnapshot],
    /// Their ports on their nodes.
    pub(super) ports: &'a BTreeSet<String>,
}

/// What is wanted, by node.
#[derive(Clone, Default)]
pub(super) struct Targets {
    /// Of each node.
    pub(super) nodes: BTreeMap<String, Properties>,
    /// Of a pod on it.
    pub(super) pods: BTreeMap<String, Properties>,
}

/// Nodes before the change, and when all pods of the run are deleted.
pub(super) struct Remains<'a> {
    /// With the pods from before.
    pub(super) before: &'a BTreeMap<String, NodeLook>,
    /// Bridges of those pods, by node.
    pub(super) bridges: &'a BTreeMap<String, BTreeSet<String>>,
    /// Without pods of the run.
    pub(super) now: &'a BTreeMap<String, NodeLook>,
    /// Ports of pods that are not the run's.
    pub(super) ports: &'a BTreeSet<String>,
    /// Addresses of those pods.
    pub(super) addresses: &'a BTreeSet<IpAddr>,
}
