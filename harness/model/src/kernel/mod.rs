//! What the kernel says is there. All types are serde-serialisable: the probe sends them as they are.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod mac;
pub mod netfilter;
mod policy;
mod route;
pub mod route_kind;

pub use mac::{MacAddr, ParseMacError};
pub use policy::{MarkMatch, Rule, RuleAction, TABLE_LOCAL, TABLE_MAIN, table_name};
pub use route::{LearnedMtu, NextHop, RouteEntry};

/// A network interface (RTM_NEWLINK).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Interface index, unique in its namespace.
    pub index: u32,
    /// Interface name (IFLA_IFNAME).
    pub name: String,
    /// IFLA_INFO_KIND: `bridge`, `veth`, `vxlan`, …; empty for devices without one (loopback, hardware).
    pub kind: String,
    /// Ethernet address, where the device has one of six bytes.
    pub mac: Option<MacAddr>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administratively up (IFF_UP).
    pub up: bool,
    /// Carrier (IFF_LOWER_UP).
    pub lower_up: bool,
    /// IFLA_OPERSTATE in the words of `ip link`: `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN`, …
    pub operstate: String,
    /// The bridge (or bond) this link is a port of.
    pub master: Option<u32>,
    /// The peer of a veth (IFLA_LINK), the lower device of a vxlan (IFLA_VXLAN_LINK).
    pub link: Option<u32>,
    /// IFLA_LINK_NETNSID: the peer's namespace, where it is another one.
    pub link_netnsid: Option<i32>,
    /// Bridge port settings, where the link is one.
    pub port: Option<BridgePort>,
    /// VXLAN settings, where the link is one.
    pub vxlan: Option<VxlanInfo>,
    /// The routing table of a VRF device (IFLA_VRF_TABLE), where the link is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrf: Option<u32>,
    /// Packet counters (IFLA_STATS64).
    pub stats: LinkStats,
}

/// An address of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum AddressField {
    Source,
    Destination,
}

impl AddressField {
    /// The other of the two: where an answer has what is this one's of the request.
    pub fn other(self) -> Self {
        match self {
            AddressField::Source => AddressField::Destination,
            AddressField::Destination => AddressField::Source,
        }
    }
}

/// Packet counters of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the names are the kernel's, struct rtnl_link_stats64"
)]
pub struct LinkStats {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
}

/// The STP state of a bridge port (IFLA_BRPORT_STATE, include/uapi/linux/if_bridge.h); a port has one without STP, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of bridge(8)")]
pub enum PortState {
    Disabled,
    Listening,
    Learning,
    #[default]
    Forwarding,
    Blocking,
}

impl PortState {
    /// The word of `bridge link`.
    pub fn as_str(self) -> &'static str {
        match self {
            PortState::Disabled => "disabled",
            PortState::Listening => "listening",
            PortState::Learning => "learning",
            PortState::Forwarding => "forwarding",
            PortState::Blocking => "blocking",
        }
    }
}

/// IFLA_INFO_SLAVE_DATA / IFLA_PROTINFO of a bridge port. The default is what the kernel gives a new port that forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BridgePort {
    /// Frames may leave through the port they came in by.
    pub hairpin: bool,
    /// Only a forwarding port passes frames.
    pub state: PortState,
    /// Frames of this port do not leave through other isolated ports.
    pub isolated: bool,
    /// The bridge learns behind which port an Ethernet address is from this port's frames.
    pub learning: bool,
    /// Frames to Ethernet addresses that the bridge has not learned leave through the port.
    pub flood: bool,
    /// Broadcast frames leave through the port.
    pub broadcast_flood: bool,
    /// Multicast frames that nobody has asked for leave through the port.
    pub multicast_flood: bool,
    /// Frames come in only from Ethernet addresses with a forwarding entry for the port.
    pub locked: bool,
}

impl Default for BridgePort {
    fn default() -> Self {
        BridgePort {
            hairpin: false,
            state: PortState::Forwarding,
            isolated: false,
            learning: true,
            flood: true,
            broadcast_flood: true,
            multicast_flood: true,
            locked: false,
        }
    }
}

/// IFLA_INFO_DATA of a vxlan link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VxlanInfo {
    /// VXLAN network identifier, 0 to 2^24-1.
    pub vni: u32,
    /// UDP destination port.
    pub port: u16,
    /// Outer source address.
    pub local: Option<IpAddr>,
    /// Whether the device learns source addresses.
    pub learning: bool,
}

/// An address of an interface (RTM_NEWADDR).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Interface index.
    pub index: u32,
    /// Address and prefix length.
    pub net: IpNet,
    /// `global`, `link`, `host`, or the number.
    pub scope: String,
    /// Another interface of the segment holds the address too (IFA_F_DADFAILED): the kernel does not use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dad_failed: bool,
}

/// A packet whose way the kernel is asked for, as `ip route get TO from FROM iif IIF oif OIF` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    /// Destination address.
    pub to: IpAddr,
    /// Its source; what comes in by an interface needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// The index of the interface by which it comes in; none for a packet of this namespace's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<u32>,
    /// The index of the interface to which its sender is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<u32>,
    /// What it carries, where that is known: rules of `ip rule` may ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carries: Option<Carries>,
    /// Its firewall mark; 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
}

/// The IP protocol of a packet, and its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Carries {
    /// IP protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6.
    pub protocol: u8,
    /// Source port; none where it is not known, or the protocol has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<u16>,
    /// Destination port, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<u16>,
}

impl Flow {
    /// A packet of this namespace's own, from whatever address suits it.
    pub fn to(to: IpAddr) -> Self {
        Flow {
            to,
            from: None,
            iif: None,
            oif: None,
            carries: None,
            mark: None,
        }
    }
}

/// A neighbour (ARP or NDP) entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Interface index.
    pub index: u32,
    /// IP address.
    pub address: IpAddr,
    /// Ethernet address, once known.
    pub mac: Option<MacAddr>,
    /// `PERMANENT`, `REACHABLE`, `STALE`, `FAILED`, … as `ip neigh` writes it.
    pub state: String,
}

/// A table of neighbours. There is one per family (`arp_cache`, `ndisc_cache`) for all network namespaces of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourTable {
    /// The kernel's name for it.
    pub name: String,
    /// How often an entry was refused since the machine started, because there were `gc_thresh3` already.
    pub overflows: u64,
}

/// An entry of a forwarding database: of a bridge, or (with `dst`) of a vxlan device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbEntry {
    /// Interface index of the port or of the vxlan device.
    pub index: u32,
    /// Ethernet address.
    pub mac: MacAddr,
    /// The VTEP behind which it is (NDA_DST).
    pub dst: Option<IpAddr>,
    /// The bridge it belongs to (NDA_MASTER).
    pub master: Option<u32>,
    /// Entry state, as for neighbours.
    pub state: String,
}
