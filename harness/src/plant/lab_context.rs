//! The cluster into which a fault is planted: names, addresses and devices as they are now.
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_lab::LabTarget;
use flatnet_model::probe::{Facts, ask};
use flatnet_model::snapshot::{NodeSnapshot, PodSnapshot};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;

use crate::{Error, Result};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::observe::once::Probes;
use flatnet_cluster::status::{self, pod_ref};
use flatnet_cluster::{Cluster, PodRef, Target};

/// A pod of the pod network that runs, and how it is wired.
pub struct WiredPod {
    /// As the API describes it.
    pub object: PodSnapshot,
    /// Its first IP.
    pub ip: IpAddr,
    /// The node's end of its veth.
    pub host_end: String,
    /// Prefix length of its address.
    pub prefix_len: u8,
}

/// What there is to break.
pub struct LabContext {
    /// Nodes, in order.
    pub nodes: Vec<NodeSnapshot>,
    /// Pods of the pod network, in order.
    pub pods: Vec<WiredPod>,
    /// Pod network ranges.
    pub pod_network: Vec<IpNet>,
}

impl LabContext {
    /// Looks around.
    pub(super) async fn of(
        lab: &LabCluster,
        wanted: &[Pod],
        pod_network: &[IpNet],
    ) -> Result<LabContext> {
        let nodes = lab.nodes().await?;
        let nodes = nodes.iter().map(status::node).collect::<Result<_>>()?;
        let objects = lab.pods().await?;
        let objects = objects.iter().map(status::pod);
        let mut objects: Vec<PodSnapshot> = objects.collect::<Result<_>>()?;
        // In the order in which they were wanted, so that a fault hits the same pod on every run.
        let wanted: Vec<PodRef> = wanted.iter().map(pod_ref).collect();
        objects.sort_by_key(|pod| wanted.iter().position(|wanted| *wanted == pod.reference));
        let probes = Probes::on(Arc::new(lab.clone()));
        let mut pods = Vec::new();
        for object in objects.into_iter().filter(|pod| !pod.host_network) {
            if let Some(ip) = object.ips.first().copied() {
                pods.push(WiredPod::of(&probes, object, ip).await?);
            }
        }
        Ok(LabContext {
            nodes,
            pods,
            pod_network: pod_network.to_vec(),
        })
    }

    /// The node of that number, from 1.
    pub(super) fn node(&self, number: usize) -> Result<&NodeSnapshot> {
        self.nodes
            .get(number - 1)
            .ok_or_else(|| Error::Failed(format!("there is no node {number} to plant a fault on")))
    }

    /// The namespace of the node of that number, from 1.
    pub(super) fn on(&self, number: usize) -> Result<LabTarget> {
        Ok(LabTarget::Node(self.node(number)?.name.clone()))
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
        let way = node
            .internal_ips
            .iter()
            .copied()
            .find(|a| a.is_ipv4() == v4);
        way.ok_or_else(|| {
            Error::Failed(format!(
                "{} has no address of the family of its podCIDR",
                node.name
            ))
        })
    }

    /// The pod of that number, from 1.
    pub(super) fn pod(&self, number: usize) -> Result<&WiredPod> {
        self.pods.get(number - 1).ok_or_else(|| {
            Error::Failed(format!(
                "there is no running pod {number} to plant a fault in"
            ))
        })
    }

    /// Another pod on the node of `pod`.
    pub(super) fn neighbour_of(&self, pod: &WiredPod) -> Result<&WiredPod> {
        let other = self.pods.iter().find(|p| {
            p.object.node == pod.object.node && p.object.reference != pod.object.reference
        });
        other.ok_or_else(|| Error::Failed(format!("{} has no second pod", pod.object.node)))
    }
}

impl WiredPod {
    async fn of(probes: &Probes, object: PodSnapshot, ip: IpAddr) -> Result<WiredPod> {
        let name = &object.reference;
        let inside = facts(probes, &Target::Pod(name.clone())).await?;
        let outside = facts(probes, &Target::Node(object.node.clone())).await?;
        let address = inside.address(ip);
        let peer = address
            .and_then(|a| inside.link(a.index))
            .and_then(|l| l.link);
        let host_end = peer
            .and_then(|peer| outside.link(peer))
            .map(|l| l.name.clone());
        match (address.map(|address| address.net.prefix_len()), host_end) {
            (Some(prefix_len), Some(host_end)) => Ok(WiredPod {
                object,
                ip,
                host_end,
                prefix_len,
            }),
            _ => Err(Error::Failed(format!(
                "pod {name}: its interface with {ip} and the node's end of it cannot be found"
            ))),
        }
    }

    /// Its network namespace.
    pub(super) fn place(&self) -> LabTarget {
        let PodRef { namespace, name } = self.object.reference.clone();
        LabTarget::Pod(namespace, name)
    }

    /// Its address with prefix length.
    pub(super) fn net(&self) -> Result<IpNet> {
        IpNet::new(self.ip, self.prefix_len)
            .map_err(|e| Error::failed(format!("address of {}", self.object.reference), e))
    }
}

async fn facts(probes: &Probes, at: &Target) -> Result<Facts> {
    let facts = probes.ask(at, &ask::Facts {}).await;
    facts.map_err(|e| Error::failed(format!("facts of {at}"), e))
}
