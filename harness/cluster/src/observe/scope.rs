//! What a run wants to see.
use std::sync::Arc;

use flatnet_model::coverage::Coverage;
use flatnet_model::observations::Denied;
use flatnet_model::probe::Transport;
use flatnet_model::snapshot::PodSnapshot;
use ipnet::IpNet;

use super::before::NodesBefore;
use crate::Cluster;
use crate::exposed::Exposed;

/// What is to be observed.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The cluster.
    pub cluster: &'a Arc<dyn Cluster>,
    /// Its pods under test, as last seen.
    pub pods: &'a [PodSnapshot],
    /// What the cluster did not allow to be deployed.
    pub denied: &'a [Denied],
    /// How nodes were before the pods were added, where the cluster ran before.
    pub before: Option<&'a NodesBefore>,
    /// What tells runs apart in the names of tables, where nodes may be made to translate addresses for the time of the observation.
    pub translate: Option<&'a str>,
    /// What was made for those who use the cluster, where it has a control plane.
    pub exposed: Option<&'a Exposed>,
    /// Transports of the matrix.
    pub transports: &'a [Transport],
    /// How many of the pairs to dial.
    pub coverage: Coverage,
    /// Chooses them, where not all are dialled.
    pub seed: u64,
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: &'a [IpNet],
    /// Which CNI was chosen, as given.
    pub cni: &'a str,
}
