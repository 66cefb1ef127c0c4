//! The client's end of a lab: blocking calls over its socket, one connection a call.
//!
//! The socket is abstract (`@flatnet-lab/UID/NAME`, bound in the caller's network namespace before the lab leaves it): nothing
//! on disk can go stale, a second lab of that name fails to bind, and `list` reads /proc/net/unix.
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio as Pipe};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::LabSpec;
use crate::address::Address;
pub use crate::error::{Error, Result};
use crate::protocol::{self, Greeting, Order, PodName, Request};

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
pub struct Lab {
    address: Address,
    /// Process id of `flatnet-lab`, in the caller's pid namespace.
    pid: u32,
    /// Where this handle booted the lab.
    booted: Option<Mutex<Booted>>,
}

/// The lab's own end of the family: its parent must reap it.
#[derive(Debug)]
struct Booted {
    child: Child,
    /// Open as long as an attached lab shall live: its standard input.
    lifeline: Option<ChildStdin>,
}

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
    pub fn boot(program: &Path, spec: &LabSpec, detached: bool) -> Result<Lab> {
        let spec = with_real_paths(spec)?;
        spec.validate()?;
        let mut child = Command::new(program)
            .args(["serve", &spec.name])
            .stdin(Pipe::piped())
            .stdout(Pipe::piped())
            .spawn()
            .map_err(|e| Error::Missing {
                what: format!("cannot start the lab program {}: {e}", program.display()),
                remedy: "build it (`cargo build --bin flatnet-lab`) or reinstall flatnet"
                    .to_owned(),
            })?;
        let address = Address::mine(&spec.name);
        let greeting = give_order(&mut child, &Order { spec, detached });
        match greeting {
            Ok((Greeting::Ready(pid), lifeline)) => {
                let booted = Booted {
                    child,
                    lifeline: lifeline.filter(|_| !detached),
                };
                Ok(Lab {
                    address,
                    pid,
                    booted: Some(Mutex::new(booted)),
                })
            }
            Ok((Greeting::Failed(error), lifeline)) => {
                drop(lifeline);
                // It told why and ends by itself; its status adds nothing.
                let _ = child.wait();
                Err(error)
            }
            Err(cause) => {
                drop(child.stdin.take());
                let status = child
                    .wait()
                    .map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(Error::failed(
                    format!("the lab ended before it was ready ({status})"),
                    cause,
                ))
            }
        }
    }

    /// The running lab of that name, of this user.
    pub fn connect(name: &str) -> Result<Lab> {
        let address = Address::mine(name);
        let (_, pid) = reach(&address)?;
        Ok(Lab {
            address,
            pid,
            booted: None,
        })
    }

    /// Every running lab of this user.
    pub fn list() -> Result<Vec<LabInfo>> {
        let addresses =
            Address::all_mine().map_err(|e| Error::failed("read /proc/self/net/unix", e))?;
        // One that does not answer ended between the two looks, or belongs to a stranger who took our name.
        let info = |address: &Address| {
            reach(address).and_then(|(stream, _)| ask(stream, &Request::Info, &[], None))
        };
        Ok(addresses
            .iter()
            .filter_map(|address| info(address).ok())
            .collect())
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
    /// addresses, it has ended (Succeeded, Failed), a container waits for something that will not come by itself
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
        place: &Place,
        argv: &[String],
        env: &[(String, String)],
        stdio: Stdio,
    ) -> Result<i32> {
        let (stream, _) = reach(&self.address)?;
        let request = Request::Exec {
            place: place.clone(),
            argv: argv.to_vec(),
            env: env.to_vec(),
        };
        ask(stream, &request, &[], Some(stdio))
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

    /// Writes a file in a node, atomically, directories included.
    pub fn write_file(&self, node: &str, file: &NodeFile<'_>) -> Result<()> {
        let request = Request::WriteFile {
            node: node.to_owned(),
            path: file.path.to_owned(),
            mode: file.mode,
        };
        let (stream, _) = reach(&self.address)?;
        ask(stream, &request, file.content, None)
    }

    /// Removes a file of a node; absent is fine.
    pub fn remove_file(&self, node: &str, path: &str) -> Result<()> {
        self.call(&Request::RemoveFile {
            node: node.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Makes these changes in a place's network namespace, in order; stops at the first that fails.
    pub fn change(&self, place: &Place, changes: &[crate::Change]) -> Result<()> {
        self.call(&Request::Change {
            place: place.clone(),
            changes: changes.to_vec(),
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

    /// Ends the lab and waits until it is gone.
    pub fn shutdown(self) -> Result<()> {
        let process = self.pidfd();
        match reach(&self.address) {
            Ok((stream, _)) => ask::<()>(stream, &Request::Shutdown, &[], None)?,
            // Gone already is what was asked for.
            Err(Error::Invalid { .. }) => {}
            Err(error) => return Err(error),
        }
        if let Some(booted) = &self.booted {
            let mut booted = booted.lock().unwrap_or_else(PoisonError::into_inner);
            booted
                .child
                .wait()
                .map_err(|e| Error::failed("wait for the lab to end", e))?;
        } else if let Some(process) = process {
            let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            while let Err(errno) = nix::poll::poll(&mut fds, PollTimeout::NONE) {
                if errno != nix::errno::Errno::EINTR {
                    return Err(Error::failed("wait for the lab to end", errno));
                }
            }
        }
        Ok(())
    }

    fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let (stream, _) = reach(&self.address)?;
        ask(stream, request, &[], None)
    }

    fn pidfd(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let Some(booted) = self.booted.take() else {
            return;
        };
        let mut booted = booted.into_inner().unwrap_or_else(PoisonError::into_inner);
        if booted.lifeline.take().is_some() {
            // The end of its standard input is its end; nothing can be done about an error here.
            let _ = booted.child.wait();
        }
    }
}

/// The lab sees other paths (its own root, the caller's symbolic links do not lead anywhere there), and a file that is
/// missing is better said before anything is started.
fn with_real_paths(spec: &LabSpec) -> Result<LabSpec> {
    let real = |path: &PathBuf| {
        let found = std::fs::canonicalize(path)
            .and_then(|path| Ok((std::fs::metadata(&path)?.is_file(), path)));
        match found {
            Ok((true, path)) => Ok(path),
            Ok((false, path)) => Err(Error::invalid(format!("{} is not a file", path.display()))),
            Err(e) => Err(Error::invalid(format!("{}: {e}", path.display()))),
        }
    };
    let mut spec = spec.clone();
    if let Some(busybox) = &mut spec.busybox {
        *busybox = real(busybox)?;
    }
    for (_, path) in &mut spec.programs {
        *path = real(path)?;
    }
    Ok(spec)
}

/// Tells a new lab what to be; what it answers, and its standard input, still open.
fn give_order(child: &mut Child, order: &Order) -> std::io::Result<(Greeting, Option<ChildStdin>)> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin.write_all(&line)?;
    }
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut answer)?;
    }
    if answer.is_empty() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "it said nothing",
        ));
    }
    Ok((serde_json::from_str(&answer)?, stdin))
}

/// A connection to the lab at that address, and the lab's process id.
fn reach(address: &Address) -> Result<(UnixStream, u32)> {
    let failed = |e: std::io::Error| Error::failed(format!("reach the lab {}", address.name), e);
    let stream =
        UnixStream::connect_addr(&address.socket().map_err(failed)?).map_err(|e| {
            match e.kind() {
                std::io::ErrorKind::ConnectionRefused => Error::invalid(format!(
                    "no lab named {} runs; `flatnet list` shows those that do",
                    address.name
                )),
                _ => failed(e),
            }
        })?;
    let peer = getsockopt(&stream, PeerCredentials).map_err(|e| failed(e.into()))?;
    // Abstract names are free for all: a stranger may have taken this one.
    if peer.uid() != address.uid {
        let what = format!(
            "the lab {} is held by another user (uid {})",
            address.name,
            peer.uid()
        );
        return Err(Error::invalid(what));
    }
    Ok((stream, peer.pid().unsigned_abs()))
}

fn ask<T: DeserializeOwned>(
    mut stream: UnixStream,
    request: &Request,
    body: &[u8],
    stdio: Option<Stdio>,
) -> Result<T> {
    let broken = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::BrokenPipe => Error::Failed {
            what: "the lab ended before it answered".to_owned(),
        },
        _ => Error::failed("talk to the lab", e),
    };
    match stdio {
        // The command's streams are its own from here on: a copy kept here would hold its pipes open.
        Some(Stdio {
            stdin,
            stdout,
            stderr,
        }) => protocol::send(
            &mut stream,
            request,
            body,
            &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        ),
        None => protocol::send(&mut stream, request, body, &[]),
    }
    .map_err(broken)?;
    protocol::receive::<Result<T>>(&mut stream)
        .map_err(broken)?
        .message
}
