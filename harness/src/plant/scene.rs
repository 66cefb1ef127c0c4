//! The cluster into which a fault is planted: names, addresses and devices as they are now.
use flatnet_cluster::status::pod_ref;
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_agent::node::Node;
use flatnet_lab::Place;
use flatnet_model::probe::{Facts, ask};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;

use crate::{Error, Result};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::observe::once::Probes;
use flatnet_cluster::{Cluster, PodRef, Target};

/// A pod of the pod network that runs.
pub struct ScenePod {
    /// Name.
    pub name: PodRef,
    /// Its node.
    pub node: String,
    /// Its first IP.
    pub ip: IpAddr,
    /// The node's end of its veth.
    pub host_end: String,
    /// Prefix length of its address.
    pub prefix_len: u8,
}

/// What there is to break.
pub struct Scene {
    /// Nodes, in order.
    pub nodes: Vec<Node>,
    /// Pods of the pod network, in order.
    pub pods: Vec<ScenePod>,
    /// Pod network ranges.
    pub pod_network: Vec<IpNet>,
}

impl Scene {
    /// Looks around.
    pub(super) async fn of(
        lab: &LabCluster,
        wanted: &[Pod],
        pod_network: &[IpNet],
    ) -> Result<Scene> {
        let nodes: Vec<Node> = lab
            .nodes()
            .await?
            .iter()
            .map(flatnet_cluster::status::node_of)
            .collect::<Result<_>>()?;
        let mut scene = Scene {
            nodes,
            pods: Vec::new(),
            pod_network: pod_network.to_vec(),
        };
        let probes = Probes::on(Arc::new(lab.clone()));
        let mut objects = lab.pods().await?;
        // In the order in which they were wanted, so that a fault hits the same pod on every run.
        objects.sort_by_key(|pod| {
            wanted
                .iter()
                .position(|p| p.metadata.name == pod.metadata.name)
        });
        for pod in objects
            .iter()
            .filter(|pod| !flatnet_cluster::status::host_network(pod))
        {
            let name = pod_ref(pod);
            let Some(ip) = pod
                .status
                .as_ref()
                .and_then(|s| s.pod_ip.as_ref())
                .and_then(|ip| ip.parse().ok())
            else {
                continue;
            };
            let node = pod
                .spec
                .as_ref()
                .and_then(|s| s.node_name.clone())
                .unwrap_or_default();
            let inside = facts(&probes, &Target::Pod(name.clone())).await?;
            let outside = facts(&probes, &Target::Node(node.clone())).await?;
            let address = inside.addresses.iter().find(|a| a.net.addr() == ip);
            let peer = address
                .and_then(|a| inside.links.iter().find(|l| l.index == a.index))
                .and_then(|l| l.link);
            let host_end = peer
                .and_then(|peer| outside.links.iter().find(|l| l.index == peer))
                .map(|l| l.name.clone());
            let (Some(address), Some(host_end)) = (address, host_end) else {
                return Err(Error::Failed(format!(
                    "pod {name}: its interface with {ip} and the node's end of it are not to be found"
                )));
            };
            scene.pods.push(ScenePod {
                name,
                node,
                ip,
                host_end,
                prefix_len: address.net.prefix_len(),
            });
        }
        Ok(scene)
    }

    /// The node of that number, from 1.
    pub(super) fn node(&self, number: usize) -> Result<&Node> {
        self.nodes
            .get(number - 1)
            .ok_or_else(|| Error::Failed(format!("there is no node {number} to plant a fault on")))
    }

    /// The namespace of the node of that number, from 1.
    pub(super) fn on(&self, number: usize) -> Result<Place> {
        Ok(Place::Node(self.node(number)?.name.clone()))
    }

    /// The podCIDR (of the pods' first family) of the node of that number.
    pub(super) fn cidr(&self, number: usize) -> Result<IpNet> {
        let node = self.node(number)?;
        node.pod_cidrs
            .first()
            .copied()
            .ok_or_else(|| Error::Failed(format!("{} has no podCIDR", node.name)))
    }

    /// The node address of the family of its first podCIDR.
    pub(super) fn way_to(&self, number: usize) -> Result<IpAddr> {
        let v4 = self.cidr(number)?.addr().is_ipv4();
        let node = self.node(number)?;
        let way = node.addresses.iter().copied().find(|a| a.is_ipv4() == v4);
        way.ok_or_else(|| {
            Error::Failed(format!(
                "{} has no address of the family of its podCIDR",
                node.name
            ))
        })
    }

    /// The pod of that number, from 1.
    pub(super) fn pod(&self, number: usize) -> Result<&ScenePod> {
        self.pods.get(number - 1).ok_or_else(|| {
            Error::Failed(format!(
                "there is no running pod {number} to plant a fault in"
            ))
        })
    }

    /// Another pod on the node of `pod`.
    pub(super) fn neighbour_of(&self, pod: &ScenePod) -> Result<&ScenePod> {
        let other = self
            .pods
            .iter()
            .find(|p| p.node == pod.node && p.name != pod.name);
        other.ok_or_else(|| Error::Failed(format!("{} has no second pod", pod.node)))
    }
}

impl ScenePod {
    /// Its namespace.
    pub(super) fn place(&self) -> Place {
        Place::Pod(self.name.namespace.clone(), self.name.name.clone())
    }

    /// Its address with prefix length.
    pub(super) fn net(&self) -> Result<IpNet> {
        IpNet::new(self.ip, self.prefix_len)
            .map_err(|e| Error::failed(format!("address of {}", self.name), e))
    }
}

async fn facts(probes: &Probes, at: &Target) -> Result<Facts> {
    let facts = probes.ask(at, &ask::Facts {}).await;
    facts.map_err(|e| Error::failed(format!("facts of {at}"), e))
}
