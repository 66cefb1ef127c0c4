//! What a run makes for those who use a cluster: services, pods with a port of their node, and a peer outside.
mod outside;
mod port_pods;
mod ready;
mod services;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::lifetime::Lifetime;
use super::plan::Plan;
use crate::events::{Event, Observer};
use crate::{Error, Result};
use flatnet_cluster::exposed::Exposed;
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::{Cluster, PodRef};
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::PodSnapshot;

/// Where it is made.
pub(super) struct Exposure<'a> {
    pub(super) cluster: &'a KubeCluster,
    pub(super) plan: &'a Plan,
    pub(super) lifetime: &'a Lifetime,
    pub(super) observer: &'a Observer,
}

impl Exposure<'_> {
    /// Creates everything, and waits until the API reports it ready. What cannot be created is an error in its place.
    ///
    /// # Errors
    /// Only where the nodes cannot be listed.
    pub(super) async fn expose(&self, pods: &[PodSnapshot]) -> Result<Exposed> {
        (self.observer)(&Event::Step(
            "creating services and pods with a hostPort".to_owned(),
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
        let services = Availability::from(services);
        let mut names = BTreeMap::from([(
            "kubernetes.default.svc".to_owned(),
            services::addresses(cluster.client(), "default", "kubernetes").await,
        )]);
        names.extend(services.found().map(|made| {
            let name = format!("{}.{}.svc", made.shared.name, made.shared.namespace);
            (name, Ok(made.shared.addresses.clone()))
        }));
        Ok(Exposed {
            client: cluster.client().clone(),
            names,
            dns_addresses: services::addresses(cluster.client(), "kube-system", "kube-dns")
                .await
                .unwrap_or_default(),
            node_port: services.as_ref().map(|made| made.node_port.clone()),
            services: services.map(|made| [made.shared, made.single]),
            host_ports: host_ports.into(),
            dns_servers: dns_servers.map_err(|e| e.to_string()),
            outside: outside.map(Arc::new),
        })
    }
}

/// Pods that services can have behind them: of the run's namespace, in the pod network, running. In their order.
fn backends(pods: &[PodSnapshot], namespace: &str) -> Vec<PodRef> {
    let fit = |pod: &&PodSnapshot| {
        !pod.host_network && pod.is_running() && pod.reference.namespace == namespace
    };
    let fit = pods.iter().filter(fit);
    fit.map(|pod| pod.reference.clone()).collect()
}

/// An address of the API's, as ours.
fn address(what: &str, text: &str) -> Result<IpAddr> {
    text.parse()
        .map_err(|e| Error::failed(format!("{what}: address {text:?}"), e))
}
