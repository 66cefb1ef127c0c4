//! What this node should look like. Pure: list and uplink in, description out.
use std::net::IpAddr;

use clap::ValueEnum;
use flatnet_netlink::MacAddr;
use flatnet_netlink::nft::{Table, masquerade_table};
use flatnet_netlink::route::Family;
use ipnet::IpNet;

use crate::cluster::Cluster;
use crate::member::{Member, family_name, family_of};
use crate::uplink::Uplink;
use crate::{Error, Result};

/// The smallest MTU of IPv6, bytes (RFC 8200 section 5).
const LEAST_MTU_V6: u32 = 1280;
/// The size every IPv4 host must take, bytes (RFC 791 section 3.1).
const LEAST_MTU_V4: u32 = 576;
/// Name of the masquerade table.
pub const TABLE: &str = "flatnet";

/// How packets get to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Plain routes to nodes on link of the uplink, VXLAN to the others.
    Auto,
    /// VXLAN to all.
    Vxlan,
    /// Plain routes to all; nodes that are not on link cannot be reached.
    Routes,
}

/// What the command line decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How packets get to other nodes.
    pub backend: Backend,
    /// VXLAN network identifier, 0 to 2^24-1.
    pub vni: u32,
    /// UDP port of VXLAN.
    pub port: u16,
    /// Pod MTU in bytes; the largest that fits unless given.
    pub mtu: Option<u32>,
    /// Name of the bridge of the pods.
    pub bridge: String,
    /// Whether traffic that leaves the pod network gets the node's address.
    pub masquerade: bool,
}

/// The whole description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The bridge of the pods.
    pub bridge: Bridge,
    /// The tunnel's device, if any other node needs it (or it is forced).
    pub vxlan: Option<Vxlan>,
    /// Ways to the other nodes.
    pub ways: Vec<Way>,
    /// The masquerade, unless switched off.
    pub masquerade: Option<Table>,
    /// This node's pod ranges.
    pub pod_cidrs: Vec<IpNet>,
    /// Cluster CIDRs.
    pub pod_network: Vec<IpNet>,
    /// MTU of the pods and of the bridge, bytes.
    pub pod_mtu: u32,
    /// Largest packet that fits between nodes whatever the way, bytes.
    pub fitting_mtu: u32,
}

/// The bridge, as the plugin makes it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Interface name.
    pub name: String,
    /// MAC, derived from the first gateway address.
    pub mac: MacAddr,
    /// MTU, bytes.
    pub mtu: u32,
    /// Gateway addresses, each with its podCIDR's prefix length.
    pub gateways: Vec<IpNet>,
}

/// The VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan {
    /// Interface name, `flatnet.<vni>`.
    pub name: String,
    /// VXLAN network identifier.
    pub vni: u32,
    /// UDP port.
    pub port: u16,
    /// Outer source address.
    pub local: IpAddr,
    /// MAC by which the others know it.
    pub mac: MacAddr,
    /// MTU: the uplink's less the outer headers, bytes.
    pub mtu: u32,
    /// Its own addresses: the base of each of this node's podCIDRs, host prefixes. They are the source of what the
    /// node itself sends to pods behind the tunnel, so that answers come back the same way.
    pub addresses: Vec<IpNet>,
}

/// The way to one other node's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The other node.
    pub node: String,
    /// Its podCIDRs and the next hop to each.
    pub hops: Vec<(IpNet, Hop)>,
    /// The far end of the tunnel, if a hop uses it.
    pub vtep: Option<Vtep>,
}

/// A next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The node itself, on link of the uplink.
    Direct(IpAddr),
    /// The other end of the tunnel ([`Member::tunnel_hop`]).
    Tunnel(IpAddr),
}

impl Hop {
    /// The next hop, if it is in the tunnel.
    pub fn tunnel(self) -> Option<IpAddr> {
        match self {
            Hop::Direct(_) => None,
            Hop::Tunnel(hop) => Some(hop),
        }
    }
}

/// The far end of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vtep {
    /// MAC of the other node's VXLAN device.
    pub mac: MacAddr,
    /// Where its packets go: the other node's InternalIP of the outer family.
    pub outer: IpAddr,
}

impl Desired {
    /// Works it out. Nodes (or podCIDRs) that have no way come back beside it.
    ///
    /// # Errors
    /// The bridge is the uplink, or the MTU is too small for the pods' IP family.
    pub fn new(
        cluster: &Cluster,
        uplink: &Uplink,
        settings: &Settings,
    ) -> Result<(Desired, Vec<Error>)> {
        if uplink.name == settings.bridge {
            return Err(Error::BridgeIsUplink {
                bridge: settings.bridge.clone(),
            });
        }
        let (ways, unreachable) = ways(cluster, uplink, settings.backend);
        let tunnelled = settings.backend == Backend::Vxlan || ways.iter().any(|w| w.vtep.is_some());
        let tunnel_mtu = uplink.mtu.saturating_sub(overhead(uplink.address));
        let fitting_mtu = if tunnelled { tunnel_mtu } else { uplink.mtu };
        let pod_mtu = settings.mtu.unwrap_or(fitting_mtu);
        let own = &cluster.own;
        for cidr in own.pod_cidrs() {
            let family = family_of(cidr.addr());
            let least = if family == Family::V4 {
                LEAST_MTU_V4
            } else {
                LEAST_MTU_V6
            };
            if pod_mtu < least {
                let uplink = uplink.name.clone();
                return Err(Error::MtuTooSmall {
                    mtu: pod_mtu,
                    least,
                    family: family_name(family),
                    uplink,
                });
            }
        }
        let gateways: Vec<_> = own.gateways().collect();
        let desired = Desired {
            bridge: Bridge {
                name: settings.bridge.clone(),
                mac: MacAddr::from_ip(gateways.first().map_or(uplink.address, IpNet::addr)),
                mtu: pod_mtu,
                gateways,
            },
            vxlan: tunnelled.then(|| Vxlan {
                name: format!("flatnet.{}", settings.vni),
                vni: settings.vni,
                port: settings.port,
                local: uplink.address,
                mac: own.vtep_mac(),
                mtu: tunnel_mtu,
                addresses: own.vtep_addresses().map(IpNet::from).collect(),
            }),
            ways,
            masquerade: settings
                .masquerade
                .then(|| masquerade_table(TABLE, own.pod_cidrs(), &unmasked(cluster))),
            pod_cidrs: own.pod_cidrs().to_vec(),
            pod_network: cluster.pod_network.clone(),
            pod_mtu,
            fitting_mtu,
        };
        Ok((desired, unreachable))
    }

    /// Whether this node has pods of that family.
    pub fn has_pods(&self, family: Family) -> bool {
        self.pod_cidrs.iter().any(|c| family_of(c.addr()) == family)
    }
}

/// Bytes that VXLAN puts around an IP packet: inner Ethernet 14, VXLAN 8, UDP 8, outer IP 20 or 40 (RFC 7348 section 5).
fn overhead(local: IpAddr) -> u32 {
    if local.is_ipv4() { 50 } else { 70 }
}

/// Destinations that see the pods' own addresses: every pod range of the cluster and every node.
fn unmasked(cluster: &Cluster) -> Vec<IpNet> {
    let members = std::iter::once(&cluster.own).chain(&cluster.remotes);
    // Without cluster CIDRs (or with wrong ones) the nodes' own ranges still hold.
    let beyond = members
        .flat_map(|m| m.pod_cidrs().iter().copied())
        .filter(|cidr| !cluster.pod_network.iter().any(|net| net.contains(cidr)));
    let nodes = cluster.node_addresses.iter().copied().map(IpNet::from);
    let mut all: Vec<IpNet> = cluster
        .pod_network
        .iter()
        .copied()
        .chain(beyond)
        .chain(nodes)
        .collect();
    all.sort();
    all.dedup();
    all
}

fn ways(cluster: &Cluster, uplink: &Uplink, backend: Backend) -> (Vec<Way>, Vec<Error>) {
    let mut unreachable = Vec::new();
    let ways = cluster
        .remotes
        .iter()
        .map(|node| way(node, uplink, backend, &mut unreachable))
        .collect();
    (ways, unreachable)
}

/// The way to one node; podCIDRs without one are left out of it and told in `unreachable`.
fn way(node: &Member, uplink: &Uplink, backend: Backend, unreachable: &mut Vec<Error>) -> Way {
    let mut hops = Vec::new();
    for cidr in node.pod_cidrs() {
        let address = node.address(family_of(cidr.addr()));
        let on_link = address.filter(|a| uplink.on_link(*a));
        match (backend, on_link) {
            (Backend::Auto | Backend::Routes, Some(gateway)) => {
                hops.push((*cidr, Hop::Direct(gateway)))
            }
            (Backend::Auto, None) | (Backend::Vxlan, _) => {
                hops.push((*cidr, Hop::Tunnel(node.tunnel_hop(cidr))))
            }
            (Backend::Routes, None) => unreachable.push(Error::NotOnLink {
                node: node.name().to_owned(),
                address,
                uplink: uplink.name.clone(),
                connected: uplink.connected.clone(),
            }),
        }
    }
    let mut vtep = None;
    if hops.iter().any(|(_, hop)| matches!(hop, Hop::Tunnel(_))) {
        let family = family_of(uplink.address);
        vtep = node.address(family).map(|outer| Vtep {
            mac: node.vtep_mac(),
            outer,
        });
        if vtep.is_none() {
            hops.retain(|(_, hop)| matches!(hop, Hop::Direct(_)));
            let (node, family) = (node.name().to_owned(), family_name(family));
            unreachable.push(Error::NoOuterAddress {
                node,
                family,
                local: uplink.address,
            });
        }
    }
    Way {
        node: node.name().to_owned(),
        hops,
        vtep,
    }
}

#[cfg(test)]
mod tests;
