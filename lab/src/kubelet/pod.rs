//! A pod as it is: what its worker knows and clients see.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::events::{Kind, Log};
use super::manifest::Plan;
use super::sandbox::Sandbox;
use crate::cni::Attachment;
use crate::node::now;
use crate::node_root::Namespace;

/// A message to a worker.
#[derive(Debug)]
pub(super) enum Message {
    Delete,
    NetworkChanged,
    /// The container of that index (with that many restarts) has ended, and waits to be reaped.
    Ended {
        index: usize,
        restarts: i32,
    },
}

/// The worker was told to delete its pod.
pub(super) struct Deleted;

/// A pod, shared between its worker and clients.
pub(super) struct Pod {
    pub(super) plan: Plan,
    mailbox: Sender<Message>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What has become of a pod so far.
pub(super) struct State {
    pub(super) sandbox: Option<Arc<Sandbox>>,
    pub(super) ips: Vec<IpAddr>,
    pub(super) containers: Vec<ContainerState>,
    pub(super) events: Log,
    pub(super) deletion: Option<Time>,
    /// How often its network could not be taken down, and why the last time.
    pub(super) kill_failures: u32,
    pub(super) kill_error: String,
    gone: bool,
}

/// One container.
#[derive(Debug)]
pub(super) struct ContainerState {
    pub(super) now: Now,
    pub(super) last: Option<Terminated>,
    pub(super) restarts: i32,
    /// It will not be started again.
    pub(super) done: bool,
}

/// Where a container stands.
#[derive(Debug)]
pub(super) enum Now {
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        id: String,
        since: Time,
        inside: Inside,
    },
    Terminated(Terminated),
}

/// How a container ended.
#[derive(Clone, Debug)]
pub(super) struct Terminated {
    pub(super) id: String,
    pub(super) exit_code: i32,
    pub(super) started: Time,
    pub(super) finished: Time,
    /// The end of its output, where it failed.
    pub(super) message: Option<String>,
}

/// How to get into a running container.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    pub(crate) namespaces: Arc<Vec<Namespace>>,
    pub(crate) env: BTreeMap<String, String>,
}

/// Reasons for which a container waits in vain.
const STUCK: [&str; 3] = ["CrashLoopBackOff", "RunContainerError", "ErrImagePull"];

impl Pod {
    pub(super) fn new(plan: Plan) -> (Pod, Receiver<Message>) {
        let (mailbox, received) = channel();
        let waiting = || ContainerState {
            now: Now::Waiting {
                reason: "ContainerCreating",
                message: String::new(),
            },
            last: None,
            restarts: 0,
            done: false,
        };
        let state = State {
            sandbox: None,
            ips: Vec::new(),
            containers: plan.containers.iter().map(|_| waiting()).collect(),
            events: Log::default(),
            deletion: None,
            kill_failures: 0,
            kill_error: String::new(),
            gone: false,
        };
        (
            Pod {
                plan,
                mailbox,
                state: Mutex::new(state),
                changed: Condvar::new(),
            },
            received,
        )
    }

    /// A worker that has ended hears nothing, and need not.
    pub(super) fn tell(&self, message: Message) {
        let _ = self.mailbox.send(message);
    }

    pub(super) fn mailbox(&self) -> Sender<Message> {
        self.mailbox.clone()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and lets those who wait look again.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    pub(super) fn event(&self, kind: Kind, reason: &'static str, message: impl Into<String>) {
        self.update(|state| state.events.add(kind, reason, message.into()));
    }

    /// Waits until the state is so; whether it came to be within the limit.
    pub(super) fn wait(&self, limit: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let deadline = Instant::now().checked_add(limit);
        let mut state = self.state();
        while !is_so(&state) {
            state =
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    None => self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                    Some(Duration::ZERO) => return false,
                    Some(left) => {
                        self.changed
                            .wait_timeout(state, left)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                };
        }
        true
    }
}

impl State {
    /// The kubelet's `getPhase`.
    pub(super) fn phase(&self, plan: &Plan) -> &'static str {
        let never_started =
            |c: &ContainerState| matches!(c.now, Now::Waiting { .. }) && c.last.is_none();
        if self.containers.iter().all(|c| c.done) {
            let failed =
                |c: &ContainerState| matches!(&c.now, Now::Terminated(end) if end.exit_code != 0);
            return if self.containers.iter().any(failed) {
                "Failed"
            } else {
                "Succeeded"
            };
        }
        // A hostNetwork pod has its address before anything runs.
        if self.containers.iter().any(never_started) || (self.ips.is_empty() && !plan.host_network)
        {
            "Pending"
        } else {
            "Running"
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.deletion.is_none()
            && self
                .containers
                .iter()
                .all(|c| matches!(c.now, Now::Running { .. }))
    }

    /// See [`crate::Lab::wait_pod`].
    pub(super) fn is_settled(&self, plan: &Plan) -> bool {
        let stuck = |c: &ContainerState| matches!(&c.now, Now::Waiting { reason, .. } if STUCK.contains(reason));
        match self.phase(plan) {
            "Succeeded" | "Failed" => true,
            "Running" if self.is_ready() => true,
            _ => self.containers.iter().any(stuck),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn set_gone(&mut self) {
        self.gone = true;
    }

    pub(super) fn inside(&self) -> Option<Inside> {
        self.containers.iter().find_map(|c| match &c.now {
            Now::Running { inside, .. } => Some(inside.clone()),
            _ => None,
        })
    }

    pub(super) fn netns(&self) -> Option<Arc<OwnedFd>> {
        self.sandbox.as_ref().map(|sandbox| sandbox.netns.clone())
    }

    pub(super) fn attachment(&self) -> Option<Attachment> {
        self.sandbox.as_ref()?.attachment.clone()
    }

    /// Why it does not run, in one line.
    pub(super) fn summary(&self, plan: &Plan) -> String {
        let mut parts = vec![self.phase(plan).to_owned()];
        for (container, planned) in self.containers.iter().zip(&plan.containers) {
            let name = &planned.name;
            match &container.now {
                Now::Waiting { reason, message } if message.is_empty() => {
                    parts.push(format!("{name} waits: {reason}"))
                }
                Now::Waiting { reason, message } => {
                    parts.push(format!("{name} waits: {reason}: {message}"))
                }
                Now::Running { .. } => {}
                Now::Terminated(end) => {
                    parts.push(format!("{name} ended with exit code {}", end.exit_code))
                }
            }
            if let (Now::Waiting { .. }, Some(end)) = (&container.now, &container.last) {
                parts.push(format!("its last exit code was {}", end.exit_code));
                parts.extend(
                    end.message
                        .iter()
                        .map(|words| format!("it printed {:?}", words.trim_end())),
                );
            }
        }
        if let Some(trouble) = self
            .events
            .entries()
            .iter()
            .rev()
            .find(|entry| entry.kind == Kind::Warning)
        {
            parts.push(trouble.message.clone());
        }
        parts.join("; ")
    }

    pub(super) fn begin_deletion(&mut self) {
        self.deletion.get_or_insert_with(now);
    }
}
