//! The client's end of a lab: blocking calls over its socket, one connection a call.
//!
//! The socket is abstract (`@flatnet-lab/UID/NAME`, bound in the caller's network namespace before the lab leaves it): nothing
//! on disk can go stale, a second lab of that name fails to bind, and `list` reads /proc/net/unix.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::LabSpec;
use crate::address::Address;
use crate::boot::{self, Process};
use crate::connection::{self, Connection, Stdio};
pub use crate::error::{Error, Result};
use crate::protocol::{LabTarget, PodName, Request};

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

/// A handle on a lab. The one that [`Lab::boot`] returned holds the lab's lifeline until [`Lab::release`]: when the handle (or
/// the process) is gone, the lab is.
#[derive(Debug)]
pub struct Lab {
    address: Address,
    /// Where this handle booted the lab.
    booted: Option<Mutex<Process>>,
}

/// A file of a node: written whole and renamed into place, and gone with the lab.
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
    /// Starts `program` (flatnet-lab) and returns when nodes are up. `detached`: the lab keeps none of the caller's streams,
    /// as one must that is to outlive it (`flatnet up`).
    pub fn boot(program: &Path, spec: &LabSpec, detached: bool) -> Result<Lab> {
        let process = Process::start(program, spec, detached)?;
        Ok(Lab {
            address: Address::mine(&spec.name),
            booted: Some(Mutex::new(process)),
        })
    }

    /// The running lab of that name, of this user.
    pub fn connect(name: &str) -> Result<Lab> {
        let address = Address::mine(name);
        Connection::open(&address)?;
        Ok(Lab {
            address,
            booted: None,
        })
    }

    /// Names of the running labs of this user, in order. None of them is asked anything: one that hangs is among them.
    pub fn names() -> Result<Vec<String>> {
        let addresses =
            Address::all_mine().map_err(|e| Error::failed("read /proc/self/net/unix", e))?;
        let running = addresses.into_iter().filter(connection::is_there);
        Ok(running.map(|address| address.name).collect())
    }

    /// What it is.
    pub fn info(&self) -> Result<LabInfo> {
        self.call(&Request::Info)
    }

    /// Its nodes as Kubernetes objects: InternalIP, podCIDRs, Ready condition with the kubelet's words, nodeInfo.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        self.call(&Request::Nodes)
    }

    /// Creates the pod (asynchronously, as a kubelet does); it must name its node. A changed spec of an existing pod is refused.
    pub fn apply_pod(&self, pod: &Pod) -> Result<()> {
        self.call(&Request::ApplyPod(Box::new(pod.clone())))
    }

    /// The pod with its status.
    pub fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>> {
        self.call(&Request::Pod(PodName::new(namespace, name)))
    }

    /// Waits in the lab, without polling, until the pod is settled, and returns it as it then is: it runs with its
    /// addresses, it has ended (Succeeded, Failed), a container waits for something that needs an intervention
    /// (`CrashLoopBackOff`, `RunContainerError`, `ErrImagePull`), or `limit` is over.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no such pod, or when it is deleted meanwhile.
    pub fn wait_pod(&self, namespace: &str, name: &str, limit: Duration) -> Result<Pod> {
        self.call(&Request::WaitPod {
            pod: PodName::new(namespace, name),
            limit,
        })
    }

    /// All pods.
    pub fn pods(&self) -> Result<Vec<Pod>> {
        self.call(&Request::Pods)
    }

    /// Its events, oldest first, counted as the kubelet counts them.
    pub fn events(&self, namespace: &str, name: &str) -> Result<Vec<Event>> {
        self.call(&Request::Events(PodName::new(namespace, name)))
    }

    /// Ends and deletes the pod (CNI DEL included); returns when it is gone; absent is fine.
    pub fn delete_pod(&self, namespace: &str, name: &str) -> Result<()> {
        self.call(&Request::DeletePod(PodName::new(namespace, name)))
    }

    /// Runs a command there with these streams until it ends; its exit code (128+n for signal n). When this connection
    /// breaks first, the command is killed.
    pub fn exec(
        &self,
        target: &LabTarget,
        argv: &[String],
        env: &[(String, String)],
        stdio: Stdio,
    ) -> Result<i32> {
        let request = Request::Exec {
            target: target.clone(),
            argv: argv.to_vec(),
            env: env.to_vec(),
        };
        Connection::open(&self.address)?.ask(&request, &[], Some(stdio))
    }

    /// Runs a daemon on a node; it lives as long as the lab, its output is kept (last 64 KiB) for [`Lab::daemon_log`].
    /// A daemon of that name that runs already is ended first.
    pub fn start_daemon(&self, node: &str, name: &str, argv: &[String]) -> Result<()> {
        self.call(&Request::StartDaemon {
            node: node.to_owned(),
            name: name.to_owned(),
            argv: argv.to_vec(),
        })
    }

    /// Ends a daemon (SIGTERM, then SIGKILL after two seconds); absent is fine.
    pub fn stop_daemon(&self, node: &str, name: &str) -> Result<()> {
        self.call(&Request::StopDaemon {
            node: node.to_owned(),
            name: name.to_owned(),
        })
    }

    /// What it printed, and its exit code once it ended.
    pub fn daemon_log(&self, node: &str, name: &str) -> Result<(String, Option<i32>)> {
        self.call(&Request::DaemonLog {
            node: node.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Its process id in the lab, where a signal has stopped it (SIGSTOP) and none has let it go on.
    pub fn stopped_daemon(&self, node: &str, name: &str) -> Result<Option<i32>> {
        self.call(&Request::StoppedDaemon {
            node: node.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Writes a file in a node, atomically, directories included.
    pub fn write_file(&self, node: &str, file: &NodeFile<'_>) -> Result<()> {
        let request = Request::WriteFile {
            node: node.to_owned(),
            path: file.path.to_owned(),
            mode: file.mode,
        };
        Connection::open(&self.address)?.ask(&request, file.content, None)
    }

    /// Removes a file of a node; absent is fine.
    pub fn remove_file(&self, node: &str, path: &str) -> Result<()> {
        self.call(&Request::RemoveFile {
            node: node.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Makes these changes in a place's network namespace, in order; stops at the first that fails.
    pub fn change(&self, target: &LabTarget, changes: &[crate::Change]) -> Result<()> {
        self.call(&Request::Change {
            target: target.clone(),
            changes: changes.to_vec(),
        })
    }

    /// Gives the lab other labels, and nodes other podCIDRs, from now on; nodes that are not named keep theirs. Nothing else changes: who
    /// asks for it has changed, or is about to change, what they describe.
    pub fn record(
        &self,
        labels: &BTreeMap<String, String>,
        pod_cidrs: &BTreeMap<String, Vec<IpNet>>,
    ) -> Result<()> {
        self.call(&Request::Record {
            labels: labels.clone(),
            pod_cidrs: pod_cidrs.clone(),
        })
    }

    /// CNI GC on a node, with the attachments of the pods it has.
    pub fn gc(&self, node: &str) -> Result<()> {
        self.call(&Request::Gc {
            node: node.to_owned(),
        })
    }

    /// CNI CHECK of a pod, with the cached result.
    pub fn check_pod(&self, namespace: &str, name: &str) -> Result<()> {
        self.call(&Request::CheckPod(PodName::new(namespace, name)))
    }

    /// Lets a lab that this handle booted outlive handle and process.
    ///
    /// # Errors
    /// It has ended.
    pub fn release(&self) -> Result<()> {
        self.booted
            .as_ref()
            .map_or(Ok(()), |process| locked(process).release())
    }

    /// Ends the lab and waits until it is gone; a lab that is gone already is fine. One that lives with this handle ends even if
    /// it hangs.
    ///
    /// # Errors
    /// It does not end in time: one that this handle booted has been killed then, of another one its process is named.
    pub fn shutdown(&self) -> Result<()> {
        if let Some(process) = &self.booted
            && let Some(ended) = locked(process).end()
        {
            return ended;
        }
        let asked = match Connection::open(&self.address) {
            Ok(lab) => end(lab, self.booted.is_none()),
            // Gone already is what was asked for.
            Err(Error::Absent { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        let ended = self.booted.as_ref().map_or(Ok(()), |process| {
            let mut process = locked(process);
            match &asked {
                Ok(()) => process.wait(),
                Err(_) => process.kill(),
            }
        });
        asked.and(ended)
    }

    fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        Connection::open(&self.address)?.ask(request, &[], None)
    }
}

fn locked(process: &Mutex<Process>) -> MutexGuard<'_, Process> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the lab to shut down, and where it is another process's child waits until it has.
fn end(lab: Connection, wait: bool) -> Result<()> {
    // While it answers, its pid is not reused.
    let pid = lab.pid;
    let process = Pid::from_raw(pid.cast_signed()).ok_or(Errno::SRCH);
    let process = process.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    lab.ask::<()>(&Request::Shutdown, &[], None)?;
    if !wait {
        return Ok(());
    }
    let ended = process.map_err(Into::into).and_then(|p| boot::ends(&p));
    if ended.map_err(|e| Error::failed("wait for the lab to end", e))? {
        Ok(())
    } else {
        Err(boot::lingers(pid))
    }
}
