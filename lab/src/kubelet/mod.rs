//! Pods, run as a kubelet runs them: one worker a pod, which makes the sandbox (namespaces, CNI ADD), starts and restarts
//! containers, and takes everything down again.
//!
//! [`manifest`] says what a pod shall be, [`pod`] holds what it is and [`status`] shows it in Kubernetes' terms; [`worker`] brings
//! the one to the other by way of [`sandbox`] and [`containers`]. [`Kubelet`] is the interface for clients, for all nodes.
mod backoff;
mod container;
mod containers;
mod events;
mod manifest;
mod pod;
mod sandbox;
mod status;
mod unsupported;
mod variables;
mod watch;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod as PodObject};

use crate::node::Node;
use crate::protocol::PodName;
use crate::roots::Base;
use crate::{Error, Result};
use manifest::Plan;
pub(crate) use pod::Inside;
use pod::{Message, Pod};

/// The pods of every node.
pub(crate) struct Kubelet {
    nodes: Vec<Arc<Node>>,
    base: Base,
    pods: Mutex<BTreeMap<PodName, Arc<Pod>>>,
}

impl Kubelet {
    /// Without pods as yet.
    pub(crate) fn start(nodes: Vec<Arc<Node>>, base: Base) -> Result<Arc<Kubelet>> {
        let kubelet = Arc::new(Kubelet {
            nodes,
            base,
            pods: Mutex::default(),
        });
        watch::start(&kubelet)?;
        Ok(kubelet)
    }

    /// Every node, in the order of the spec.
    pub(crate) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(crate) fn node(&self, name: &str) -> Result<&Arc<Node>> {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
                Error::invalid(format!(
                    "there is no node {name:?}; the nodes are {}",
                    names.join(", ")
                ))
            })
    }

    /// Creates the pod; one that is there already with the same spec is left as it is.
    pub(crate) fn apply(self: &Arc<Self>, object: PodObject) -> Result<()> {
        let plan = Plan::read(object)?;
        let node = self
            .node(&plan.node)
            .map_err(|e| Error::invalid(format!("pod {}: {e}", plan.name)))?
            .clone();
        let name = plan.name.clone();
        let mut pods = self.locked();
        if let Some(there) = pods.get(&name) {
            return if there.state().deletion.is_some() {
                Err(Error::invalid(format!(
                    "pod {name} is being deleted: wait until it is gone"
                )))
            } else if there.plan.is_same(&plan) {
                Ok(())
            } else {
                Err(Error::invalid(format!(
                    "pod {name} is there with another spec: delete it first"
                )))
            };
        }
        let (pod, mailbox) = Pod::new(plan);
        let pod = Arc::new(pod);
        worker::start(self.clone(), node, pod.clone(), mailbox)?;
        pods.insert(name, pod);
        Ok(())
    }

    pub(crate) fn get(&self, name: &PodName) -> Result<Option<PodObject>> {
        match self.find(name) {
            Some(pod) => Ok(Some(self.object(&pod)?)),
            None => Ok(None),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<PodObject>> {
        let pods: Vec<_> = self.locked().values().cloned().collect();
        pods.iter().map(|pod| self.object(pod)).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.locked().keys().map(ToString::to_string).collect()
    }

    /// Oldest first; none for a pod that is not there.
    pub(crate) fn events(&self, name: &PodName) -> Vec<Event> {
        self.find(name)
            .map(|pod| status::events(&pod))
            .unwrap_or_default()
    }

    /// The pod once it is settled, see [`crate::Lab::wait_pod`].
    pub(crate) fn wait(&self, name: &PodName, limit: Duration) -> Result<PodObject> {
        let pod = self.required(name)?;
        if !pod.wait(limit, |state| {
            state.is_gone() || state.is_settled(&pod.plan)
        }) {
            return self.object(&pod);
        }
        if pod.state().is_gone() {
            return Err(Error::invalid(format!("pod {name} was deleted")));
        }
        self.object(&pod)
    }

    /// Ends the pod and waits until it is gone.
    ///
    /// # Errors
    /// Its network cannot be taken down: said after three attempts. They go on, and so does the pod's deletion.
    pub(crate) fn delete(&self, name: &PodName) -> Result<()> {
        const ATTEMPTS: u32 = 3;
        let Some(pod) = self.find(name) else {
            return Ok(());
        };
        let failures = pod.state().kill_failures;
        pod.tell(Message::Delete);
        pod.wait(Duration::MAX, |state| {
            state.is_gone() || state.kill_failures >= failures + ATTEMPTS
        });
        let state = pod.state();
        if state.is_gone() {
            Ok(())
        } else {
            Err(Error::failed(
                format!("delete pod {name}"),
                &state.kill_error,
            ))
        }
    }

    /// The namespaces and environment of a pod's first running container.
    pub(crate) fn inside(&self, name: &PodName) -> Result<Inside> {
        let pod = self.required(name)?;
        let state = pod.state();
        state.inside().ok_or_else(|| {
            Error::invalid(format!(
                "pod {name} has no running container: {}",
                state.summary(&pod.plan)
            ))
        })
    }

    /// The network namespace of a pod.
    pub(crate) fn netns(&self, name: &PodName) -> Result<Arc<std::os::fd::OwnedFd>> {
        let pod = self.required(name)?;
        let state = pod.state();
        state.netns().ok_or_else(|| {
            Error::invalid(format!(
                "pod {name} has no network namespace yet: {}",
                state.summary(&pod.plan)
            ))
        })
    }

    /// CNI CHECK.
    pub(crate) fn check(&self, name: &PodName) -> Result<()> {
        let pod = self.required(name)?;
        let sandbox = pod.state().sandbox.clone();
        let node = self.node(&pod.plan.node)?;
        let checked = sandbox.and_then(|sandbox| sandbox.check(node));
        let checked = checked.ok_or_else(|| {
            Error::invalid(format!("pod {name} is not attached to a pod network"))
        })?;
        checked.map_err(|e| Error::failed(format!("check pod {name}"), e))
    }

    /// CNI GC on a node; every pod that has a sandbox there, or is just getting one, keeps it.
    pub(crate) fn gc(&self, node: &str) -> Result<()> {
        let runtime = &self.node(node)?.network.runtime;
        let failed = |e| Error::failed(format!("gc on {node}"), e);
        let network = runtime.network().map_err(failed)?;
        let pods: Vec<_> = self
            .locked()
            .values()
            .filter(|pod| pod.plan.node == node)
            .cloned()
            .collect();
        let attachments = pods.iter().filter_map(|pod| pod.state().attachment());
        let valid: Vec<_> = attachments
            .map(|attachment| (attachment.container_id, attachment.ifname))
            .collect();
        runtime.gc(&network, &valid).map_err(failed)
    }

    /// A node's CNI configuration is another one: its pods may go on.
    fn network_changed(&self, node: &str) {
        for pod in self.locked().values().filter(|pod| pod.plan.node == node) {
            pod.tell(Message::NetworkChanged);
        }
    }

    /// The last act of a pod's worker.
    fn remove(&self, pod: &Pod) {
        self.locked().remove(&pod.plan.name);
        pod.update(pod::State::set_gone);
    }

    fn object(&self, pod: &Pod) -> Result<PodObject> {
        Ok(status::object(pod, self.node(&pod.plan.node)?))
    }

    fn find(&self, name: &PodName) -> Option<Arc<Pod>> {
        self.locked().get(name).cloned()
    }

    fn required(&self, name: &PodName) -> Result<Arc<Pod>> {
        self.find(name)
            .ok_or_else(|| Error::invalid(format!("there is no pod {name}")))
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<PodName, Arc<Pod>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
