//! What the causes are drawn from: plain data, gathered once.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_probe::{CniFiles, Facts};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Node, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::advice::Advice;
use super::model::{Seen, Unread};
use crate::cluster::PodRef;
use crate::observe::Observed;
use crate::observe::gather::host_network;

/// Everything that was read.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    /// How commands are written for this cluster.
    pub(super) advice: Advice,
    /// Nodes that matter to somebody who is not well; every node's object is there, see [`NodeEvidence::looked_at`].
    pub(super) nodes: Vec<NodeEvidence>,
    /// Names of all nodes, of other systems too; none where they cannot be listed.
    pub(super) node_names: Option<Vec<String>>,
    /// The network add-on's agents; an error where they cannot be listed.
    pub(super) agents: Observed<Vec<Agent>>,
    /// Every pod of the cluster, as far as it may be seen.
    pub(super) everyone: Vec<Pod>,
    /// What could not be read.
    pub(super) unread: Vec<Unread>,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct NodeEvidence {
    /// `metadata.name`.
    pub(super) name: String,
    /// As the API has it.
    pub(super) object: Node,
    /// Whether it was to be looked at from inside: otherwise the rest is empty and says nothing.
    pub(super) looked_at: bool,
    /// `/etc/cni/net.d` and `/opt/cni/bin`.
    pub(super) cni: Observed<CniFiles>,
    /// Links, addresses, routes.
    pub(super) facts: Observed<Facts>,
    /// Versions of the CNI specification that the plugins of the configuration in use speak, by their own word (VERSION).
    pub(super) spoken: Observed<BTreeMap<String, Vec<String>>>,
    /// `/run/flannel/subnet.env`; none where there is no such file.
    pub(super) subnet_env: Observed<Option<String>>,
    /// Reservations of host-local and flatnet-cni.
    pub(super) leases: Observed<Vec<Lease>>,
    /// systemd's word on the kubelet, where the node does not report and systemd could be asked.
    pub(super) kubelet: Option<String>,
}

/// A reserved address: a file of that name in `/var/lib/cni/networks/NETWORK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Name of the CNI network.
    pub(super) network: String,
    /// The address.
    pub(super) address: IpAddr,
}

/// An agent of the network add-on: one process a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    /// `DaemonSet kube-flannel/kube-flannel-ds`, or the lab's daemon.
    pub(super) name: String,
    /// Namespace and name, where it is a DaemonSet.
    pub(super) set: Option<(String, String)>,
    /// One a node that has it.
    pub(super) members: Vec<Member>,
}

/// An agent on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Where.
    pub(super) node: String,
    /// Its pod; none on the lab.
    pub(super) pod: Option<PodRef>,
    /// Whether it works.
    pub(super) ready: bool,
    /// As `kubectl get pods` has it, or how the daemon ended.
    pub(super) status: String,
    /// The last lines of its log; an error where they cannot be read.
    pub(super) last_words: Observed<String>,
}

/// A pod that is not well, or was asked about.
#[derive(Clone, Debug)]
pub(super) struct PodEvidence {
    /// As the API has it.
    pub(super) object: Pod,
    /// Its events, oldest first.
    pub(super) events: Observed<Vec<Event>>,
    /// So many restarts are no trouble: whoever is known to have failed gets none.
    pub(super) tolerated: i32,
    /// Container and the last words of its run before.
    pub(super) last_words: Vec<Seen>,
}

impl Evidence {
    /// A node by its name.
    pub(super) fn node(&self, name: &str) -> Option<&NodeEvidence> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Pods of a node that hold an address of its range.
    pub(super) fn pods_with_address(&self, node: &str) -> usize {
        let on_node = |pod: &&Pod| {
            let spec = pod.spec.as_ref();
            let status = pod.status.as_ref();
            spec.and_then(|s| s.node_name.as_deref()) == Some(node)
                && !host_network(pod)
                && status.is_some_and(|s| s.pod_ip.is_some())
                && !matches!(
                    status.and_then(|s| s.phase.as_deref()),
                    Some("Succeeded" | "Failed")
                )
        };
        self.everyone.iter().filter(on_node).count()
    }
}

impl NodeEvidence {
    /// `spec.podCIDRs`; what does not parse is left out.
    pub(super) fn pod_cidrs(&self) -> Vec<IpNet> {
        let spec = self.object.spec.as_ref();
        let several = spec.and_then(|s| s.pod_cidrs.clone()).unwrap_or_default();
        let one = spec.and_then(|s| s.pod_cidr.clone());
        let texts = if several.is_empty() {
            one.into_iter().collect()
        } else {
            several
        };
        texts.iter().filter_map(|cidr| cidr.parse().ok()).collect()
    }

    /// Status, reason and message of the Ready condition.
    pub(super) fn ready(&self) -> (&str, &str, &str) {
        let conditions = self.object.status.as_ref();
        let mut conditions = conditions
            .iter()
            .flat_map(|s| s.conditions.iter().flatten());
        match conditions.find(|c| c.type_ == "Ready") {
            Some(ready) => (
                &ready.status,
                ready.reason.as_deref().unwrap_or_default(),
                ready.message.as_deref().unwrap_or_default(),
            ),
            None => ("Unknown", "", "no Ready condition yet"),
        }
    }
}

impl PodEvidence {
    /// Namespace and name.
    pub(super) fn name(&self) -> PodRef {
        PodRef::of(&self.object)
    }

    /// `spec.nodeName`.
    pub(super) fn node(&self) -> Option<&str> {
        let spec = self.object.spec.as_ref()?;
        spec.node_name.as_deref().filter(|name| !name.is_empty())
    }

    /// Warning events, oldest first.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &Event> {
        let events = self.events.iter().flatten();
        events.filter(|event| event.type_.as_deref() == Some("Warning"))
    }

    /// The latest warning with one of these reasons, and its message.
    pub(super) fn latest(&self, reasons: &[&str]) -> Option<(&Event, &str)> {
        let of_reason = |event: &&Event| {
            let reason = event.reason.as_deref().unwrap_or_default();
            reasons.contains(&reason)
        };
        let event = self
            .warnings()
            .filter(of_reason)
            .max_by_key(|e| moment(e))?;
        Some((event, event.message.as_deref().unwrap_or_default()))
    }

    /// Init containers, then the others.
    pub(super) fn containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        let status = self.object.status.as_ref();
        status.into_iter().flat_map(|status| {
            let inits = status.init_container_statuses.iter().flatten();
            inits.chain(status.container_statuses.iter().flatten())
        })
    }

    /// Whether it waits for its sandbox: on a node, not one container has been tried, and no address has come.
    pub(super) fn waits_for_sandbox(&self) -> bool {
        let status = self.object.status.as_ref();
        let phase = status.and_then(|s| s.phase.as_deref());
        let untouched = |c: &ContainerStatus| {
            let state = c.state.as_ref();
            let waiting = state.and_then(|s| s.waiting.as_ref());
            let reason = waiting.and_then(|w| w.reason.as_deref());
            matches!(reason, Some("ContainerCreating" | "PodInitializing"))
                && c.last_state.as_ref().is_none_or(|s| s.terminated.is_none())
        };
        self.node().is_some()
            && phase == Some("Pending")
            && status.is_none_or(|s| s.pod_ip.is_none() || host_network(&self.object))
            && self.containers().all(untouched)
    }
}

/// A container that runs so long is taken for well again (the kubelet's back-off is reset then, `pkg/kubelet`, `MaxContainerBackOff`).
const LONG_RUN: SignedDuration = SignedDuration::from_mins(10);

/// Whether a container that runs was restarted more often than is tolerated, and lately: it will end again.
pub(super) fn restarts(container: &ContainerStatus, tolerated: i32) -> bool {
    let state = container.state.as_ref();
    let running = state.and_then(|s| s.running.as_ref());
    let since = running.and_then(|r| r.started_at.as_ref());
    let lately = since.is_some_and(|since| Timestamp::now().duration_since(since.0) < LONG_RUN);
    container.restart_count > tolerated && lately
}

/// When an event was last seen.
pub(super) fn moment(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|s| s.last_observed_time.as_ref());
    let last = event.last_timestamp.as_ref().map(|t| t.0);
    let made = event.metadata.creation_timestamp.as_ref().map(|t| t.0);
    series
        .map(|t| t.0)
        .or(last)
        .or(event.event_time.as_ref().map(|t| t.0))
        .or(made)
}

/// `FailedCreatePodSandBox (x13)`.
pub(super) fn title(event: &Event) -> String {
    let times = event.count.or(event.series.as_ref().and_then(|s| s.count));
    let times = times.filter(|n| *n > 1).map(|n| format!(" (x{n})"));
    format!(
        "event {}{}",
        event.reason.as_deref().unwrap_or_default(),
        times.unwrap_or_default()
    )
}
