//! The observations, as data. Everything here serialises: the JSON report carries it.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::booted::Booted;
use crate::capabilities::Capabilities;
use crate::covering::Covering;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::PodRef;
use crate::follow::Following;
use crate::kernel::LearnedMtu;
use crate::kernel::netfilter::Netfilter;
use crate::probe::{
    DialOutcome, DialRequest, Facts, MtuTrial, PacketFate, ReceivedRequest, RepeatedAnswers,
    Transfer,
};
use crate::snapshot::{NOT_ASKED, NodeInside, NodeSnapshot, PodSnapshot};

mod availability;
mod change;
mod control_plane;
mod fate;
mod names;
mod translated;
mod without_traffic;

pub use crate::reference::Endpoint;
pub use crate::snapshot::Observed;
pub use availability::Availability;
pub use change::{Change, Item, Moment};
pub use control_plane::*;
pub use fate::Fate;
pub use names::PodNames;
pub use translated::Translated;
pub use without_traffic::WithoutTraffic;

/// Everything the checks may judge by. An `Err` holds why something could not be observed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Observations {
    /// Nodes, in the cluster's order.
    pub nodes: Vec<ObservedNode>,
    /// Pods under test, hostNetwork pods included.
    pub pods: Vec<ObservedPod>,
    /// Every attempt of one end to reach another, in no particular order; with `from == to` a pod dials its own address.
    pub dials: Vec<Dial>,
    /// Which pairs were to be dialled, of those there are.
    #[serde(default)]
    pub coverage: Covering,
    /// The requests that each listening end received.
    pub received: BTreeMap<Endpoint, Observed<Vec<ReceivedRequest>>>,
    /// Answers that an end received more than once.
    #[serde(default)]
    pub repeated_answers: BTreeMap<Endpoint, Vec<RepeatedAnswers>>,
    /// Packets that were sent one after the other over chosen paths.
    #[serde(default)]
    pub series: Vec<SeriesRun>,
    /// Path MTU trials, one (client node, server node) pair each, same-node pairs included.
    pub mtu: Vec<MtuRun>,
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: Vec<IpNet>,
    /// What the cluster did not allow to be looked at or deployed, with the right that is lacking; empty where nothing was refused.
    #[serde(default)]
    pub denied: Vec<Denied>,
    /// What only a cluster with a control plane has; none on the lab.
    #[serde(default)]
    pub control_plane: Option<ControlPlane>,
    /// Dials of addresses that nodes translate to pods, where they were made to for the time of the observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated: Option<Translated>,
    /// What was seen of dials that failed or were rewritten when they were made again.
    #[serde(default)]
    pub following: Following,
    /// What was otherwise at a later look: verdicts tell of a network that changed meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The namespace of the run's own pods.
    pub namespace: String,
    /// Which CNI was chosen, as given.
    pub cni: String,
    /// Which provider, as given.
    pub provider: String,
    /// What a lab was booted with, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booted: Option<Booted>,
    /// What the cluster can do: why there is no control plane, where there is none.
    #[serde(default)]
    pub capabilities: Capabilities,
}

impl Observations {
    /// Nodes and pods as they were seen, without what was sent between them: enough to walk packets, and small. Read back as that,
    /// they are [`WithoutTraffic`].
    pub fn without_traffic(&self) -> Observations {
        Observations {
            nodes: self.nodes.clone(),
            pods: self.pods.clone(),
            coverage: self.coverage,
            pod_network: self.pod_network.clone(),
            denied: self.denied.clone(),
            namespace: self.namespace.clone(),
            cni: self.cni.clone(),
            provider: self.provider.clone(),
            capabilities: self.capabilities.clone(),
            booted: self.booted.clone(),
            ..Observations::default()
        }
    }
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

/// A node: as the API describes it, and as it was found from inside after the traffic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObservedNode {
    /// The API object; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub object: NodeSnapshot,
    /// Facts, after the matrix, and CNI files.
    #[serde(flatten)]
    pub inside: NodeInside,
    /// The IP counters before the first packet of the matrix ([`Facts::counters`]), for differences.
    pub counters_before: BTreeMap<String, u64>,
    /// As it was before the run's pods were added, on a cluster that ran before: to add a pod can repair what was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_pods: Option<Observed<Facts>>,
    /// Its rules of netfilter then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netfilter_before_pods: Option<Observed<Netfilter>>,
}

impl ObservedNode {
    /// As the API describes it; not looked at from inside.
    pub fn new(object: NodeSnapshot) -> Self {
        ObservedNode {
            object,
            inside: NodeInside::default(),
            counters_before: BTreeMap::new(),
            before_pods: None,
            netfilter_before_pods: None,
        }
    }

    /// Who it is in conversations.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Node(self.object.name.clone())
    }
}

/// A pod: as the API describes it, and as it was found from inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObservedPod {
    /// The API object; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub object: PodSnapshot,
    /// `Running`, or why not: the STATUS column of `kubectl get pods`, or how it ended where it took no probe.
    pub status: String,
    /// Seen from inside; an error for a pod that does not run.
    pub facts: Observed<Facts>,
    /// Why it does not run: what its containers wait for, and its warning events, oldest first. Empty for a healthy pod.
    pub warnings: Vec<String>,
}

impl ObservedPod {
    /// As the API describes it; not looked at from inside.
    pub fn new(object: PodSnapshot) -> Self {
        ObservedPod {
            status: object.status(),
            object,
            facts: Err(NOT_ASKED.to_owned()),
            warnings: Vec::new(),
        }
    }

    /// The key by which pods are told apart: namespace and name.
    pub fn reference(&self) -> &PodRef {
        &self.object.reference
    }

    /// Who it is in conversations.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Pod(self.object.reference.clone())
    }

    /// Whether it has interfaces to look at (KEP-753 and the pod lifecycle page: `Running` means that the sandbox exists).
    pub fn runs(&self) -> bool {
        self.status == "Running"
    }
}

/// One attempt of `from` to reach an address of `to`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dial {
    /// The client.
    pub from: Endpoint,
    /// The end that should answer.
    pub to: Endpoint,
    /// What was dialled: an address that the API gives `to`, or the gateway of `from`.
    #[serde(flatten)]
    pub request: DialRequest,
    /// The answer, or the failure of the last attempt.
    pub result: DialOutcome,
}

/// Packets sent one after the other from one end to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeriesRun {
    /// The client.
    pub from: Endpoint,
    /// The end that should answer.
    pub to: Endpoint,
    /// Where they were sent.
    #[serde(flatten)]
    pub request: DialRequest,
    /// Why it was done.
    pub occasion: Occasion,
    /// One per packet, in the order in which they were sent.
    pub packets: Observed<Vec<PacketFate>>,
}

/// Why a series of packets was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// Before all other traffic between these two: its first packet is the first.
    First,
    /// An attempt to reach that end had failed, or a TCP segment had to be sent again.
    Suspicion,
}

/// Sizes sent from one pod to another with DF.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MtuRun {
    /// The sending pod.
    pub from: Endpoint,
    /// The pod that acknowledges.
    pub to: Endpoint,
    /// The address that was dialled.
    pub address: IpAddr,
    /// UDP port of its responder.
    pub port: u16,
    /// MTU of the sender's interface towards it, bytes.
    pub interface_mtu: u32,
    /// The trials: `interface_mtu` and one byte more. Where `interface_mtu` fails, it once more, and on so many paths of each sender as
    /// are bounded a search for the largest size that passes. A size that arrived in one trial has arrived.
    pub trials: Observed<Vec<MtuTrial>>,
    /// What the sender's kernel has learned of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedMtu>,
    /// Full segments of TCP sent each way, on as many paths as are bounded, and only where what is short had passed at once. Each was
    /// tried until one passed, three times at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Observed<Transfer>>,
}
