//! A node whose entry in the list has been validated.
use std::net::IpAddr;

use flatnet_netlink::MacAddr;
use flatnet_netlink::route::Family;
use ipnet::IpNet;

/// A node with at least one InternalIP and one podCIDR, at most one of each per family, and room for pods in each
/// podCIDR. Only [`crate::cluster::Cluster::new`] creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidNode {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) pod_cidrs: Vec<IpNet>,
    pub(crate) vtep_mac: MacAddr,
}

impl ValidNode {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// InternalIPs, in the list's order.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The InternalIP of that family.
    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses
            .iter()
            .copied()
            .find(|a| family_of(*a) == family)
    }

    /// podCIDRs, in the list's order; the VTEP's MAC derives from the first.
    pub(crate) fn pod_cidrs(&self) -> &[IpNet] {
        &self.pod_cidrs
    }

    /// MAC of the node's VXLAN device: derived from the base address of its first podCIDR, so that every node can
    /// compute it.
    pub(crate) fn vtep_mac(&self) -> MacAddr {
        self.vtep_mac
    }

    /// The node's addresses in the tunnel: the base address of each podCIDR, which no pod ever gets.
    pub(crate) fn vtep_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.pod_cidrs.iter().map(IpNet::network)
    }

    /// Next hop to `cidr` through the tunnel. For IPv4 it is the podCIDR's base address. For IPv6 it is the link-local
    /// address that the VTEP's MAC makes (RFC 4291 appendix A): the kernel refuses a global one while any route to it
    /// leads through another device, such as the plain route that it replaces.
    pub(crate) fn tunnel_hop(&self, cidr: &IpNet) -> IpAddr {
        match cidr.network() {
            IpAddr::V4(base) => IpAddr::V4(base),
            IpAddr::V6(_) => {
                let [a, b, c, d, e, f] = self.vtep_mac.0;
                IpAddr::from([
                    0xfe,
                    0x80,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    a ^ 2,
                    b,
                    c,
                    0xff,
                    0xfe,
                    d,
                    e,
                    f,
                ])
            }
        }
    }

    /// The bridge's addresses: the gateway of each podCIDR, with the podCIDR's prefix length.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = IpNet> {
        self.pod_cidrs.iter().map(|cidr| {
            let gateway = first_host(cidr);
            // Never falls back: the prefix length belongs to a network of the same family.
            IpNet::new(gateway, cidr.prefix_len()).unwrap_or(IpNet::from(gateway))
        })
    }
}

pub(crate) fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}

/// `IPv4` or `IPv6`, for messages.
pub(crate) fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// The gateway of a range: the address after its base, which the plugin reserves.
fn first_host(cidr: &IpNet) -> IpAddr {
    match cidr.network() {
        IpAddr::V4(base) => IpAddr::V4((u32::from(base) + 1).into()),
        IpAddr::V6(base) => IpAddr::V6((u128::from(base) + 1).into()),
    }
}
