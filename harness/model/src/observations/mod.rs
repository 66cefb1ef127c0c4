//! The observations, as data. Everything here serialises: the JSON report carries it.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::probe::{CniFiles, Dialled, Facts, MtuTrial, Sighting, Transport};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod availability;
mod control_plane;

pub use availability::Availability;
pub use control_plane::*;

/// Everything the checks may judge by. An `Err` holds why something could not be observed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observations {
    /// Nodes, in the cluster's order.
    pub nodes: Vec<NodeView>,
    /// Pods under test, hostNetwork pods included.
    pub pods: Vec<PodView>,
    /// Reachability of ordered pairs, in no particular order.
    pub dials: Vec<Dial>,
    /// What arrived where.
    pub sightings: BTreeMap<Endpoint, Observed<Vec<Sighting>>>,
    /// Path MTU trials, one (client node, server node) pair each, same-node pairs included.
    pub mtu: Vec<MtuRun>,
    /// Each pod dialling its own address by way of a service-like detour is `dials` with `from == to`.
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: Vec<IpNet>,
    /// What the cluster did not allow to be looked at or deployed, with the right that is lacking; empty where nothing was refused.
    #[serde(default)]
    pub denied: Vec<Denied>,
    /// What only a cluster with a control plane has; none on the lab.
    #[serde(default)]
    pub control_plane: Option<ControlPlane>,
    /// Which CNI was chosen, as given.
    pub cni: String,
    /// Which provider, as given.
    pub provider: String,
}

/// Something the cluster did not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Who is out of reach for it.
    pub who: Forbidden,
    /// What was to be done.
    pub what: String,
    /// The server's own words: who lacks which right.
    pub rule: String,
}

/// Who a missing right puts out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forbidden {
    /// Nodes: no command runs there.
    Nodes,
    /// Pods in their node's network: they were not made.
    HostNetworkPods,
    /// Pods of the run: no command runs there.
    Pods,
}

/// A value, or why it is not there (lower-case fragment with its causes).
pub type Observed<T> = Result<T, String>;

/// One end of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Endpoint {
    /// A pod, by name (`pod/busybox-1`).
    Pod(String),
    /// A node, by name (`node/node1`).
    Node(String),
    /// A peer that is no part of the cluster, by name (`outside/peer`).
    Outside(String),
}

impl Endpoint {
    /// The name without its kind.
    pub fn name(&self) -> &str {
        match self {
            Endpoint::Pod(name) | Endpoint::Node(name) | Endpoint::Outside(name) => name,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Pod(name) => write!(f, "pod/{name}"),
            Endpoint::Node(name) => write!(f, "node/{name}"),
            Endpoint::Outside(name) => write!(f, "outside/{name}"),
        }
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('/') {
            Some(("pod", name)) => Ok(Endpoint::Pod(name.to_owned())),
            Some(("node", name)) => Ok(Endpoint::Node(name.to_owned())),
            Some(("outside", name)) => Ok(Endpoint::Outside(name.to_owned())),
            _ => Err(format!(
                "not an endpoint: {text:?} (expected pod/NAME, node/NAME or outside/NAME)"
            )),
        }
    }
}

/// A node as the API, the node itself and its files describe it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeView {
    /// `metadata.name`.
    pub name: String,
    /// InternalIP addresses of the API's node object.
    pub internal_ips: Vec<IpAddr>,
    /// `spec.podCIDRs` (empty where the CNI does not use them, as weave).
    pub pod_cidrs: Vec<IpNet>,
    /// `None` when Ready; else reason and message of the Ready condition.
    pub not_ready: Option<String>,
    /// Seen from inside, after the matrix.
    pub facts: Observed<Facts>,
    /// The IP counters before the first packet of the matrix ([`Facts::counters`]), for differences.
    pub counters_before: BTreeMap<String, u64>,
    /// CNI configuration and plugins.
    pub cni: Observed<CniFiles>,
}

/// A pod as the API and the pod itself describe it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PodView {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.nodeName`.
    pub node: String,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `Running`, or why not, as the STATUS column of `kubectl get pods` has it: the phase, or a container's reason.
    pub phase: String,
    /// `status.podIPs` as the API has them.
    pub ips: Vec<IpAddr>,
    /// Seen from inside; an error for a pod that does not run.
    pub facts: Observed<Facts>,
    /// Why it does not run: the last warning events, oldest first. Empty for a healthy pod.
    pub warnings: Vec<String>,
}

/// One attempt of `from` to reach an address of `to`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dial {
    /// Who dialled.
    pub from: Endpoint,
    /// Who should answer.
    pub to: Endpoint,
    /// The address that was dialled: one that the API gives `to`.
    pub address: IpAddr,
    /// How.
    pub transport: Transport,
    /// What became of it.
    pub result: Dialled,
}

/// Sizes sent from one pod to another with DF.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MtuRun {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// The address that was dialled.
    pub address: IpAddr,
    /// MTU of the sender's interface towards it, bytes.
    pub told: u32,
    /// The trials: `told` and `told + 1`, and after a failure of `told` a search for the largest size that does pass.
    pub trials: Observed<Vec<MtuTrial>>,
}
