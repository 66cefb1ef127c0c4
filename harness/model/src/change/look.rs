//! What a node has that a CNI may have brought.
use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::probe::{CniFiles, Facts};

/// A node, looked at by its probe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeLook {
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// Links, addresses, routes, rules, neighbours, FDB, sysctls.
    pub facts: Facts,
    /// CNI configuration, and the names of plugins.
    pub cni: CniFiles,
    /// SHA-256 of each plugin, by name, where the node has the program for that.
    pub digests: BTreeMap<String, String>,
    /// nftables tables.
    pub tables: Vec<String>,
    /// Folders in which CNIs keep what they must remember, with the names in each.
    pub folders: BTreeMap<String, Vec<String>>,
    /// Command lines of flatnet's agents.
    pub agents: Vec<Vec<String>>,
}
