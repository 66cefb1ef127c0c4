//! What a lab shall look like.
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How nodes are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Underlay {
    /// One Ethernet segment, as kind's docker network: 172.18.0.0/16, fd00:18::/64.
    #[default]
    L2,
    /// Each node in a subnet of its own behind a router: 172.18.N.0/24, fd00:18:N::/64.
    Routed,
}

/// Which IP families nodes and pods have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are kind's, networking.ipFamily")]
pub enum IpFamily {
    #[default]
    Ipv4,
    Ipv6,
    Dual,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Name, a DNS label.
    pub name: String,
    /// `spec.podCIDRs`, one a family.
    pub pod_cidrs: Vec<IpNet>,
}

/// A whole lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSpec {
    /// Name, a DNS label; unique among the labs of this user on this machine.
    pub name: String,
    /// Nodes, in order; their InternalIPs are chosen by the lab.
    pub nodes: Vec<NodeSpec>,
    /// How nodes are joined.
    pub underlay: Underlay,
    /// MTU of the underlay, bytes: 1280 (IPv6's minimum) to 65535.
    pub mtu: u32,
    /// Families of the underlay.
    pub family: IpFamily,
    /// The static busybox of the pods' root; `None`: the host's own programs, mounted read-only.
    pub busybox: Option<PathBuf>,
    /// Programs to show read-only under [`PROGRAMS_DIR`] in every node and pod: (file name, path on the host).
    pub programs: Vec<(String, PathBuf)>,
    /// Free-form facts that `list` shows (CNI, flatnet version).
    pub labels: std::collections::BTreeMap<String, String>,
}

/// Where every node and pod sees [`LabSpec::programs`].
pub const PROGRAMS_DIR: &str = "/.flatnet";

/// The address of the lab's outside: on the wire, behind the default gateway, in neither pod nor node network.
pub const OUTSIDE_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));
/// The same for IPv6 (RFC 3849).
pub const OUTSIDE_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1));
