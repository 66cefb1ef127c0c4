//! The desired state of this node. Pure: list and uplink in, description out.
use std::net::IpAddr;

use clap::ValueEnum;
use flatnet_netlink::MacAddr;
use flatnet_netlink::nft::{Table, masquerade_table};
use flatnet_netlink::route::Family;
use ipnet::IpNet;

use crate::cluster::Cluster;
use crate::uplink::Uplink;
use crate::valid_node::{ValidNode, family_name, family_of};
use crate::{Error, Result};

/// The smallest MTU that IPv6 allows, bytes (RFC 8200 section 5).
const MIN_MTU_V6: u32 = 1280;
/// The packet size that every IPv4 host must accept, bytes (RFC 791 section 3.1).
const MIN_MTU_V4: u32 = 576;
/// Name of the masquerade table.
pub(crate) const TABLE: &str = "flatnet";

/// How packets reach other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Plain routes to nodes that are on-link at the uplink, VXLAN to the others.
    Auto,
    /// VXLAN to every node.
    Vxlan,
    /// Plain routes to every node; nodes that are not on-link cannot be reached.
    Routes,
}

/// The command-line options that shape the network.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Plain routes, VXLAN, or both.
    pub backend: Backend,
    /// VXLAN network identifier, 0 to 2^24-1.
    pub vni: u32,
    /// UDP port of VXLAN.
    pub port: u16,
    /// Pod MTU in bytes; by default the largest that fits.
    pub mtu: Option<u32>,
    /// Interface name of the pods' bridge.
    pub bridge: String,
    /// Whether traffic leaving the pod network gets the node's address.
    pub masquerade: bool,
}

/// Everything a pass brings about on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Desired {
    pub(crate) bridge: Bridge,
    /// The VXLAN device, if any other node needs it (or VXLAN is forced).
    pub(crate) vxlan: Option<Vxlan>,
    /// Routes to the other nodes.
    pub(crate) routes: Vec<NodeRoutes>,
    pub(crate) masquerade: Option<Table>,
    pub(crate) pod_cidrs: Vec<IpNet>,
    /// Cluster CIDRs, as in the node list.
    pub(crate) pod_network: Vec<IpNet>,
    /// MTU of pods and bridge, bytes.
    pub(crate) pod_mtu: u32,
    /// Largest packet that fits between any two nodes, bytes.
    pub(crate) fitting_mtu: u32,
}

/// The bridge; the plugin creates the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bridge {
    pub(crate) name: String,
    /// Derived from the first gateway address.
    pub(crate) mac: MacAddr,
    /// Bytes.
    pub(crate) mtu: u32,
    /// Gateway addresses, each with its podCIDR's prefix length.
    pub(crate) gateways: Vec<IpNet>,
}

/// The VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vxlan {
    /// `flatnet.<vni>`.
    pub(crate) name: String,
    pub(crate) vni: u32,
    pub(crate) port: u16,
    /// Outer source address.
    pub(crate) local: IpAddr,
    /// MAC that the other nodes have in their FDB and neighbour tables.
    pub(crate) mac: MacAddr,
    /// The uplink's MTU minus the outer headers, bytes.
    pub(crate) mtu: u32,
    /// Its addresses: the base of each of this node's podCIDRs, as host prefixes. They are the source of what the node
    /// itself sends to pods behind the tunnel, so that answers come back through the tunnel.
    pub(crate) addresses: Vec<IpNet>,
}

/// The routes to one other node's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRoutes {
    pub(crate) node: String,
    /// The podCIDRs that can be reached, each with its next hop.
    pub(crate) hops: Vec<(IpNet, Hop)>,
    /// The remote VTEP, if a next hop is in the tunnel.
    pub(crate) vtep: Option<Vtep>,
}

/// A next hop to a remote podCIDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// The node itself, on-link at the uplink.
    Direct(IpAddr),
    /// The remote end of the tunnel ([`ValidNode::tunnel_hop`]).
    Tunnel(IpAddr),
}

impl Hop {
    /// The next hop if it is in the tunnel.
    pub(crate) fn tunnel(self) -> Option<IpAddr> {
        match self {
            Hop::Direct(_) => None,
            Hop::Tunnel(hop) => Some(hop),
        }
    }
}

/// The remote end of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vtep {
    /// MAC of the other node's VXLAN device.
    pub(crate) mac: MacAddr,
    /// Destination of the outer packets: the other node's InternalIP of the outer family.
    pub(crate) outer: IpAddr,
}

impl Desired {
    /// Computes the desired state, and an error for each node (or podCIDR) that cannot be reached.
    ///
    /// # Errors
    /// The bridge is the uplink, or the MTU is too small for the pods' IP family.
    pub(crate) fn new(
        cluster: &Cluster,
        uplink: &Uplink,
        settings: &Settings,
    ) -> Result<(Desired, Vec<Error>)> {
        if uplink.name == settings.bridge {
            return Err(Error::BridgeIsUplink {
                bridge: settings.bridge.clone(),
            });
        }
        let (routes, unreachable) = routes(cluster, uplink, settings.backend);
        let tunnelled =
            settings.backend == Backend::Vxlan || routes.iter().any(|r| r.vtep.is_some());
        let tunnel_mtu = uplink.mtu.saturating_sub(overhead(uplink.address));
        let fitting_mtu = if tunnelled { tunnel_mtu } else { uplink.mtu };
        let pod_mtu = settings.mtu.unwrap_or(fitting_mtu);
        let own = &cluster.own;
        for cidr in own.pod_cidrs() {
            let family = family_of(cidr.addr());
            let least = if family == Family::V4 {
                MIN_MTU_V4
            } else {
                MIN_MTU_V6
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
        let gateways: Vec<_> = own
            .gateways()
            .chain(cluster.former.iter().copied())
            .collect();
        let former = cluster.former.iter().map(IpNet::trunc);
        let masqueraded: Vec<IpNet> = own.pod_cidrs().iter().copied().chain(former).collect();
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
            routes,
            masquerade: settings
                .masquerade
                .then(|| masquerade_table(TABLE, &masqueraded, &unmasked(cluster))),
            pod_cidrs: own.pod_cidrs().to_vec(),
            pod_network: cluster.pod_network.clone(),
            pod_mtu,
            fitting_mtu,
        };
        Ok((desired, unreachable))
    }

    /// Whether this node's pods have addresses of that family.
    pub(crate) fn has_pods(&self, family: Family) -> bool {
        self.pod_cidrs.iter().any(|c| family_of(c.addr()) == family)
    }
}

/// Bytes that VXLAN adds to an IP packet: inner Ethernet 14, VXLAN 8, UDP 8, outer IP 20 or 40 (RFC 7348 section 5).
fn overhead(local: IpAddr) -> u32 {
    if local.is_ipv4() { 50 } else { 70 }
}

/// Destinations that are never masqueraded: every pod range of the cluster and every node.
fn unmasked(cluster: &Cluster) -> Vec<IpNet> {
    let nodes = std::iter::once(&cluster.own).chain(&cluster.remotes);
    // The nodes' own podCIDRs count even if the cluster CIDRs are missing or wrong.
    let former = cluster.former.iter().map(IpNet::trunc);
    let beyond = nodes
        .flat_map(|n| n.pod_cidrs().iter().copied())
        .chain(former)
        .filter(|cidr| !cluster.pod_network.iter().any(|net| net.contains(cidr)));
    let addresses = cluster.node_addresses.iter().copied().map(IpNet::from);
    let mut all: Vec<IpNet> = cluster
        .pod_network
        .iter()
        .copied()
        .chain(beyond)
        .chain(addresses)
        .collect();
    all.sort();
    all.dedup();
    all
}

fn routes(cluster: &Cluster, uplink: &Uplink, backend: Backend) -> (Vec<NodeRoutes>, Vec<Error>) {
    let mut unreachable = Vec::new();
    let routes = cluster
        .remotes
        .iter()
        .map(|node| node_routes(node, uplink, backend, &cluster.former, &mut unreachable))
        .collect();
    (routes, unreachable)
}

/// The routes to one node; podCIDRs that cannot be reached are left out and added to `unreachable`.
fn node_routes(
    node: &ValidNode,
    uplink: &Uplink,
    backend: Backend,
    former: &[IpNet],
    unreachable: &mut Vec<Error>,
) -> NodeRoutes {
    let mut hops = Vec::new();
    for cidr in node.pod_cidrs() {
        let overlaps = |net: &&IpNet| net.contains(cidr) || cidr.contains(*net);
        if let Some(former) = former.iter().find(overlaps) {
            unreachable.push(Error::StillInUse {
                node: node.name().to_owned(),
                cidr: *cidr,
                former: former.trunc(),
            });
            continue;
        }
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
    NodeRoutes {
        node: node.name().to_owned(),
        hops,
        vtep,
    }
}

#[cfg(test)]
mod tests;
