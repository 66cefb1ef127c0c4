//! What harness and probe say to each other: questions ([`ask`]), the types of their answers, and both as lines of JSON
//! ([`wire`]).
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::kernel::{Address, FdbEntry, LearnedMtu, Link, Neighbour, RouteEntry, Rule};
use serde::{Deserialize, Serialize};

pub mod ask;
mod names;
mod node;
mod series;
mod stream;
mod transfer;
pub mod watch;
pub mod wire;

pub use crate::network::{Protocol, Transport};
pub use ask::Question;
pub use names::*;
pub use node::*;
pub use series::*;
pub use stream::*;
pub use transfer::*;

/// Answer to [`ask::Listen`]: ready to be dialled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listening {
    /// Port of the TCP and of the UDP responder.
    pub port: u16,
    /// Whether ICMP echo requests are recorded (raw socket allowed).
    pub icmp_seen: bool,
    /// Whether ICMP echo can be sent from here (ping socket or raw socket).
    pub icmp_send: bool,
}

/// Answer to [`ask::Dial`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DialResults {
    /// One per target, in the order of the targets.
    pub results: Vec<DialOutcome>,
    /// Wall time of the whole list, microseconds.
    pub took_us: u64,
}

/// Answer to [`ask::PathMtu`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MtuTrials {
    /// One per size, in the order of the sizes.
    pub trials: Vec<MtuTrial>,
    /// What the sender's kernel has learned of paths to these addresses; trials pay no regard to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub learned: BTreeMap<IpAddr, LearnedMtu>,
}

/// Answer to [`ask::Seen`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceivedRequests {
    /// One entry for each different (transport, name, source, destination).
    pub requests: Vec<ReceivedRequest>,
    /// Answers to our own requests that came more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated_answers: Vec<RepeatedAnswers>,
}

/// Answer to [`ask::Routes`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Routes {
    /// One per flow, in the order of the flows.
    pub routes: Vec<RouteOutcome>,
}

/// Answer to [`ask::NftTables`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NftTables {
    /// Family and name, as `nft list tables` writes them; none where the kernel has no nftables.
    pub tables: Vec<String>,
}

/// Answer to [`ask::Translate`] and [`ask::TranslateEnd`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Translating {}

/// What to dial. Plan, probe, observation and verdict all use this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DialRequest {
    /// Address to dial.
    pub address: IpAddr,
    /// Which responder is asked: TCP, UDP, or the kernel by ICMP echo.
    pub transport: Transport,
    /// Port of its responder (ignored for ICMP).
    pub port: u16,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum DialOutcome {
    /// It answered.
    Answered {
        /// Our own address as this end's socket has it.
        local: IpAddr,
        /// The responder's name, in its own words; none for ICMP, which the kernel answers.
        responder: Option<String>,
        /// Our address as the responder saw it; none for ICMP.
        seen_as: Option<IpAddr>,
        /// The address the answer came from (an unconnected UDP socket and ICMP tell; for TCP the dialled address).
        reply_from: IpAddr,
        /// Round trip of the attempt that succeeded, microseconds.
        rtt_us: u64,
        /// Attempts it took, from 1.
        attempts: u32,
        /// TCP segments that were sent again during the attempt that succeeded (TCP_INFO); 0 for other transports.
        #[serde(default)]
        retransmits: u32,
    },
    /// No attempt was answered.
    Failed {
        /// What kind of failure the last attempt was.
        kind: Failure,
        /// The system's words, for example `connection refused`.
        detail: String,
        /// Attempts made.
        attempts: u32,
    },
}

/// Kinds of failure that tell different causes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Nothing came back in time.
    TimedOut,
    /// RST, or ICMP port unreachable.
    Refused,
    /// No route here, or ICMP host/net unreachable from a router.
    Unreachable,
    /// ICMP net, host or communication prohibited: a packet filter or a prohibit route says so. TCP does not tell it from
    /// `Unreachable`.
    Prohibited,
    /// The kernel refused to send (EPERM of a firewall, EMSGSIZE).
    NotSent,
    /// An answer that is not ours (garbage, wrong nonce).
    BadAnswer,
    /// This transport cannot be used here (no ping socket, no raw socket).
    Unsupported,
}

/// Requests that arrived at a responder, alike in everything but their number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedRequest {
    /// TCP, UDP, or ICMP echo.
    pub transport: Transport,
    /// The client's name in its own words (carried in the request).
    pub from: String,
    /// The client's address as this end saw it.
    pub source: IpAddr,
    /// The address of ours that was dialled.
    pub destination: IpAddr,
    /// Number of requests, at least 1.
    pub count: u32,
    /// Of these, copies of a packet that had come before (the same nonce); 0 for TCP, whose kernel sorts them out.
    #[serde(default)]
    pub copies: u32,
}

/// One size of [`ask::PathMtu`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MtuTrial {
    /// Size of the IP packet, bytes.
    pub size: u32,
    /// Whether the responder had it in one piece of that size.
    pub arrived: bool,
    /// The error that the sender got otherwise: `message too long` (with the MTU the kernel names), `no answer`, …
    pub detail: Option<String>,
}

/// What a kernel answers about one packet (`ip route get`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RouteOutcome {
    /// It takes this route. The destination is the packet's own; of several next hops it is the one that was chosen.
    Found(RouteEntry),
    /// There is no route for it.
    Refused {
        /// The error number: ENETUNREACH, EHOSTUNREACH, EXDEV, …
        errno: i32,
        /// The system's words, for example `network is unreachable`.
        detail: String,
    },
}

/// What this network namespace looks like from inside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// uname's node name.
    pub hostname: String,
    /// Links, the loopback included.
    pub links: Vec<Link>,
    /// Addresses of all of those links.
    pub addresses: Vec<Address>,
    /// Routes of the main table.
    pub routes: Vec<RouteEntry>,
    /// Policy rules of both families, in the order in which they are tried.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Routes of other tables than main, each with its table's number, as far as they are not addresses of this namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_tables: Vec<(u32, RouteEntry)>,
    /// Neighbour entries (ARP and NDP), permanent ones included.
    pub neighbours: Vec<Neighbour>,
    /// Forwarding entries of its bridges and VXLAN devices.
    pub fdb: Vec<FdbEntry>,
    /// `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`, … where they can be read; key without `net.`. Of single interfaces
    /// `ipv4.conf.NAME.forwarding`, `ipv4.conf.NAME.rp_filter` and `ipv6.conf.NAME.disable_ipv6`, where they differ from `conf.all`.
    pub sysctls: BTreeMap<String, String>,
    /// Counters of /proc/net/snmp and snmp6, `Ip.FragCreates`, `Ip.ReasmReqds`, `Ip6.FragCreates`, ….
    pub counters: BTreeMap<String, u64>,
}

impl Facts {
    /// The interface with that index.
    pub fn link(&self, index: impl Into<Option<u32>>) -> Option<&Link> {
        let index = index.into()?;
        self.links.iter().find(|link| link.index == index)
    }

    /// The interface of that name.
    pub fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The entry of an address that an interface holds.
    pub fn address(&self, address: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|own| own.net.addr() == address)
    }

    /// The interface that holds an address.
    pub fn holder(&self, address: IpAddr) -> Option<&Link> {
        self.link(self.address(address)?.index)
    }

    /// A setting of an interface, or of all where its own is not known to differ: `setting("ipv4", "eth0", "rp_filter")`.
    pub fn setting(&self, family: &str, device: &str, key: &str) -> Option<&str> {
        let of = |name: &str| self.sysctls.get(&format!("{family}.conf.{name}.{key}"));
        of(device).or_else(|| of("all")).map(|value| value.trim())
    }

    /// Whether it is a bridge that has ports.
    pub fn has_ports(&self, link: &Link) -> bool {
        let mut links = self.links.iter();
        link.kind == "bridge" && links.any(|port| port.master == Some(link.index))
    }

    /// Addresses of an interface, link-local ones left out.
    pub fn addresses_of(&self, link: &Link) -> impl Iterator<Item = &Address> {
        let index = link.index;
        let addresses = self.addresses.iter();
        addresses.filter(move |address| address.index == index && address.scope != "link")
    }

    /// Whether the interface with that index is a VXLAN device.
    pub fn is_vxlan(&self, index: impl Into<Option<u32>>) -> bool {
        self.link(index).is_some_and(|link| link.vxlan.is_some())
    }
}

/// CNI configuration and plugins of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CniFiles {
    /// Files of the configuration directory in lexical order, with contents up to 64 KiB.
    pub conf: Vec<ConfFile>,
    /// Names in the plugin directory that are executable regular files (links followed).
    pub programs: Vec<String>,
}

/// A file of the CNI configuration directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfFile {
    /// File name in the directory, without the path.
    pub name: String,
    /// Its text, or why it could not be read.
    pub content: Result<String, String>,
}
