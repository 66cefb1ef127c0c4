//! What `flatnet diagnose` draws causes from: plain data, gathered once.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::PodRef;
use crate::advice::Advice;
use crate::diagnosis::{Seen, Unread};
use crate::observations::Observed;
use crate::probe::{CniFiles, Facts};
use crate::snapshot::{Container, EventSnapshot, NodeSnapshot, PodSnapshot};

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Symptoms {
    /// How commands are written for this cluster.
    pub advice: Advice,
    /// Every node's object; nodes that an unhealthy pod or node concerns are looked into, see [`NodeSymptoms::looked_at`].
    pub nodes: Vec<NodeSymptoms>,
    /// Names of all nodes, of other systems too; none where they cannot be listed.
    pub node_names: Option<Vec<String>>,
    /// The network add-on's agents; an error where they cannot be listed.
    pub agents: Observed<Vec<Agent>>,
    /// Every pod of the cluster, as far as it may be seen.
    pub everyone: Vec<PodSnapshot>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodeSymptoms {
    /// As the API has it.
    pub object: NodeSnapshot,
    /// Whether it was to be looked at from inside: otherwise the rest is empty and says nothing.
    pub looked_at: bool,
    /// `/etc/cni/net.d` and `/opt/cni/bin`.
    pub cni: Observed<CniFiles>,
    /// Links, addresses, routes.
    pub facts: Observed<Facts>,
    /// Versions of the CNI specification that the plugins of the configuration in use support, by their own word (VERSION).
    pub spoken: Observed<BTreeMap<String, Vec<String>>>,
    /// `/run/flannel/subnet.env`; none where there is no such file.
    pub subnet_env: Observed<Option<String>>,
    /// Reservations of host-local and flatnet-cni.
    pub leases: Observed<Vec<Lease>>,
    /// systemd's word on the kubelet, where the node does not report and systemd could be asked.
    pub kubelet: Option<String>,
}

/// A reserved address: a file of that name in `/var/lib/cni/networks/NETWORK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Name of the CNI network.
    pub network: String,
    /// The address.
    pub address: IpAddr,
}

/// An agent of the network add-on: one process per node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// `DaemonSet kube-flannel/kube-flannel-ds`, or the lab's daemon.
    pub name: String,
    /// Namespace and name, where it is a DaemonSet.
    pub set: Option<(String, String)>,
    /// One for each node that has it.
    pub members: Vec<Member>,
}

/// An agent on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where.
    pub node: String,
    /// Its pod; none on the lab.
    pub pod: Option<PodRef>,
    /// Whether it works.
    pub ready: bool,
    /// As `kubectl get pods` has it, or how the daemon ended.
    pub status: String,
    /// The last lines of its log; an error where they cannot be read.
    pub last_words: Observed<String>,
}

/// A pod that is unhealthy, or was asked about.
#[derive(Clone, Debug)]
pub struct PodSymptoms {
    /// As the API has it.
    pub object: PodSnapshot,
    /// Its events, oldest first.
    pub events: Observed<Vec<EventSnapshot>>,
    /// So many restarts are no trouble: whoever is known to have failed gets none.
    pub tolerated: i32,
    /// Container and the last words of its run before.
    pub last_words: Vec<Seen>,
}

impl Symptoms {
    /// A node by its name.
    pub fn node(&self, name: &str) -> Option<&NodeSymptoms> {
        self.nodes.iter().find(|node| node.object.name == name)
    }

    /// Pods of a node that hold an address of its range.
    pub fn pods_with_address(&self, node: &str) -> usize {
        let on_node = |pod: &&PodSnapshot| {
            pod.node == node
                && !pod.host_network
                && !pod.ips.is_empty()
                && !matches!(pod.phase.as_str(), "Succeeded" | "Failed")
        };
        self.everyone.iter().filter(on_node).count()
    }
}

impl NodeSymptoms {
    /// Status, reason and message of the Ready condition.
    pub fn ready(&self) -> (&str, &str, &str) {
        match &self.object.ready {
            Some(ready) => (&ready.status, &ready.reason, &ready.message),
            None => ("Unknown", "", "no Ready condition yet"),
        }
    }
}

impl PodSymptoms {
    /// `spec.nodeName`.
    pub fn node(&self) -> Option<&str> {
        Some(self.object.node.as_str()).filter(|name| !name.is_empty())
    }

    /// Warning events, oldest first.
    pub fn warnings(&self) -> impl Iterator<Item = &EventSnapshot> {
        self.events.iter().flatten().filter(|event| event.warning)
    }

    /// The latest warning with one of these reasons.
    pub fn latest(&self, reasons: &[&str]) -> Option<&EventSnapshot> {
        let of_reason = |event: &&EventSnapshot| reasons.contains(&event.reason.as_str());
        self.warnings()
            .filter(of_reason)
            .max_by_key(|event| event.last_seen)
    }

    /// Whether it waits for its sandbox: on a node, not one container has been tried, and no address has come.
    pub fn waits_for_sandbox(&self) -> bool {
        let untouched = |container: &Container| {
            let waiting = container.state.waiting.as_ref();
            waiting.is_some_and(|waiting| {
                matches!(
                    waiting.reason.as_str(),
                    "ContainerCreating" | "PodInitializing"
                )
            }) && container.last.is_none()
        };
        self.node().is_some()
            && self.object.phase == "Pending"
            && (self.object.ips.is_empty() || self.object.host_network)
            && self.object.containers.iter().all(untouched)
    }
}
