//! Where the cluster of a run comes from.
use std::path::PathBuf;

use flatnet_cluster::kind::{Boot, engine::Engine};
use flatnet_lab::LabSpec;
use ipnet::IpNet;

use crate::config::KubeArgs;

/// Who booted the cluster, or will, and what that needs.
#[derive(Clone, Debug)]
pub enum ClusterSource {
    /// A lab to boot.
    NewLab {
        /// The lab.
        spec: LabSpec,
        /// Pod network ranges of the whole cluster.
        pod_network: Vec<IpNet>,
    },
    /// A lab that runs.
    RunningLab {
        /// What it was made from.
        spec: LabSpec,
        /// Pod network ranges of the whole cluster, where known.
        pod_network: Vec<IpNet>,
    },
    /// A kind cluster to boot.
    NewKind(Boot, Archives),
    /// A kind cluster that runs.
    RunningKind {
        /// Its name.
        name: String,
        /// The engine that its nodes are in.
        engine: Engine,
        /// For its nodes.
        archives: Archives,
    },
    /// Any cluster that runs.
    Kubeconfig(KubeArgs),
}

/// Image archives for the nodes; each is a readable file.
#[derive(Clone, Debug)]
pub struct Archives(pub Vec<PathBuf>);

impl ClusterSource {
    /// Whether the cluster was already running.
    pub fn is_running(&self) -> bool {
        match self {
            ClusterSource::NewLab { .. } | ClusterSource::NewKind(..) => false,
            ClusterSource::RunningLab { .. }
            | ClusterSource::RunningKind { .. }
            | ClusterSource::Kubeconfig(_) => true,
        }
    }

    /// What the lab is made from, where it is one.
    pub fn lab(&self) -> Option<&LabSpec> {
        match self {
            ClusterSource::NewLab { spec, .. } | ClusterSource::RunningLab { spec, .. } => {
                Some(spec)
            }
            ClusterSource::NewKind(..)
            | ClusterSource::RunningKind { .. }
            | ClusterSource::Kubeconfig(_) => None,
        }
    }

    /// The cluster's name, where it has one that `flatnet down` knows.
    pub fn name(&self) -> Option<&str> {
        match self {
            ClusterSource::NewLab { spec, .. } | ClusterSource::RunningLab { spec, .. } => {
                Some(&spec.name)
            }
            ClusterSource::NewKind(boot, _) => Some(&boot.name),
            ClusterSource::RunningKind { name, .. } => Some(name),
            ClusterSource::Kubeconfig(_) => None,
        }
    }
}
