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
    /// What joins the nodes.
    Wire,
}

/// An IP family of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// Its place in the lists of addresses and ranges.
    pub(crate) at: usize,
    pub(crate) is_v6: bool,
}

impl Family {
    /// What is of IPv4, or what is of IPv6.
    pub(crate) fn of<T>(self, [v4, v6]: [T; 2]) -> T {
        if self.is_v6 { v6 } else { v4 }
    }

    /// `4` or `6`, for `ip -4`.
    pub(crate) fn digit(self) -> u8 {
        self.of([4, 6])
    }

    /// The prefix length of one address.
    pub(crate) fn host_bits(self) -> u8 {
        self.of([32, 128])
    }

    /// As nft calls it.
    pub(crate) fn layer(self) -> &'static str {
        self.of(["ip", "ip6"])
    }
}

pub(crate) struct Node {
    pub(crate) name: String,
    /// The other end of its uplink, on what joins the nodes.
    pub(crate) wire_port: String,
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
    /// Whether each node is in a network of its own, behind a router.
    pub(crate) is_routed: bool,
}

impl Ground {
    /// IPv4 first.
    pub(crate) fn families(&self) -> Vec<Family> {
        let ips = self.nodes[0].ips.iter().enumerate();
        ips.map(|(at, ip)| Family {
            at,
            is_v6: ip.is_ipv6(),
        })
        .collect()
    }

    /// The node of a namespace; none has what joins them.
    pub(crate) fn node_of(&self, spot: Spot) -> Option<usize> {
        match spot {
            Spot::Node(node) => Some(node),
            Spot::Pod(pod) => Some(self.pods[pod].node),
            Spot::Wire => None,
        }
    }

    pub(crate) fn netns(&self, spot: Spot) -> Netns {
        match spot {
            Spot::Node(node) => Netns::Node(self.nodes[node].name.clone()),
            Spot::Pod(pod) => Netns::Pod(self.pods[pod].reference.clone()),
            Spot::Wire => Netns::Wire,
        }
    }

    pub(crate) fn ips(&self, spot: Spot) -> &[IpAddr] {
        match spot {
            Spot::Node(node) => &self.nodes[node].ips,
            Spot::Pod(pod) => &self.pods[pod].ips,
            Spot::Wire => &[],
        }
    }

    /// Those that are to reach each other.
    pub(crate) fn spots(&self) -> impl Iterator<Item = Spot> {
        let nodes = (0..self.nodes.len()).map(Spot::Node);
        nodes.chain((0..self.pods.len()).map(Spot::Pod))
    }

    /// The first address of that node's podCIDR, which its bridge holds.
    pub(crate) fn gateway(&self, node: usize, family: Family) -> IpAddr {
        let cidr = self.nodes[node].cidrs[family.at];
        let mut hosts = cidr.hosts().filter(|host| *host != cidr.network());
        hosts.next().unwrap_or(cidr.addr())
    }
}
