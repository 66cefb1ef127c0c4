//! What a run made for those who use a cluster: services, pods with a port of their node, a peer outside.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_model::observations::{Availability, Backend, Observed, PortPod, Service};
use flatnet_model::snapshot::PodSnapshot;
use kube::Client;

use crate::Result;
use crate::kind::peer::Peer;

/// Everything that was made, or why it was not.
pub struct Exposed {
    /// The API's client.
    pub client: Client,
    /// A service with every pod of the pod network behind it, and one with a single pod.
    pub services: Availability<[Service; 2]>,
    /// A service of type NodePort with the same pods.
    pub node_port: Availability<Service>,
    /// Pods with a hostPort.
    pub host_ports: Availability<PortPods>,
    /// Addresses of services by name, without the cluster's domain; an error where the API does not tell.
    pub names: BTreeMap<String, Result<Vec<IpAddr>>>,
    /// Addresses of the service `kube-system/kube-dns`; none where they may not be asked for.
    pub dns_addresses: Vec<IpAddr>,
    /// Ready pods behind it.
    pub dns_servers: Observed<Vec<Backend>>,
    /// The peer outside.
    pub outside: Availability<Arc<Peer>>,
}

impl Exposed {
    /// The pods with a hostPort that run.
    pub fn running_pods(&self) -> impl Iterator<Item = &PodSnapshot> {
        self.host_ports
            .found()
            .into_iter()
            .flat_map(PortPods::running)
    }

    /// Removes what is not part of the cluster.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn close(&self) -> Result<()> {
        match self.outside.found() {
            Some(peer) => peer.remove().await,
            None => Ok(()),
        }
    }
}

/// The pods, and their port.
pub struct PortPods {
    /// `hostPort`, for TCP and UDP.
    pub port: u16,
    /// One a node, as last seen.
    pub pods: Vec<PodSnapshot>,
}

impl PortPods {
    /// The nodes on which one runs.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.running().map(|pod| pod.node.as_str())
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = &PodSnapshot> {
        self.pods.iter().filter(|pod| pod.is_running())
    }
}

/// A pod with a hostPort, as reports show it.
pub fn port_pod(pod: &PodSnapshot) -> PortPod {
    PortPod {
        pod: pod.reference.clone(),
        node: pod.node.clone(),
        phase: pod.status(),
    }
}
