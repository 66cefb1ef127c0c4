//! Nodes from inside.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kernel::netfilter::Netfilter;
use crate::probe::{
    CniFiles, Facts, FileContent, NetworkNamespace, NodeProcess, PluginVersion, Sockets,
};

/// A value, or why it is not there (lower-case fragment with its causes).
pub type Observed<T> = Result<T, String>;

/// Why there is no value where nobody asked for one.
pub const NOT_ASKED: &str = "not asked";

/// What a probe on a node found. Each part can fail by itself; none is asked unless somebody needs it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeInside {
    /// Links, addresses, routes, neighbours, FDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Observed<Facts>>,
    /// Rules of netfilter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netfilter: Option<Observed<Netfilter>>,
    /// `/etc/cni/net.d`, and the names in `/opt/cni/bin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cni: Option<Observed<CniFiles>>,
    /// What is bound there, and connections of etcd's ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Observed<Sockets>>,
    /// Processes of the node components and network agents that are known by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Observed<Vec<NodeProcess>>>,
    /// Network namespaces of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Observed<Vec<NetworkNamespace>>>,
    /// Files by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Observed<BTreeMap<String, FileContent>>>,
    /// What the programs in `/opt/cni/bin` say of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Observed<Vec<PluginVersion>>>,
}

fn part<T>(of: &Option<Observed<T>>) -> Result<&T, &str> {
    match of {
        Some(Ok(found)) => Ok(found),
        Some(Err(why)) => Err(why),
        None => Err(NOT_ASKED),
    }
}

/// Each part, or why it is not there.
#[expect(missing_docs, reason = "the fields say it")]
impl NodeInside {
    pub fn facts(&self) -> Result<&Facts, &str> {
        part(&self.facts)
    }

    pub fn netfilter(&self) -> Result<&Netfilter, &str> {
        part(&self.netfilter)
    }

    pub fn cni(&self) -> Result<&CniFiles, &str> {
        part(&self.cni)
    }

    pub fn sockets(&self) -> Result<&Sockets, &str> {
        part(&self.sockets)
    }

    pub fn processes(&self) -> Result<&[NodeProcess], &str> {
        part(&self.processes).map(Vec::as_slice)
    }

    pub fn namespaces(&self) -> Result<&[NetworkNamespace], &str> {
        part(&self.namespaces).map(Vec::as_slice)
    }

    pub fn files(&self) -> Result<&BTreeMap<String, FileContent>, &str> {
        part(&self.files)
    }

    pub fn plugins(&self) -> Result<&[PluginVersion], &str> {
        part(&self.plugins).map(Vec::as_slice)
    }
}
