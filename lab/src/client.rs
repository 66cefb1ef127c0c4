//! The client's end of a lab: blocking calls over its socket, one connection a call.
//!
//! The socket is abstract (`@flatnet-lab/UID/NAME`, bound in the caller's network namespace before the lab leaves it): nothing
//! on disk can go stale, a second lab of that name fails to bind, and `list` reads /proc/net/unix.
use std::os::fd::OwnedFd;
use std::path::Path;

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use serde::{Deserialize, Serialize};

use crate::LabSpec;

/// Result of every call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a lab could not do what was asked.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum Error {
    /// Something this machine lacks or forbids (user namespaces, a program); `remedy` says what to do.
    #[error("{what}; {remedy}")]
    Missing {
        /// What is missing or forbidden, with the system's words.
        what: String,
        /// What the person can do: the sysctl, the capability, the package.
        remedy: String,
    },
    /// The request names something wrong: a node or pod that is not there, a bad manifest, a name that is taken.
    #[error("{what}")]
    Invalid {
        /// What is wrong, and what to do.
        what: String,
    },
    /// Anything else.
    #[error("{what}")]
    Failed {
        /// What was being done, with the causes.
        what: String,
    },
}

/// A lab that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabInfo {
    /// What it was made from.
    pub spec: LabSpec,
    /// Process id of `flatnet-lab` as its user sees it.
    pub pid: u32,
    /// Seconds since the epoch.
    pub started: u64,
    /// Pods (namespace/name).
    pub pods: Vec<String>,
}

/// Where a command runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In a node's namespaces.
    Node(String),
    /// In a pod's (namespace, name).
    Pod(String, String),
    /// In the namespace that joins the nodes: bridge or router, and the outside address.
    Wire,
}

/// Standard streams of a command, handed over to it (SCM_RIGHTS).
#[derive(Debug)]
pub struct Stdio {
    /// Its standard input.
    pub stdin: OwnedFd,
    /// Its standard output.
    pub stdout: OwnedFd,
    /// Its standard error.
    pub stderr: OwnedFd,
}

/// A handle on a lab. The one that [`Lab::boot`] returned holds the lab's lifeline unless it was booted detached: when the
/// handle (or the process) is gone, the lab is.
#[derive(Debug)]
pub struct Lab {}

/// Some place in a node that outlives no lab, written whole and renamed into place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeFile<'a> {
    /// Absolute path in the node.
    pub path: &'a str,
    /// Contents.
    pub content: &'a [u8],
    /// Permission bits.
    pub mode: u32,
}

impl Lab {
    /// Starts `program` (flatnet-lab) and returns when nodes are up. `detached`: the lab outlives the caller (`flatnet up`).
    pub fn boot(program: &Path, spec: &LabSpec, detached: bool) -> Result<Lab> { let _ = (program, spec, detached); todo!() }
    /// The running lab of that name, of this user.
    pub fn connect(name: &str) -> Result<Lab> { let _ = name; todo!() }
    /// Every running lab of this user.
    pub fn list() -> Result<Vec<LabInfo>> { todo!() }
    /// What it is.
    pub fn info(&self) -> Result<LabInfo> { todo!() }
    /// Its nodes as Kubernetes objects: InternalIP, podCIDRs, Ready condition with the kubelet's words, nodeInfo.
    pub fn nodes(&self) -> Result<Vec<Node>> { todo!() }
    /// Creates the pod (asynchronously, as a kubelet does); it must name its node. A changed spec of an existing pod is refused.
    pub fn apply_pod(&self, pod: &Pod) -> Result<()> { let _ = pod; todo!() }
    /// The pod with its status.
    pub fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>> { let _ = (namespace, name); todo!() }
    /// All pods.
    pub fn pods(&self) -> Result<Vec<Pod>> { todo!() }
    /// Its events, oldest first, counted as the kubelet counts them.
    pub fn events(&self, namespace: &str, name: &str) -> Result<Vec<Event>> { let _ = (namespace, name); todo!() }
    /// Ends and deletes the pod (CNI DEL included); returns when it is gone; absent is fine.
    pub fn delete_pod(&self, namespace: &str, name: &str) -> Result<()> { let _ = (namespace, name); todo!() }
    /// Runs a command there with these streams until it ends; its exit code (128+n for signal n). When this connection
    /// breaks first, the command is killed.
    pub fn exec(&self, place: &Place, argv: &[String], env: &[(String, String)], stdio: Stdio) -> Result<i32> { let _ = (place, argv, env, stdio); todo!() }
    /// Runs a daemon on a node; it lives as long as the lab, its output is kept (last 64 KiB) for [`Lab::daemon_log`].
    /// A daemon of that name that runs already is ended first.
    pub fn start_daemon(&self, node: &str, name: &str, argv: &[String]) -> Result<()> { let _ = (node, name, argv); todo!() }
    /// Ends a daemon (SIGTERM, then SIGKILL after two seconds); absent is fine.
    pub fn stop_daemon(&self, node: &str, name: &str) -> Result<()> { let _ = (node, name); todo!() }
    /// What it printed, and its exit code once it ended.
    pub fn daemon_log(&self, node: &str, name: &str) -> Result<(String, Option<i32>)> { let _ = (node, name); todo!() }
    /// Writes a file in a node, atomically, directories included.
    pub fn write_file(&self, node: &str, file: &NodeFile<'_>) -> Result<()> { let _ = (node, file); todo!() }
    /// Removes a file of a node; absent is fine.
    pub fn remove_file(&self, node: &str, path: &str) -> Result<()> { let _ = (node, path); todo!() }
    /// Makes these changes in a place's network namespace, in order; stops at the first that fails.
    pub fn change(&self, place: &Place, changes: &[crate::Change]) -> Result<()> { let _ = (place, changes); todo!() }
    /// CNI GC on a node, with the attachments of the pods it has.
    pub fn gc(&self, node: &str) -> Result<()> { let _ = node; todo!() }
    /// CNI CHECK of a pod, with the cached result.
    pub fn check_pod(&self, namespace: &str, name: &str) -> Result<()> { let _ = (namespace, name); todo!() }
    /// Ends the lab and waits until it is gone.
    pub fn shutdown(self) -> Result<()> { todo!() }
}
