//! The node list, judged: who this node is, which others can be served, and everything that is wrong with the rest.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use flatnet_netlink::MacAddr;
use ipnet::IpNet;

use crate::member::{Member, family_of};
use crate::node::{Node, NodesFile};
use crate::{Error, Result};

/// The cluster as this node sees it.
#[derive(Debug)]
pub struct Cluster {
    /// This node.
    pub own: Member,
    /// The others, in the list's order. No podCIDR or address of theirs overlaps with another's.
    pub remotes: Vec<Member>,
    /// Cluster CIDRs, as given.
    pub pod_network: Vec<IpNet>,
    /// InternalIPs of every node of the list, those included that are left out.
    pub node_addresses: Vec<IpAddr>,
}

/// What is wrong with one entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// No InternalIP.
    NoAddress,
    /// No podCIDR: the controller has not assigned one yet.
    NoPodCidr,
    /// Two InternalIPs of one family.
    SecondAddress(IpAddr),
    /// An InternalIP that can be nobody's.
    UnusableAddress(IpAddr),
    /// Two podCIDRs of one family.
    SecondPodCidr(IpNet),
    /// A podCIDR with bits set behind its prefix.
    HostBits(IpNet),
    /// A podCIDR without room for a gateway and a pod.
    TooSmall(IpNet),
    /// An earlier entry has that name.
    NameTaken,
    /// Another node has that InternalIP.
    AddressTaken(IpAddr, String),
    /// Another node's podCIDR overlaps.
    PodCidrTaken(IpNet, String, IpNet),
    /// Another node's podCIDR gives the same VTEP MAC (IPv6: a hash).
    MacTaken(MacAddr, String),
}

impl NodeFault {
    /// Expected to pass by itself: the node is new.
    pub fn is_waiting(&self) -> bool {
        matches!(self, NodeFault::NoAddress | NodeFault::NoPodCidr)
    }
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeFault::NoAddress => write!(f, "it has no InternalIP yet"),
            NodeFault::NoPodCidr => write!(f, "it has no podCIDR yet"),
            NodeFault::SecondAddress(a) => write!(f, "address {a} is a second one of its family"),
            NodeFault::UnusableAddress(a) => write!(f, "address {a} cannot be a node's"),
            NodeFault::SecondPodCidr(c) => write!(f, "podCIDR {c} is a second one of its family"),
            NodeFault::HostBits(c) => write!(
                f,
                "podCIDR {c} has bits set behind its prefix (meant {}?)",
                c.trunc()
            ),
            NodeFault::TooSmall(c) => write!(f, "podCIDR {c} has no room for pods"),
            NodeFault::NameTaken => write!(f, "an earlier node has the same name"),
            NodeFault::AddressTaken(a, by) => write!(f, "address {a} is also that of node {by:?}"),
            NodeFault::PodCidrTaken(c, by, theirs) if c == theirs => {
                write!(f, "podCIDR {c} is also that of node {by:?}")
            }
            NodeFault::PodCidrTaken(c, by, theirs) => {
                write!(f, "podCIDR {c} overlaps with {theirs} of node {by:?}")
            }
            NodeFault::MacTaken(mac, by) => {
                write!(f, "its VTEP would have the MAC {mac} of node {by:?}")
            }
        }
    }
}

impl Cluster {
    /// Judges the list for the node `own`. Entries that cannot be served come back beside it, each with all its faults;
    /// among nodes that contradict each other this node wins, then the earlier one.
    ///
    /// # Errors
    /// This node is not in the list, or its own entry is not usable.
    pub fn new(list: &NodesFile, own: &str) -> Result<(Cluster, Vec<Error>)> {
        let mine = list
            .nodes
            .iter()
            .position(|n| n.name == own)
            .ok_or_else(|| Error::NodeNotListed {
                name: own.to_owned(),
                listed: list.nodes.iter().map(|n| n.name.clone()).collect(),
            })?;
        let own = member(&list.nodes[mine]).map_err(|faults| Error::OwnNode {
            name: own.to_owned(),
            faults,
        })?;
        let mut taken = Taken::default();
        taken.by(&own);
        let mut remotes = Vec::new();
        let mut left_out = Vec::new();
        for (_, node) in list.nodes.iter().enumerate().filter(|(i, _)| *i != mine) {
            match member(node).and_then(|m| taken.check(m)) {
                Ok(member) => {
                    taken.by(&member);
                    remotes.push(member);
                }
                Err(faults) => left_out.push(Error::LeftOut {
                    name: node.name.clone(),
                    faults,
                }),
            }
        }
        let node_addresses = list
            .nodes
            .iter()
            .flat_map(|n| n.addresses.iter().copied())
            .collect();
        Ok((
            Cluster {
                own,
                remotes,
                pod_network: list.pod_network.clone(),
                node_addresses,
            },
            left_out,
        ))
    }
}

/// What one entry says by itself.
fn member(node: &Node) -> std::result::Result<Member, Vec<NodeFault>> {
    let mut faults = Vec::new();
    if node.addresses.is_empty() {
        faults.push(NodeFault::NoAddress);
    }
    for (i, address) in node.addresses.iter().enumerate() {
        if node.addresses[..i]
            .iter()
            .any(|a| family_of(*a) == family_of(*address))
        {
            faults.push(NodeFault::SecondAddress(*address));
        }
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            faults.push(NodeFault::UnusableAddress(*address));
        }
    }
    for (i, cidr) in node.pod_cidrs.iter().enumerate() {
        if node.pod_cidrs[..i]
            .iter()
            .any(|c| family_of(c.addr()) == family_of(cidr.addr()))
        {
            faults.push(NodeFault::SecondPodCidr(*cidr));
        }
        if cidr.trunc() != *cidr {
            faults.push(NodeFault::HostBits(*cidr));
        }
        // Base address, gateway, one pod, and the broadcast address of IPv4.
        if cidr.max_prefix_len() - cidr.prefix_len() < 2 {
            faults.push(NodeFault::TooSmall(*cidr));
        }
    }
    match node.pod_cidrs.first() {
        Some(first) if faults.is_empty() => Ok(Member {
            name: node.name.clone(),
            addresses: node.addresses.clone(),
            pod_cidrs: node.pod_cidrs.clone(),
            vtep_mac: MacAddr::from_ip(first.network()),
        }),
        Some(_) => Err(faults),
        None => {
            faults.push(NodeFault::NoPodCidr);
            Err(faults)
        }
    }
}

/// What the nodes judged so far have, and who.
#[derive(Default)]
struct Taken {
    names: HashSet<String>,
    addresses: HashMap<IpAddr, String>,
    macs: HashMap<MacAddr, String>,
    /// By base address; none overlaps another.
    pod_cidrs: BTreeMap<IpAddr, (IpNet, String)>,
}

impl Taken {
    fn by(&mut self, member: &Member) {
        let name = &member.name;
        self.names.insert(name.clone());
        self.macs.insert(member.vtep_mac, name.clone());
        self.addresses
            .extend(member.addresses.iter().map(|a| (*a, name.clone())));
        self.pod_cidrs.extend(
            member
                .pod_cidrs
                .iter()
                .map(|c| (c.network(), (*c, name.clone()))),
        );
    }

    /// The member, if nothing of it is taken.
    fn check(&self, member: Member) -> std::result::Result<Member, Vec<NodeFault>> {
        let mut faults = Vec::new();
        if self.names.contains(&member.name) {
            faults.push(NodeFault::NameTaken);
        }
        for address in &member.addresses {
            faults.extend(
                self.addresses
                    .get(address)
                    .map(|by| NodeFault::AddressTaken(*address, by.clone())),
            );
        }
        for cidr in &member.pod_cidrs {
            let up_to_its_end = self.pod_cidrs.range(..=cidr.broadcast()).rev();
            let overlapping =
                up_to_its_end.take_while(|(_, (theirs, _))| theirs.broadcast() >= cidr.network());
            faults.extend(
                overlapping
                    .map(|(_, (theirs, by))| NodeFault::PodCidrTaken(*cidr, by.clone(), *theirs)),
            );
        }
        if faults.is_empty() {
            faults.extend(
                self.macs
                    .get(&member.vtep_mac)
                    .map(|by| NodeFault::MacTaken(member.vtep_mac, by.clone())),
            );
        }
        if faults.is_empty() {
            Ok(member)
        } else {
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests;
