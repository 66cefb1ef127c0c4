//! Validates the node list: finds this node, the remote nodes that can be served, and every fault of the others.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use flatnet_model::reserved;
use flatnet_netlink::MacAddr;
use ipnet::IpNet;

use crate::node::{Node, NodesFile};
use crate::node_fault::NodeFault;
use crate::valid_node::{ValidNode, family_of};
use crate::{Error, Result};

/// The cluster as this node sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) own: ValidNode,
    /// The other nodes, in the list's order. No two nodes share an address, and no two podCIDRs overlap.
    pub(crate) remotes: Vec<ValidNode>,
    /// Cluster CIDRs, as in the list.
    pub(crate) pod_network: Vec<IpNet>,
    /// InternalIPs of every node in the list, including nodes that are left out.
    pub(crate) node_addresses: Vec<IpAddr>,
    /// Gateways of podCIDRs that this node had before and whose pods still run, each with its prefix length. The list does not know them.
    pub(crate) former: Vec<IpNet>,
}

impl Cluster {
    /// Validates the list as seen by the node `own`. Also returns an error for each entry that cannot be served, with all
    /// its faults. If two entries conflict, this node takes precedence, then the earlier one.
    ///
    /// # Errors
    /// This node is not in the list, or its own entry is not usable.
    pub(crate) fn new(list: &NodesFile, own: &str) -> Result<(Cluster, Vec<Error>)> {
        let mine = list
            .nodes
            .iter()
            .position(|n| n.name == own)
            .ok_or_else(|| Error::NodeNotListed {
                name: own.to_owned(),
                listed: list.nodes.iter().map(|n| n.name.clone()).collect(),
            })?;
        let own = validate(&list.nodes[mine]).map_err(|faults| Error::OwnNode {
            name: own.to_owned(),
            faults,
        })?;
        let mut taken = Taken::default();
        taken.add(&own);
        let mut remotes = Vec::new();
        let mut left_out = Vec::new();
        for (_, node) in list.nodes.iter().enumerate().filter(|(i, _)| *i != mine) {
            match validate(node).and_then(|node| taken.check(node)) {
                Ok(node) => {
                    taken.add(&node);
                    remotes.push(node);
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
                former: Vec::new(),
            },
            left_out,
        ))
    }
}

/// Validates one entry on its own.
fn validate(node: &Node) -> std::result::Result<ValidNode, Vec<NodeFault>> {
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
        faults.extend(
            reserved::overlapping(cidr)
                .map(|(range, purpose)| NodeFault::Reserved(*cidr, range, purpose)),
        );
        faults.extend(
            node.addresses
                .iter()
                .filter(|address| cidr.contains(*address))
                .map(|address| NodeFault::CoversNode(*cidr, *address, node.name.clone())),
        );
    }
    match node.pod_cidrs.first() {
        Some(first) if faults.is_empty() => Ok(ValidNode {
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

/// Names, addresses and ranges of the nodes accepted so far.
#[derive(Default)]
struct Taken {
    names: HashSet<String>,
    addresses: BTreeMap<IpAddr, String>,
    macs: HashMap<MacAddr, String>,
    /// By base address; none overlaps another.
    pod_cidrs: BTreeMap<IpAddr, (IpNet, String)>,
}

impl Taken {
    fn add(&mut self, node: &ValidNode) {
        let name = &node.name;
        self.names.insert(name.clone());
        self.macs.insert(node.vtep_mac, name.clone());
        self.addresses
            .extend(node.addresses.iter().map(|a| (*a, name.clone())));
        self.pod_cidrs.extend(
            node.pod_cidrs
                .iter()
                .map(|c| (c.network(), (*c, name.clone()))),
        );
    }

    /// The accepted podCIDR that contains an address.
    fn range_around(&self, address: IpAddr) -> Option<&(IpNet, String)> {
        let (_, nearest) = self.pod_cidrs.range(..=address).next_back()?;
        nearest.0.contains(&address).then_some(nearest)
    }

    /// Returns the node if it conflicts with none of the accepted ones.
    fn check(&self, node: ValidNode) -> std::result::Result<ValidNode, Vec<NodeFault>> {
        let mut faults = Vec::new();
        if self.names.contains(&node.name) {
            faults.push(NodeFault::NameTaken);
        }
        for address in &node.addresses {
            faults.extend(
                self.addresses
                    .get(address)
                    .map(|by| NodeFault::AddressTaken(*address, by.clone())),
            );
            faults
                .extend(self.range_around(*address).map(|(theirs, by)| {
                    NodeFault::AddressInPodCidr(*address, *theirs, by.clone())
                }));
        }
        for cidr in &node.pod_cidrs {
            let up_to_its_end = self.pod_cidrs.range(..=cidr.broadcast()).rev();
            let overlapping =
                up_to_its_end.take_while(|(_, (theirs, _))| theirs.broadcast() >= cidr.network());
            faults.extend(
                overlapping
                    .map(|(_, (theirs, by))| NodeFault::PodCidrTaken(*cidr, by.clone(), *theirs)),
            );
            let covered = self.addresses.range(cidr.network()..=cidr.broadcast());
            faults.extend(
                covered
                    .filter(|(address, _)| cidr.contains(*address))
                    .map(|(address, by)| NodeFault::CoversNode(*cidr, *address, by.clone())),
            );
        }
        if faults.is_empty() {
            faults.extend(
                self.macs
                    .get(&node.vtep_mac)
                    .map(|by| NodeFault::MacTaken(node.vtep_mac, by.clone())),
            );
        }
        if faults.is_empty() {
            Ok(node)
        } else {
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests;
