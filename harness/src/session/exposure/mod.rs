//! What a run makes for those who use a cluster: services, pods with a port of their node, and a peer outside.
mod outside;
mod port_pods;
mod ready;
mod services;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;

use super::events::{Event, Observer};
use super::lifetime::Lifetime;
use super::plan::Plan;
use crate::cluster::kube::KubeCluster;
use crate::cluster::{Cluster, PodRef};
use crate::observe::gather::host_network;
use crate::observe::{Observed, Service, Sought};
use crate::session::deploy::is_running;
use crate::{Error, Result};
pub(crate) use outside::BUILD_IT;
pub use outside::Peer;
pub use port_pods::PortPods;

/// Everything that was made, or why it was not.
pub struct Exposed {
    /// The API's client.
    pub client: Client,
    /// A service with every pod of the pod network behind it, and one with a single pod.
    pub services: Sought<[Service; 2]>,
    /// A service of type NodePort with the same pods.
    pub node_port: Sought<Service>,
    /// Pods with a hostPort.
    pub host_ports: Sought<PortPods>,
    /// Addresses of services by name, without the cluster's domain; none where they may not be asked for.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Addresses of the service `kube-system/kube-dns`; none where they may not be asked for.
    pub dns_addresses: Vec<IpAddr>,
    /// Ready pods behind it.
    pub dns_servers: Observed<usize>,
    /// The peer outside.
    pub outside: Sought<Arc<Peer>>,
}

/// Where it is made.
pub(super) struct Ground<'a> {
    pub(super) cluster: &'a KubeCluster,
    pub(super) plan: &'a Plan,
    pub(super) lifetime: &'a Lifetime,
    pub(super) observer: &'a Observer,
}

impl Ground<'_> {
    /// Makes everything, and waits until it is ready as the API sees it. What cannot be made is told in its place.
    ///
    /// # Errors
    /// Only where the nodes cannot be listed.
    pub(super) async fn expose(&self, pods: &[Pod]) -> Result<Exposed> {
        (self.observer)(&Event::Step(
            "making services and pods with a hostPort".to_owned(),
        ));
        let cluster = self.cluster;
        let nodes = cluster.nodes().await?;
        let nodes: Vec<String> = nodes.into_iter().filter_map(|n| n.metadata.name).collect();
        let backends = backends(pods, cluster.namespace());
        let (services, host_ports, outside) = tokio::join!(
            services::make(cluster, &backends),
            port_pods::make(cluster, &nodes, self.plan.pod_timeout),
            outside::start(cluster, self.plan, self.lifetime),
        );
        (self.observer)(&Event::Step("waiting for the DNS server's pods".to_owned()));
        let dns_servers = ready::dns(cluster.client()).await;
        let mut exposed = Exposed {
            client: cluster.client().clone(),
            names: BTreeMap::from([(
                "kubernetes.default.svc".to_owned(),
                services::addresses(cluster.client(), "default", "kubernetes").await,
            )]),
            dns_addresses: services::addresses(cluster.client(), "kube-system", "kube-dns").await,
            services: Sought::Absent { why: String::new() },
            node_port: Sought::Absent { why: String::new() },
            host_ports: host_ports.into(),
            dns_servers: dns_servers.map_err(|e| e.to_string()),
            outside: outside.map(Arc::new),
        };
        match Sought::from(services) {
            Sought::Found(services::Made {
                shared,
                single,
                node_port,
            }) => {
                let name = format!("{}.{}.svc", shared.name, shared.namespace);
                exposed.names.insert(name, shared.addresses.clone());
                exposed.services = Sought::Found([shared, single]);
                exposed.node_port = Sought::Found(node_port);
            }
            Sought::Absent { why } => {
                exposed.services = Sought::Absent { why: why.clone() };
                exposed.node_port = Sought::Absent { why };
            }
            Sought::Lost { error } => {
                exposed.services = Sought::Lost {
                    error: error.clone(),
                };
                exposed.node_port = Sought::Lost { error };
            }
        }
        Ok(exposed)
    }
}

impl Exposed {
    /// The pods with a hostPort that run.
    pub fn running_pods(&self) -> Vec<PodRef> {
        let made = self.host_ports.found();
        made.map(PortPods::running_pods).unwrap_or_default()
    }

    /// Takes away what is no part of the cluster.
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

/// Pods that services can have behind them: of the run's namespace, in the pod network, running. In their order.
fn backends(pods: &[Pod], namespace: &str) -> Vec<PodRef> {
    let fit = |pod: &&Pod| {
        !host_network(pod)
            && is_running(pod)
            && pod.metadata.namespace.as_deref() == Some(namespace)
    };
    pods.iter().filter(fit).map(PodRef::of).collect()
}

/// An address of the API's, as ours.
fn address(what: &str, text: &str) -> Result<IpAddr> {
    text.parse()
        .map_err(|e| Error::failed(format!("{what}: address {text:?}"), e))
}
