//! The nodes of a cluster as the agent knows them, wherever it learned of them: a file in the lab, the Kubernetes API elsewhere.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::snapshot::NodeSnapshot;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Name, `metadata.name`.
    pub name: String,
    /// InternalIP addresses, at most one per family.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`, at most one per family; empty until the controller assigned one.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<IpNet>,
}

impl From<NodeSnapshot> for Node {
    fn from(node: NodeSnapshot) -> Self {
        Node {
            name: node.name,
            addresses: node.internal_ips,
            pod_cidrs: node.pod_cidrs,
        }
    }
}

/// The nodes file: `{"podNetwork": ["10.244.0.0/16"], "nodes": [{"name": …, "addresses": […], "podCIDRs": […]}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodesFile {
    /// Cluster CIDRs: every pod address is within one of them.
    pub pod_network: Vec<IpNet>,
    /// Every node, this one included.
    pub nodes: Vec<Node>,
}
