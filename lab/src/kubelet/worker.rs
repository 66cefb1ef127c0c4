//! The life of one pod: sandbox, containers, end.
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid as ProcessId;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::Kubelet;
use super::backoff::Backoff;
use super::container::{Container, Home};
use super::events::Kind;
use super::manifest::Facts;
use super::pod::{Message, Now, Pod, Terminated};
use super::sandbox::{Sandbox, Trouble};
use crate::launch::exit_code;
use crate::node::{Node, now};
use crate::{Error, Result, identifier};

/// A pod that waits for the node's network looks again so often, even if nothing tells it to.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The kubelet's pauses are 10 s to 5 min; a lab's life is shorter.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A container that ran so long starts with short pauses again (10 min in the kubelet).
const LONG_RUN: Duration = Duration::from_secs(10);

/// Starts the thread that runs the pod until it is deleted.
pub(super) fn start(
    kubelet: Arc<Kubelet>,
    node: Arc<Node>,
    pod: Arc<Pod>,
    mailbox: Receiver<Message>,
) -> Result<()> {
    let runs = pod.plan.containers.iter().map(|_| Run::default()).collect();
    let worker = Worker {
        kubelet,
        node,
        pod,
        mailbox,
        runs,
    };
    let thread = std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(move || worker.run());
    thread
        .map(drop)
        .map_err(|e| Error::failed("start a thread", e))
}

struct Worker {
    kubelet: Arc<Kubelet>,
    node: Arc<Node>,
    pod: Arc<Pod>,
    mailbox: Receiver<Message>,
    /// One a container of the plan.
    runs: Vec<Run>,
}

/// A container's life so far.
#[derive(Default)]
struct Run {
    container: Option<Container>,
    started: Option<Instant>,
    /// To be started (again) then.
    due: Option<Instant>,
    pauses: Option<Backoff>,
}

/// Deletion was asked for.
struct Deleted;

impl Worker {
    fn run(mut self) {
        let plan = &self.pod.plan;
        self.pod.event(
            Kind::Normal,
            "Scheduled",
            format!("Successfully assigned {} to {}", plan.name, plan.node),
        );
        if let Ok(sandbox) = self.make_sandbox() {
            let Deleted = self.run_containers(&sandbox);
            self.end_containers();
            self.take_down(&sandbox);
        }
        self.kubelet.remove(&self.pod);
    }

    fn make_sandbox(&self) -> Result<Arc<Sandbox>, Deleted> {
        let mut pauses = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
        loop {
            match self.try_sandbox() {
                Ok(sandbox) => return Ok(sandbox),
                Err(Trouble::NetworkNotReady(why)) => {
                    self.pod.event(
                        Kind::Warning,
                        "NetworkNotReady",
                        format!("network is not ready: {why}"),
                    );
                    self.pause(LOOK_AGAIN, true)?;
                }
                Err(Trouble::Failed(why)) => {
                    let why = format!(
                        "Failed to create pod sandbox: rpc error: code = Unknown desc = {why}"
                    );
                    self.pod.event(Kind::Warning, "FailedCreatePodSandBox", why);
                    self.pause(pauses.pause(), false)?;
                    self.pod.event(
                        Kind::Normal,
                        "SandboxChanged",
                        "Pod sandbox changed, it will be killed and re-created.",
                    );
                }
            }
        }
    }

    fn try_sandbox(&self) -> Result<Arc<Sandbox>, Trouble> {
        let plan = &self.pod.plan;
        let failed = |e: Error| {
            Trouble::Failed(format!(
                "failed to create network namespace for sandbox: {e}"
            ))
        };
        if plan.host_network {
            let sandbox = Arc::new(Sandbox::create(plan, &self.node).map_err(failed)?);
            let ips = self.node.addresses.iter().map(|net| net.addr()).collect();
            self.keep(&sandbox, ips);
            return Ok(sandbox);
        }
        let network = self
            .node
            .network
            .usable()
            .map_err(Trouble::NetworkNotReady)?;
        let turn = self.node.network.turn();
        let sandbox = Arc::new(Sandbox::create(plan, &self.node).map_err(failed)?);
        // Known before ADD begins: a GC meanwhile must not take its address away.
        self.keep(&sandbox, Vec::new());
        match sandbox.connect(&self.node, &network) {
            Ok(ips) => self.keep(&sandbox, ips),
            Err(trouble) => {
                // "If ADD fails, the runtime should execute DEL" (spec section 3); what it cannot clean, GC will.
                let _ = sandbox.disconnect(&self.node, Some(&network));
                self.pod.update(|state| state.sandbox = None);
                let _ = sandbox.unlink(&self.node);
                return Err(trouble);
            }
        }
        drop(turn);
        Ok(sandbox)
    }

    fn keep(&self, sandbox: &Arc<Sandbox>, ips: Vec<std::net::IpAddr>) {
        self.pod.update(|state| {
            state.sandbox = Some(sandbox.clone());
            state.ips = ips;
        });
    }

    /// Waits so long, or until deletion is asked for, or (where that counts) the node's network changes.
    fn pause(&self, limit: Duration, until_network_changes: bool) -> Result<(), Deleted> {
        let deadline = Instant::now() + limit;
        loop {
            match self
                .mailbox
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(Message::Delete) => {
                    self.pod.update(|state| state.begin_deletion());
                    return Err(Deleted);
                }
                Ok(Message::NetworkChanged) if until_network_changes => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Deleted),
            }
        }
    }

    /// Starts, reaps and restarts, until deletion is asked for.
    fn run_containers(&mut self, sandbox: &Sandbox) -> Deleted {
        for index in 0..self.runs.len() {
            self.start(index, sandbox);
        }
        loop {
            let due = self.runs.iter().filter_map(|run| run.due).min();
            let message = match due {
                Some(due) => self
                    .mailbox
                    .recv_timeout(due.saturating_duration_since(Instant::now())),
                None => self
                    .mailbox
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Delete) | Err(RecvTimeoutError::Disconnected) => {
                    self.pod.update(|state| state.begin_deletion());
                    return Deleted;
                }
                Ok(Message::NetworkChanged) => {}
                Ok(Message::Ended { index, restarts }) => {
                    if self.is_current(index, restarts) {
                        self.ended(index);
                        self.plan_restart(index, sandbox);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    for index in 0..self.runs.len() {
                        if self.runs[index]
                            .due
                            .is_some_and(|due| due <= Instant::now())
                        {
                            self.start(index, sandbox);
                        }
                    }
                }
            }
        }
    }

    fn is_current(&self, index: usize, restarts: i32) -> bool {
        self.runs[index].container.is_some()
            && self.pod.state().containers[index].restarts == restarts
    }

    fn start(&mut self, index: usize, sandbox: &Sandbox) {
        let plan = &self.pod.plan.containers[index];
        self.runs[index].due = None;
        if !plan.has_image() {
            let why = format!(
                "image {:?} cannot be pulled: the lab is cut off from every registry, and has only \"busybox\"",
                plan.image
            );
            self.pod.event(
                Kind::Warning,
                "Failed",
                format!("Failed to pull image {:?}: {why}", plan.image),
            );
            self.set(
                index,
                Now::Waiting {
                    reason: "ErrImagePull",
                    message: why,
                },
            );
            return;
        }
        let restarts = self.pod.state().containers[index].restarts;
        let started = identifier::hex::<32>()
            .map_err(|e| e.to_string())
            .and_then(|id| Ok((id, self.launch(index, sandbox, restarts)?)));
        match started {
            Ok((id, container)) => {
                if restarts == 0 {
                    self.pod.event(
                        Kind::Normal,
                        "Pulled",
                        format!(
                            "Container image {:?} already present on machine",
                            plan.image
                        ),
                    );
                }
                self.pod.event(
                    Kind::Normal,
                    "Created",
                    format!("Created container: {}", plan.name),
                );
                self.pod.event(
                    Kind::Normal,
                    "Started",
                    format!("Started container {}", plan.name),
                );
                self.set(
                    index,
                    Now::Running {
                        id,
                        since: now(),
                        inside: container.inside.clone(),
                    },
                );
                self.runs[index].started = Some(Instant::now());
                self.runs[index].container = Some(container);
            }
            Err(why) => {
                self.pod
                    .event(Kind::Warning, "Failed", format!("Error: {why}"));
                self.set(
                    index,
                    Now::Waiting {
                        reason: "RunContainerError",
                        message: why,
                    },
                );
                let pause = self.next_pause(index);
                self.runs[index].due = Some(Instant::now() + pause);
            }
        }
    }

    fn launch(&self, index: usize, sandbox: &Sandbox, restarts: i32) -> Result<Container, String> {
        let texts = |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect();
        let facts = Facts {
            pod_ips: texts(&self.pod.state().ips),
            host_ips: self
                .node
                .addresses
                .iter()
                .map(|net| net.addr().to_string())
                .collect(),
        };
        let home = Home {
            base: &self.kubelet.base,
            node: &self.node,
            plan: &self.pod.plan,
            sandbox,
            facts,
        };
        let container = home.start(&self.pod.plan.containers[index], restarts)?;
        let mailbox = self.pod.mailbox();
        let process = rustix::process::Pid::from_child(&container.child);
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || {
                // Left to be reaped by the worker: until then the number is the container's own. A worker that is gone
                // has reaped it already.
                let _ = waitid(
                    WaitId::Pid(process),
                    WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
                );
                let _ = mailbox.send(Message::Ended { index, restarts });
            })
            .map_err(|e| format!("start a thread: {e}"))?;
        Ok(container)
    }

    /// Reaps a container that has ended.
    fn ended(&mut self, index: usize) {
        let Some(mut container) = self.runs[index].container.take() else {
            return;
        };
        let exit_code = container.child.wait().map_or(-1, exit_code);
        let message = if exit_code == 0 {
            None
        } else {
            container.tail(&self.node)
        };
        self.pod.update(|state| {
            let container = &mut state.containers[index];
            if let Now::Running { id, since, .. } = &container.now {
                let end = Terminated {
                    id: id.clone(),
                    exit_code,
                    started: since.clone(),
                    finished: now(),
                    message,
                };
                container.now = Now::Terminated(end);
            }
        });
    }

    /// Whether and when a container that has ended is started again.
    fn plan_restart(&mut self, index: usize, sandbox: &Sandbox) {
        let pod = self.pod.clone();
        let plan = &pod.plan;
        let exit_code = match &self.pod.state().containers[index].now {
            Now::Terminated(end) => end.exit_code,
            _ => return,
        };
        if !plan.restart.restarts_after(exit_code) {
            self.pod.update(|state| state.containers[index].done = true);
            return;
        }
        if self.runs[index]
            .started
            .is_some_and(|started| started.elapsed() >= LONG_RUN)
        {
            self.runs[index].pauses = None;
        }
        let is_first = self.runs[index].pauses.is_none();
        let pause = self.next_pause(index);
        let name = &plan.containers[index].name;
        let of = format!(
            "pod {}_{}({})",
            plan.name.name, plan.name.namespace, plan.uid
        );
        self.pod.update(|state| {
            let container = &mut state.containers[index];
            container.restarts += 1;
            let message = format!(
                "back-off {pause:?} restarting failed container={name} {}",
                of.replacen(' ', "=", 1)
            );
            let waiting = Now::Waiting {
                reason: "CrashLoopBackOff",
                message,
            };
            if let Now::Terminated(end) = std::mem::replace(&mut container.now, waiting) {
                container.last = Some(end);
            }
        });
        if is_first {
            // The first time a kubelet starts it again at once.
            self.start(index, sandbox);
        } else {
            self.pod.event(
                Kind::Warning,
                "BackOff",
                format!("Back-off restarting failed container {name} in {of}"),
            );
            self.runs[index].due = Some(Instant::now() + pause);
        }
    }

    fn next_pause(&mut self, index: usize) -> Duration {
        self.runs[index]
            .pauses
            .get_or_insert_with(|| Backoff::new(FIRST_PAUSE, LAST_PAUSE))
            .pause()
    }

    fn set(&self, index: usize, now: Now) {
        self.pod.update(|state| state.containers[index].now = now);
    }

    /// SIGTERM, the grace period, SIGKILL; each container is init of its pid namespace and takes what it started with it.
    fn end_containers(&mut self) {
        let grace = self.pod.plan.grace;
        for (run, plan) in self
            .runs
            .iter()
            .zip(&self.pod.plan.containers)
            .filter(|(run, _)| run.container.is_some())
        {
            self.pod.event(
                Kind::Normal,
                "Killing",
                format!("Stopping container {}", plan.name),
            );
            if !grace.is_zero() {
                run.signal(Signal::SIGTERM);
            }
        }
        let deadline = Instant::now() + grace;
        let mut killed = grace.is_zero();
        if killed {
            self.runs.iter().for_each(|run| run.signal(Signal::SIGKILL));
        }
        while self.runs.iter().any(|run| run.container.is_some()) {
            let limit = if killed {
                Duration::MAX
            } else {
                deadline.saturating_duration_since(Instant::now())
            };
            match self.mailbox.recv_timeout(limit) {
                Ok(Message::Ended { index, restarts }) if self.is_current(index, restarts) => {
                    self.ended(index)
                }
                Ok(_) => {}
                Err(_) => {
                    self.runs.iter().for_each(|run| run.signal(Signal::SIGKILL));
                    killed = true;
                }
            }
        }
    }

    /// DEL until it succeeds.
    fn take_down(&self, sandbox: &Sandbox) {
        let mut pauses = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
        let plan = &self.pod.plan;
        while let Err(error) = sandbox.disconnect(&self.node, None) {
            let why = format!(
                "error killing pod: failed to \"KillPodSandbox\" for {:?} with KillPodSandboxError: \"rpc error: code = Unknown desc = \
                 failed to destroy network for sandbox {:?}: {error}\"",
                plan.uid, sandbox.id
            );
            self.pod.event(Kind::Warning, "FailedKillPod", why.clone());
            self.pod.update(|state| {
                state.kill_failures += 1;
                state.kill_error = why;
            });
            // Asked for again or not, it is tried again.
            let _ = self.pause(pauses.pause(), false);
        }
        // What is left of the name goes with the node.
        let _ = sandbox.unlink(&self.node);
    }
}

impl Run {
    fn signal(&self, signal: Signal) {
        if let Some(container) = &self.container {
            // One that has ended is not reaped yet, so the number is its own; the signal then does nothing.
            let _ = kill(
                ProcessId::from_raw(container.child.id().cast_signed()),
                signal,
            );
        }
    }
}
