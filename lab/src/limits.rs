//! How long a lab may work on a request, and what a request is called in an error.
use std::fmt;
use std::time::Duration;

use crate::protocol::{LabTarget, Request};

/// What is answered from memory, from a file or by the kernel. The kernel's share waits for namespaces that are being taken
/// down (the RTNL lock), which takes seconds on a busy machine.
const QUICK: Duration = Duration::from_secs(60);
/// What runs CNI plugins, each of which has a minute, and is tried three times by a deletion.
const PLUGINS: Duration = Duration::from_secs(600);

impl Request {
    /// From the moment when the lab has taken it. None: as long as the command runs.
    pub(crate) fn limit(&self) -> Option<Duration> {
        match self {
            Request::Exec { .. } => None,
            Request::WaitPod { limit, .. } => Some(limit.saturating_add(QUICK)),
            Request::DeletePod(_) | Request::Gc { .. } | Request::CheckPod(_) => Some(PLUGINS),
            Request::Info
            | Request::Nodes
            | Request::ApplyPod(_)
            | Request::Pod(_)
            | Request::Pods
            | Request::Events(_)
            | Request::StartDaemon { .. }
            | Request::StopDaemon { .. }
            | Request::DaemonLog { .. }
            | Request::StoppedDaemon { .. }
            | Request::WriteFile { .. }
            | Request::RemoveFile { .. }
            | Request::Change { .. }
            | Request::Record { .. }
            | Request::Shutdown => Some(QUICK),
        }
    }
}

/// What the lab was asked to do.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Info => f.write_str("say what it is"),
            Request::Nodes => f.write_str("list its nodes"),
            Request::ApplyPod(pod) => {
                let name = pod.metadata.name.as_deref().unwrap_or("without a name");
                write!(f, "apply pod {name}")
            }
            Request::Pod(name) => write!(f, "get pod {name}"),
            Request::WaitPod { pod, .. } => write!(f, "wait until pod {pod} is settled"),
            Request::Pods => f.write_str("list its pods"),
            Request::Events(name) => write!(f, "list the events of pod {name}"),
            Request::DeletePod(name) => write!(f, "delete pod {name}"),
            Request::Exec { target, argv, .. } => {
                write!(
                    f,
                    "run {} in {target}",
                    argv.first().map_or("", String::as_str)
                )
            }
            Request::StartDaemon { node, name, .. } => write!(f, "start {name} on {node}"),
            Request::StopDaemon { node, name } => write!(f, "stop {name} on {node}"),
            Request::DaemonLog { node, name } => write!(f, "give the log of {name} on {node}"),
            Request::StoppedDaemon { node, name } => {
                write!(f, "say whether {name} is stopped on {node}")
            }
            Request::WriteFile { node, path, .. } => write!(f, "write {path} on {node}"),
            Request::RemoveFile { node, path } => write!(f, "remove {path} on {node}"),
            Request::Change { target, .. } => write!(f, "change the network of {target}"),
            Request::Record { .. } => f.write_str("remember labels and podCIDRs"),
            Request::Gc { node } => write!(f, "run CNI GC on {node}"),
            Request::CheckPod(name) => write!(f, "run CNI CHECK of pod {name}"),
            Request::Shutdown => f.write_str("shut down"),
        }
    }
}

impl fmt::Display for LabTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabTarget::Node(name) => write!(f, "node {name}"),
            LabTarget::Pod(namespace, name) => write!(f, "pod {namespace}/{name}"),
            LabTarget::Wire => f.write_str("what joins the nodes"),
        }
    }
}
