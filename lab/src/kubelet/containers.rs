//! The containers of one pod: started, reaped, restarted with growing pauses, ended.
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::backoff::Backoff;
use super::container::{Container, Home};
use super::events::Kind;
use super::pod::{Deleted, Message, Now, Pod, Terminated};
use super::sandbox::Sandbox;
use super::variables::Facts;
use crate::launch::exit_code;
use crate::node::{Node, now};
use crate::roots::Base;
use crate::{Result, identifier};

/// A container that ran so long starts with short pauses again (10 min in the kubelet).
const LONG_RUN: Duration = Duration::from_secs(10);

/// The containers of a pod whose sandbox is there.
pub(super) struct Containers<'a> {
    base: &'a Base,
    node: &'a Node,
    pod: &'a Pod,
    mailbox: &'a Receiver<Message>,
    sandbox: &'a Sandbox,
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

impl<'a> Containers<'a> {
    /// None of which has been started.
    pub(super) fn new(
        base: &'a Base,
        node: &'a Node,
        pod: &'a Pod,
        mailbox: &'a Receiver<Message>,
        sandbox: &'a Sandbox,
    ) -> Self {
        Containers {
            base,
            node,
            pod,
            mailbox,
            sandbox,
            runs: pod.plan.containers.iter().map(|_| Run::default()).collect(),
        }
    }

    /// Starts, reaps and restarts, until deletion is asked for.
    pub(super) fn run(&mut self) -> Deleted {
        for index in 0..self.runs.len() {
            self.start(index);
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
                        self.plan_restart(index);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    for index in 0..self.runs.len() {
                        if self.runs[index]
                            .due
                            .is_some_and(|due| due <= Instant::now())
                        {
                            self.start(index);
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

    fn start(&mut self, index: usize) {
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
            .and_then(|id| Ok((id, self.launch(index, restarts)?)));
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

    fn launch(&self, index: usize, restarts: i32) -> Result<Container, String> {
        let texts = |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect();
        let plan = &self.pod.plan;
        let facts = Facts {
            name: plan.name.clone(),
            uid: plan.uid.clone(),
            node: plan.node.clone(),
            pod_ips: texts(&self.pod.state().ips),
            host_ips: self
                .node
                .addresses
                .iter()
                .map(|net| net.addr().to_string())
                .collect(),
        };
        let home = Home {
            base: self.base,
            node: self.node,
            plan,
            sandbox: self.sandbox,
            facts,
        };
        let container = home.start(&plan.containers[index], restarts)?;
        let mailbox = self.pod.mailbox();
        let process = container.child.id();
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || {
                // Left to be reaped by the worker: until then the number is the container's own. A worker that is gone
                // has reaped it already.
                let _ = waitid(
                    Id::Pid(process),
                    WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
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
            container.tail(self.node)
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
    fn plan_restart(&mut self, index: usize) {
        let plan = &self.pod.plan;
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
            // A kubelet makes the first restart immediately.
            self.start(index);
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
        self.runs[index].pauses.get_or_insert_default().pause()
    }

    fn set(&self, index: usize, now: Now) {
        self.pod.update(|state| state.containers[index].now = now);
    }

    /// SIGTERM, the grace period, SIGKILL; each container is init of its pid namespace and takes what it started with it.
    pub(super) fn end(&mut self) {
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
}

impl Run {
    fn signal(&self, signal: Signal) {
        if let Some(container) = &self.container {
            // One that has ended is not reaped yet, so the number is its own; the signal then does nothing.
            let _ = kill(container.child.id(), signal);
        }
    }
}
