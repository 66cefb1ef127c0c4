//! What exists only where there is a control plane: services, names, ports of nodes, network agents, and a world outside.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::probe::{
    DialOutcome, DialRequest, Lookup, Protocol, ReceivedRequest, Record, ResolvConf, Resolved,
};
use serde::{Deserialize, Serialize};

use super::{Availability, Endpoint, Observed};
use crate::PodRef;

/// What the lab does not have, each with its availability.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ControlPlane {
    /// Services of type ClusterIP.
    pub services: Availability<Services>,
    /// Answers of the pods' own nameservers.
    pub dns: Availability<Dns>,
    /// Pods with a hostPort.
    pub host_ports: Availability<HostPorts>,
    /// A peer that is not part of the cluster.
    pub outside: Availability<Outside>,
    /// DaemonSets that network the cluster, by the directories of the host they mount.
    pub agents: Availability<Vec<AgentSet>>,
}

/// The same request made by one client several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The client.
    pub from: Endpoint,
    /// Address, transport and port, the same for every dial.
    #[serde(flatten)]
    pub request: DialRequest,
    /// One result per dial; several where a service has several backends to answer.
    pub results: Vec<DialOutcome>,
}

/// A Service object made for the run, and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.clusterIPs`.
    pub addresses: Vec<IpAddr>,
    /// Port of the cluster IPs, for TCP and UDP.
    pub port: u16,
    /// `spec.ports[].nodePort`, where it has them.
    pub node_ports: BTreeMap<Protocol, u16>,
    /// Pods that its EndpointSlices call ready, sorted.
    pub backends: Vec<PodRef>,
}

/// A service and who dialled it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exposure {
    /// The service as the API describes it.
    pub service: Service,
    /// Dials of its addresses, one entry per client, address and transport.
    pub calls: Vec<Call>,
}

/// Services of type ClusterIP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Services {
    /// All pods of the pod network are behind it; every pod and node dials it.
    pub shared: Exposure,
    /// One pod is behind it, which dials it too.
    pub single: Exposure,
}

/// What nameservers answer pods.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dns {
    /// The addresses that the API gives each name, without the cluster's domain; an error where it did not tell.
    pub names: BTreeMap<String, Observed<Vec<IpAddr>>>,
    /// The right that is missing to be told them, in the server's words, where that is why the API does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<String>,
    /// Pods behind the service `kube-system/kube-dns` that are ready; an error where nobody may look.
    pub servers: Observed<Vec<Backend>>,
    /// One entry per pod of the pod network.
    pub clients: Vec<DnsClient>,
}

/// A ready pod behind a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The pod.
    pub pod: PodRef,
    /// Its node, as its EndpointSlice says.
    pub node: Option<String>,
}

/// One pod and its own nameserver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DnsClient {
    /// The pod whose resolver was asked.
    pub pod: PodRef,
    /// What its `/etc/resolv.conf` says.
    pub conf: Observed<ResolvConf>,
    /// What its first nameserver answered, with the question; empty where the file names no cluster domain.
    pub answers: Observed<Vec<(Lookup, Resolved)>>,
}

/// Pods that take a port of their node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostPorts {
    /// `hostPort`, for TCP and UDP, the same on each node.
    pub port: u16,
    /// One pod per schedulable node, running or not.
    pub pods: Vec<PortPod>,
    /// From another node of the cluster, or a pod there, to the node's addresses.
    pub calls: Vec<Call>,
}

/// A pod with a hostPort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPod {
    /// The pod; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub pod: PodRef,
    /// `spec.nodeName`.
    pub node: String,
    /// `Running`, or why not, as the STATUS column of `kubectl get pods` has it.
    pub phase: String,
}

/// The world as a peer outside sees it, and as it is seen from the cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outside {
    /// The peer's addresses.
    pub addresses: Vec<IpAddr>,
    /// A service of type NodePort, dialled on every node by the peer.
    pub node_port: Availability<Exposure>,
    /// hostPorts, dialled on every node by the peer.
    pub host_ports: Vec<Call>,
    /// The peer, dialled by every node and one pod on each.
    pub egress: Vec<Call>,
    /// The requests that reached the peer.
    pub received: Observed<Vec<ReceivedRequest>>,
}

/// A DaemonSet whose pods mount a CNI directory of their node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSet {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `status.desiredNumberScheduled`.
    pub desired: i32,
    /// Every pod of the DaemonSet, whatever its phase.
    pub pods: Vec<AgentPod>,
}

/// A pod of an [`AgentSet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPod {
    /// `metadata.name`.
    pub name: String,
    /// `spec.nodeName`; empty while it has none.
    pub node: String,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// The STATUS column of `kubectl get pods`.
    pub phase: String,
}

/// The addresses a lookup should yield, sorted.
///
/// # Errors
/// Why the API does not tell: without that an answer cannot be judged.
pub fn expected_names(
    names: &BTreeMap<String, Observed<Vec<IpAddr>>>,
    lookup: &Lookup,
) -> Observed<Vec<IpAddr>> {
    let known = |(name, _): &(&String, &Observed<Vec<IpAddr>>)| {
        lookup
            .name
            .strip_prefix(name.as_str())
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let Some((_, addresses)) = names.iter().find(known) else {
        return Err("the API was not asked for it".to_owned());
    };
    let wanted = addresses.as_ref().map_err(Clone::clone)?;
    let wanted = wanted
        .iter()
        .copied()
        .filter(|address| address.is_ipv4() == (lookup.record == Record::A));
    let mut wanted: Vec<IpAddr> = wanted.collect();
    wanted.sort_unstable();
    Ok(wanted)
}
