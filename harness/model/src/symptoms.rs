//! What `flatnet diagnose` draws causes from: plain data, gathered once.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::PodRef;
use crate::advice::Advice;
use crate::cni::{NetworkList, in_use};
use crate::components::paths::CNI_NETWORKS;
use crate::diagnosis::{Seen, Unread};
use crate::observations::Observed;
use crate::probe::FileContent;
use crate::snapshot::{Container, EventSnapshot, NodeInside, NodeSnapshot, PodSnapshot};

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Symptoms {
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// How commands are written for this cluster.
    pub advice: Advice,
    /// Every node's object; nodes that an unhealthy pod or node concerns were asked from inside too.
    pub nodes: Vec<NodeSymptoms>,
    /// Names of all nodes, of other systems too; none where they cannot be listed.
    pub node_names: Option<Vec<String>>,
    /// The network add-on's agents; an error where they cannot be listed.
    pub agents: Observed<Vec<Agent>>,
    /// The CNI that flatnet applied, as it was asked for, where the cluster has the record of it ([`crate::cni::RECORD_NAME`]).
    pub recorded: Option<String>,
    /// Every pod of the cluster, as far as it may be seen.
    pub everyone: Vec<PodSnapshot>,
    /// What could not be read.
    pub unread: Vec<Unread>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodeSymptoms {
    /// The API object.
    pub object: NodeSnapshot,
    /// Facts, CNI files, plugins and the folders of reservations, where the node was asked.
    pub inside: NodeInside,
    /// systemd's word on the kubelet, where the node does not report and systemd could be asked.
    pub kubelet: Option<String>,
}

/// A reserved address: a file of that name in `/var/lib/cni/networks/NETWORK`, where host-local and flatnet-cni put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease<'a> {
    /// Name of the CNI network.
    pub network: &'a str,
    /// The reserved address.
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
    pub on_nodes: Vec<AgentOnNode>,
}

/// An agent on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOnNode {
    /// The node that it runs on.
    pub node: String,
    /// Its pod; none on the lab.
    pub pod: Option<PodRef>,
    /// Its Ready condition; in a lab, whether its process runs.
    pub ready: bool,
    /// Its process, in a lab, where a signal has stopped it; none where that is not looked at.
    pub stopped: Option<i32>,
    /// As `kubectl get pods` has it, or how the daemon ended.
    pub status: String,
    /// The last lines of its log; an error where they cannot be read.
    pub last_words: Observed<String>,
}

/// A pod that is unhealthy, or was asked about.
#[derive(Clone, Debug)]
pub struct PodSymptoms {
    /// The API object.
    pub object: PodSnapshot,
    /// Its events, oldest first.
    pub events: Observed<Vec<EventSnapshot>>,
    /// So many restarts are tolerated, where no failure is known; a known failure tolerates none.
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
        let holds = |pod: &&PodSnapshot| {
            !pod.ips.is_empty() && !matches!(pod.phase.as_str(), "Succeeded" | "Failed")
        };
        self.networked(node).filter(holds).count()
    }

    /// Reservations on a node, in the network in use, of addresses that no pod of the node has, by the API; none where the
    /// node's network or its reservations were not read.
    pub fn unheld(&self, node: &NodeSymptoms) -> Unheld {
        let Some(network) = node.inside.cni().ok().and_then(in_use) else {
            return Unheld::default();
        };
        let name = &node.object.name;
        let leases = node.leases().filter(|lease| lease.network == network.name);
        let reserved: Vec<IpAddr> = leases.map(|lease| lease.address).collect();
        let held = |address: &IpAddr| self.networked(name).any(|pod| pod.ips.contains(address));
        let waits = |pod: &&PodSnapshot| {
            pod.ips.is_empty() && !matches!(pod.phase.as_str(), "Succeeded" | "Failed")
        };
        Unheld {
            reserved: reserved.len(),
            addresses: reserved
                .into_iter()
                .filter(|address| !held(address))
                .collect(),
            // A dual-stack pod has two.
            awaited: self.networked(name).filter(waits).count()
                * node.object.pod_cidrs.len().max(1),
            network: network.name,
        }
    }

    fn networked<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a PodSnapshot> {
        let everyone = self.everyone.iter();
        everyone.filter(move |pod| pod.node == node && !pod.host_network)
    }
}

/// Reservations whose address no pod has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unheld {
    /// The CNI network in use.
    pub network: String,
    /// Reservations in all.
    pub reserved: usize,
    /// Those that no pod has.
    pub addresses: Vec<IpAddr>,
    /// So many of them may be those of pods that have no address yet.
    pub awaited: usize,
}

impl Unheld {
    /// Whether some belong to nobody.
    pub fn is_leak(&self) -> bool {
        self.addresses.len() > self.awaited
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

    /// Versions of the CNI specification that the plugins of the configuration in use support, by their own word (VERSION);
    /// nothing of those that gave none.
    pub fn spoken(&self) -> BTreeMap<&str, &[String]> {
        let network = self.inside.cni().ok().and_then(in_use);
        let programs = network
            .as_ref()
            .map(NetworkList::programs)
            .unwrap_or_default();
        let plugins = self.inside.plugins().unwrap_or_default().iter();
        plugins
            .filter(|plugin| programs.contains(&plugin.name.as_str()))
            .filter_map(|plugin| {
                let versions = plugin.versions.as_ref().ok()?;
                Some((plugin.name.as_str(), versions.supported_versions.as_slice()))
            })
            .collect()
    }

    /// Reservations found in the node's `/var/lib/cni/networks`.
    pub fn leases(&self) -> impl Iterator<Item = Lease<'_>> {
        let files = self.inside.files().into_iter().flatten();
        let folders = files.filter_map(|(path, content)| {
            let network = path.strip_prefix(CNI_NETWORKS)?.strip_prefix('/')?;
            match content {
                FileContent::Folder(names) => Some((network, names)),
                _ => None,
            }
        });
        // Other files there are locks, hints and records.
        folders.flat_map(|(network, names)| {
            let addresses = names.iter().filter_map(|name| name.parse().ok());
            addresses.map(move |address| Lease { network, address })
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_named_after_an_address_are_reservations() {
        let names = [
            "10.244.1.7",
            "fd00:1::7",
            "lock",
            "last_reserved_ip.0",
            "last@0",
            "owner@abc@eth0",
        ];
        let files = BTreeMap::from([
            (
                CNI_NETWORKS.to_owned(),
                FileContent::Folder(vec!["cbr0".to_owned()]),
            ),
            (
                format!("{CNI_NETWORKS}/cbr0"),
                FileContent::Folder(names.map(str::to_owned).to_vec()),
            ),
        ]);
        let node = NodeSymptoms {
            object: NodeSnapshot::default(),
            inside: NodeInside {
                files: Some(Ok(files)),
                ..NodeInside::default()
            },
            kubelet: None,
        };
        let leases: Vec<(&str, String)> = node
            .leases()
            .map(|lease| (lease.network, lease.address.to_string()))
            .collect();
        let expected = ["10.244.1.7", "fd00:1::7"].map(|address| ("cbr0", address.to_owned()));
        assert_eq!(leases, expected);
    }
}
