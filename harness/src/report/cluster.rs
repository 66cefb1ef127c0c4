//! What `flatnet up` booted and deployed, as data: `cluster.json` of `docs/report-schema.md`.
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Phase, ReportError, write_files};
use flatnet_model::PodRef;
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::snapshot::{NodeSnapshot, PodSnapshot};

/// The version of the JSON form; a change of meaning changes it.
pub const SCHEMA: &str = "flatnet.cluster/v1";

/// What [`ClusterReport::write_to`] writes.
pub const FILE: &str = "cluster.json";

/// A booted cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the flatnet that ran.
    pub flatnet_version: String,
    /// When it began, RFC 3339, UTC, whole seconds.
    pub started: String,
    /// As `--cluster` takes it; of a kubeconfig none.
    pub name: Option<String>,
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// As asked for.
    pub cni: String,
    /// The namespace of the pods that were deployed.
    pub namespace: String,
    /// Parts of the run, in order.
    pub phases: Vec<Phase>,
    /// Every node.
    pub nodes: Vec<NodeEntry>,
    /// The pods that were deployed.
    pub pods: Vec<PodEntry>,
    /// Why pods do not run, where some do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// Why it did not come up; there are no nodes and pods then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// InternalIPs.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// Reason and message of a Ready condition that is not True.
    pub not_ready: Option<String>,
}

impl From<NodeSnapshot> for NodeEntry {
    fn from(node: NodeSnapshot) -> Self {
        NodeEntry {
            not_ready: node.not_ready(),
            name: node.name,
            addresses: node.internal_ips,
            pod_cidrs: node.pod_cidrs,
        }
    }
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodEntry {
    /// Its namespace and name.
    #[serde(flatten)]
    pub reference: PodRef,
    /// The node that it is on.
    pub node: String,
    /// `status.phase`.
    pub phase: String,
    /// Whether it has its node's network.
    pub host_network: bool,
    /// `status.podIPs`.
    pub addresses: Vec<IpAddr>,
}

impl From<PodSnapshot> for PodEntry {
    fn from(pod: PodSnapshot) -> Self {
        PodEntry {
            reference: pod.reference,
            node: pod.node,
            phase: pod.phase,
            host_network: pod.host_network,
            addresses: pod.ips,
        }
    }
}

impl ClusterReport {
    /// Version, schema and start; the caller fills in the rest.
    pub fn new(provider: &str, cni: &str, namespace: &str, started: Timestamp) -> Self {
        ClusterReport {
            schema: SCHEMA.to_owned(),
            flatnet_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: format!("{started:.0}"),
            name: None,
            provider: provider.to_owned(),
            cni: cni.to_owned(),
            namespace: namespace.to_owned(),
            phases: Vec::new(),
            nodes: Vec::new(),
            pods: Vec::new(),
            diagnosis: None,
            error: None,
        }
    }

    /// Writes [`FILE`] into `dir`, which is made where it is missing. Returns its path.
    ///
    /// # Errors
    /// [`ReportError`]. The file is complete or not there.
    pub fn write_to(&self, dir: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_files(dir, [(FILE, text)])
    }
}
