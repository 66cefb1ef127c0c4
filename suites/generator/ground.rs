//! What there is to break in a lab: nodes, pods, and how they are joined.
use std::net::IpAddr;

use flatnet_model::PodRef;
use flatnet_model::reference::Netns;
use ipnet::IpNet;

/// A network namespace of the lab, by its number in [`Ground`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    Node(usize),
    Pod(usize),
}

pub(crate) struct Node {
    pub(crate) name: String,
    /// One of each family, IPv4 first.
    pub(crate) ips: Vec<IpAddr>,
    /// One of each family, IPv4 first.
    pub(crate) cidrs: Vec<IpNet>,
    /// What `ip route show` says for its way to the podCIDR of each node of the lab, by family; nothing for its own.
    pub(crate) routes: Vec<Vec<Option<String>>>,
}

pub(crate) struct Pod {
    pub(crate) reference: PodRef,
    /// Number of its node.
    pub(crate) node: usize,
    /// One of each family, IPv4 first.
    pub(crate) ips: Vec<IpAddr>,
    /// Of a process in it, as its node sees it.
    pub(crate) pid: u32,
    /// The node's end of its veth.
    pub(crate) host_end: String,
}

pub(crate) struct Ground {
    pub(crate) nodes: Vec<Node>,
    pub(crate) pods: Vec<Pod>,
    /// Name of the device between nodes where VXLAN joins them.
    pub(crate) vxlan: Option<String>,
}

impl Ground {
    pub(crate) fn is_dual(&self) -> bool {
        self.nodes[0].ips.len() == 2
    }

    /// The node of a namespace.
    pub(crate) fn node_of(&self, spot: Spot) -> usize {
        match spot {
            Spot::Node(node) => node,
            Spot::Pod(pod) => self.pods[pod].node,
        }
    }

    pub(crate) fn netns(&self, spot: Spot) -> Netns {
        match spot {
            Spot::Node(node) => Netns::Node(self.nodes[node].name.clone()),
            Spot::Pod(pod) => Netns::Pod(self.pods[pod].reference.clone()),
        }
    }

    pub(crate) fn ips(&self, spot: Spot) -> &[IpAddr] {
        match spot {
            Spot::Node(node) => &self.nodes[node].ips,
            Spot::Pod(pod) => &self.pods[pod].ips,
        }
    }

    pub(crate) fn spots(&self) -> impl Iterator<Item = Spot> {
        let nodes = (0..self.nodes.len()).map(Spot::Node);
        nodes.chain((0..self.pods.len()).map(Spot::Pod))
    }

    /// The first address of that node's podCIDR, which its bridge holds.
    pub(crate) fn gateway(&self, node: usize, family: usize) -> IpAddr {
        let cidr = self.nodes[node].cidrs[family];
        let mut hosts = cidr.hosts().filter(|host| *host != cidr.network());
        hosts.next().unwrap_or(cidr.addr())
    }
}
