//! The life of one pod: its sandbox, then its containers ([`super::containers`]), and taking them down.
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Kubelet;
use super::backoff::Backoff;
use super::containers::Containers;
use super::events::Kind;
use super::pod::{Deleted, Message, Pod};
use super::sandbox::{Sandbox, Trouble};
use crate::node::Node;
use crate::{Error, Result};

/// How often a pod that waits for the node's network looks again without an event.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Starts the thread that runs the pod until it is deleted.
pub(super) fn start(
    kubelet: Arc<Kubelet>,
    node: Arc<Node>,
    pod: Arc<Pod>,
    mailbox: Receiver<Message>,
) -> Result<()> {
    let worker = Worker {
        kubelet,
        node,
        pod,
        mailbox,
    };
    let thread = std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(move || worker.run());
    thread
        .map(drop)
        .map_err(|e| Error::failed("start a thread", e))
}

/// Runs one pod.
struct Worker {
    kubelet: Arc<Kubelet>,
    node: Arc<Node>,
    pod: Arc<Pod>,
    mailbox: Receiver<Message>,
}

impl Worker {
    fn run(self) {
        let plan = &self.pod.plan;
        self.pod.event(
            Kind::Normal,
            "Scheduled",
            format!("Successfully assigned {} to {}", plan.name, plan.node),
        );
        if let Ok(sandbox) = self.make_sandbox() {
            let base = &self.kubelet.base;
            let mut containers =
                Containers::new(base, &self.node, &self.pod, &self.mailbox, &sandbox);
            let Deleted = containers.run();
            containers.end();
            self.take_down(&sandbox);
        }
    }

    fn make_sandbox(&self) -> Result<Arc<Sandbox>, Deleted> {
        let mut pauses = Backoff::default();
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

    /// DEL until it succeeds.
    fn take_down(&self, sandbox: &Sandbox) {
        let mut pauses = Backoff::default();
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

impl Drop for Worker {
    fn drop(&mut self) {
        // However the worker ends: nothing must wait for a pod whose worker is gone.
        self.kubelet.remove(&self.pod);
    }
}
