//! The cluster into which a fault is planted: names, addresses and devices as they are now.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_lab::{LabSpec, LabTarget};
use flatnet_model::probe::{Facts, NetworkNamespace, ask};
use flatnet_model::snapshot::{NodeSnapshot, PodSnapshot};
use futures::{StreamExt, TryStreamExt, stream};
use ipnet::{IpAdd, IpNet};

use crate::{Error, Result};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::observe::once::Probes;
use flatnet_cluster::status;
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
    /// A process in its network namespace, as its node counts.
    pub pid: u32,
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
    /// Looks around. Pods that were `wanted` come in that order, so that a fault hits the same pod on every run.
    ///
    /// # Errors
    /// A lab or a pod that does not say how it is wired.
    pub async fn of(
        lab: &LabCluster,
        wanted: &[PodRef],
        pod_network: &[IpNet],
    ) -> Result<LabContext> {
        let nodes = lab.nodes().await?;
        let nodes: Vec<NodeSnapshot> = nodes.iter().map(status::node).collect::<Result<_>>()?;
        let objects = lab.pods().await?;
        let objects = objects.iter().map(status::pod);
        let mut objects: Vec<PodSnapshot> = objects.collect::<Result<_>>()?;
        objects.sort_by_key(|pod| wanted.iter().position(|wanted| *wanted == pod.reference));
        let around = Around::look(lab, &nodes).await?;
        let wired = objects.into_iter().filter(|pod| !pod.host_network);
        let wired = wired.filter_map(|object| {
            let ip = object.ips.first().copied()?;
            Some(WiredPod::of(&around, object, ip))
        });
        let pods = stream::iter(wired).buffered(AT_ONCE).try_collect().await?;
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

    /// What lines of shell and expectations call by a name: addresses of the first family without an ending, IPv6 ones beside IPv4 with
    /// `_V6`.
    ///
    /// # Errors
    /// A range without a second address.
    pub fn variables(&self) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        let mut add = |name: &str, number: usize, second: usize, value: String| {
            let ending = ["", "_V6"][second.min(1)];
            all.insert(format!("{name}{}{ending}", number + 1), value);
        };
        for (number, node) in self.nodes.iter().enumerate() {
            for (second, range) in by_family(&node.pod_cidrs, |n| n.addr().is_ipv6()).enumerate() {
                let gateway = host(range, 1)?;
                let strange = host(range, 200)?;
                add("CIDR", number, second, range.to_string());
                add("GATEWAY", number, second, gateway.to_string());
                add("NOBODY", number, second, strange.to_string());
            }
            for (second, ip) in by_family(&node.internal_ips, IpAddr::is_ipv6).enumerate() {
                add("NODE", number, second, ip.to_string());
            }
            add("WIRE", number, 0, LabSpec::wire_port(&node.name));
        }
        for (number, pod) in self.pods.iter().enumerate() {
            for (second, ip) in by_family(&pod.object.ips, IpAddr::is_ipv6).enumerate() {
                add("POD", number, second, ip.to_string());
            }
            add("HOST", number, 0, pod.host_end.clone());
        }
        Ok(all)
    }

    /// Another pod on the node of `pod`.
    pub(super) fn neighbour_of(&self, pod: &WiredPod) -> Result<&WiredPod> {
        let other = self.pods.iter().find(|p| {
            p.object.node == pod.object.node && p.object.reference != pod.object.reference
        });
        other.ok_or_else(|| Error::Failed(format!("{} has no second pod", pod.object.node)))
    }
}

/// The address of that number in a range.
pub(super) fn host(range: IpNet, number: u8) -> Result<IpAddr> {
    let address = match range.network() {
        IpAddr::V4(base) => IpAddr::V4(base.saturating_add(number.into())),
        IpAddr::V6(base) => IpAddr::V6(base.saturating_add(number.into())),
    };
    if range.contains(&address) {
        Ok(address)
    } else {
        Err(Error::Failed(format!(
            "{range} has no address number {number}"
        )))
    }
}

/// IPv4 first.
fn by_family<T: Copy>(all: &[T], is_v6: impl Fn(&T) -> bool) -> impl Iterator<Item = T> {
    let (v6, v4): (Vec<T>, Vec<T>) = all.iter().partition(|one| is_v6(one));
    v4.into_iter().chain(v6)
}

impl WiredPod {
    async fn of(around: &Around, object: PodSnapshot, ip: IpAddr) -> Result<WiredPod> {
        let name = &object.reference;
        let inside = facts(&around.probes, &Target::Pod(name.clone())).await?;
        let outside = around.nodes.get(&object.node);
        let address = inside.address(ip);
        let peer = address
            .and_then(|a| inside.link(a.index))
            .and_then(|l| l.link);
        let host_end = peer
            .and_then(|peer| outside?.link(peer))
            .map(|l| l.name.clone());
        let mut namespaces = around.namespaces.iter();
        let own = namespaces.find(|netns| netns.addresses.contains(&ip));
        let prefix_len = address.map(|address| address.net.prefix_len());
        match (prefix_len, host_end, own) {
            (Some(prefix_len), Some(host_end), Some(own)) => Ok(WiredPod {
                object,
                ip,
                host_end,
                prefix_len,
                pid: own.pid,
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

/// Looks at so many namespaces side by side.
const AT_ONCE: usize = 8;

/// What a pod's wiring is found in.
struct Around {
    probes: Probes,
    nodes: BTreeMap<String, Facts>,
    /// Of the whole lab: its nodes see each other's processes.
    namespaces: Vec<NetworkNamespace>,
}

impl Around {
    async fn look(lab: &LabCluster, nodes: &[NodeSnapshot]) -> Result<Around> {
        let probes = Probes::on(Arc::new(lab.clone()));
        let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
        let looks = names.into_iter().map(|name| async {
            let found = facts(&probes, &Target::Node(name.clone())).await?;
            Ok::<_, Error>((name, found))
        });
        let found = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        let first = nodes.first().map(|node| Target::Node(node.name.clone()));
        let first = first.ok_or_else(|| Error::Failed("the lab has no node".to_owned()))?;
        let proc = "/proc".to_owned();
        let question = ask::NetworkNamespaces { proc };
        let namespaces = probes.ask(&first, &question).await?.namespaces;
        Ok(Around {
            probes,
            nodes: found,
            namespaces,
        })
    }
}

async fn facts(probes: &Probes, at: &Target) -> Result<Facts> {
    let facts = probes.ask(at, &ask::Facts {}).await;
    facts.map_err(|e| Error::failed(format!("facts of {at}"), e))
}
