//! Why an entry of the node list cannot be used.
use std::fmt;
use std::net::IpAddr;

use flatnet_netlink::MacAddr;
use ipnet::IpNet;

/// Why an entry of the node list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// The node has no InternalIP yet.
    NoAddress,
    /// The controller has not assigned a podCIDR yet.
    NoPodCidr,
    /// A second InternalIP of the same family.
    SecondAddress(IpAddr),
    /// An InternalIP that no node can have: unspecified, loopback or multicast.
    UnusableAddress(IpAddr),
    /// A second podCIDR of the same family.
    SecondPodCidr(IpNet),
    /// A podCIDR with host bits set.
    HostBits(IpNet),
    /// A podCIDR with no room for a gateway and a pod.
    TooSmall(IpNet),
    /// A podCIDR that shares addresses with a range that is for something else, and what it is for.
    Reserved(IpNet, IpNet, &'static str),
    /// A podCIDR that contains a node's InternalIP, and that node.
    CoversNode(IpNet, IpAddr, String),
    /// An InternalIP inside the podCIDR of the named node.
    AddressInPodCidr(IpAddr, IpNet, String),
    /// An earlier entry has the same name.
    NameTaken,
    /// The named node has the same InternalIP.
    AddressTaken(IpAddr, String),
    /// The podCIDR overlaps the named node's, which comes last.
    PodCidrTaken(IpNet, String, IpNet),
    /// The podCIDR leads to the same VTEP MAC as the named node's (for IPv6 the MAC is a hash).
    MacTaken(MacAddr, String),
}

impl NodeFault {
    /// The node is new, and the fault is expected to disappear without intervention.
    pub(crate) fn is_waiting(&self) -> bool {
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
            NodeFault::Reserved(c, range, purpose) => {
                write!(f, "podCIDR {c} overlaps with {range}, which is {purpose}")
            }
            NodeFault::CoversNode(c, a, of) => {
                write!(f, "podCIDR {c} contains address {a} of node {of:?}")
            }
            NodeFault::AddressInPodCidr(a, c, of) => {
                write!(f, "address {a} is inside podCIDR {c} of node {of:?}")
            }
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
