//! The plugin under test: its program, what kind of plugin it is, and a configuration with which it works.
pub(crate) mod program;
pub(crate) mod recipes;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a plugin does with a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It makes the interface.
    Interface,
    /// It works on what an earlier plugin made.
    Chained,
    /// It assigns addresses for another plugin.
    Ipam,
}

impl Kind {
    /// As options and reports call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Interface => "interface",
            Kind::Chained => "chained",
            Kind::Ipam => "ipam",
        }
    }
}

/// How a plugin is made to work on a bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What is expected of it.
    pub kind: Kind,
    /// Its configuration, without `cniVersion`, `name` and `type` where the plugin's own are meant.
    pub conf: Value,
    /// Shell lines that prepare the node.
    pub node: Vec<String>,
    /// Shell lines that prepare each container; `{id}` is its id, which is its namespace's name.
    pub container: Vec<String>,
    /// CNI_IFNAME.
    pub ifname: String,
    /// One attachment at a time: what it moves or makes exists once.
    pub single: bool,
    /// Keys that leave one address to assign, where the plugin assigns addresses itself.
    pub one_address: Option<Value>,
    /// Keys that make a chained plugin change something; without them it has nothing to do.
    pub work: Vec<String>,
    /// `runtimeConfig` capabilities that it is known to honour.
    pub capabilities: Vec<String>,
}

/// The plugin as the bench has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// CNI_PATH's folders: the plugin's own, and those given.
    pub folders: Vec<PathBuf>,
    /// `type`.
    pub kind_name: String,
    /// How it is made to work.
    pub recipe: Recipe,
    /// Versions that it says it supports, oldest first.
    pub versions: Vec<String>,
    /// The version under which clauses are tried.
    pub version: String,
    /// It is built on the Go library `skel`.
    pub skel: bool,
    /// It calls the IPAM plugin that its configuration names.
    pub delegates: bool,
    /// Plugins that run before it in its list, with their configurations.
    pub before: Vec<(PathBuf, Value)>,
}
