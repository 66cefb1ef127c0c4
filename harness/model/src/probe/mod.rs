//! What harness and probe say to each other.
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::kernel::{Address, FdbEntry, Flow, Link, Neighbour, RouteEntry};
use serde::{Deserialize, Serialize};

mod names;
mod node;

pub use names::*;
pub use node::*;

/// A question; one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Start answering peers under `name` on TCP, UDP and (where raw sockets may be had) record ICMP echo requests,
    /// over IPv4 and IPv6. Port 0 lets the kernel choose. Answered by [`Answer::Listening`]. Asked again, it starts anew:
    /// nothing seen yet.
    Listen {
        /// The name this end answers with, and dials with: the pod's or the node's. 1 to 400 bytes.
        name: String,
        /// Wanted port of the TCP and UDP responders (the same number for both), 0 for any.
        port: u16,
    },
    /// Reach every target once over its transport, from fresh sockets. Answered by [`Answer::Dialled`], results in the
    /// targets' order. Without a `Listen` before, the client's name is the hostname.
    Dial {
        /// Whom to reach.
        targets: Vec<Target>,
        /// How many are under way at once, 1 to 512 (other numbers are taken as the nearest of these).
        at_once: usize,
        /// How long one attempt may take, milliseconds.
        timeout_ms: u64,
        /// Attempts a target; the first answer ends it.
        attempts: u32,
    },
    /// Send UDP datagrams with DF so that the IP packet has exactly each of these sizes (bytes, IP header included), and
    /// report which were acknowledged by the responder with the same size. Answered by [`Answer::PathMtu`]; leaves no
    /// sighting.
    PathMtu {
        /// Whom to reach.
        address: IpAddr,
        /// Its UDP port.
        port: u16,
        /// Sizes of the whole IP packets, bytes.
        sizes: Vec<u32>,
        /// Wait for each acknowledgement, milliseconds; each size is sent up to three times within it.
        timeout_ms: u64,
    },
    /// What came in since `Listen`. Answered by [`Answer::Seen`].
    Seen,
    /// Links, addresses, routes, neighbours, FDB, sysctls and counters here. Answered by [`Answer::Facts`].
    Facts,
    /// Which way this place's kernel sends packets, policy routing included. Answered by [`Answer::Ways`].
    Ways {
        /// The packets.
        flows: Vec<Flow>,
    },
    /// The CNI files of a node. Answered by [`Answer::CniFiles`].
    CniFiles {
        /// Usually `/etc/cni/net.d`.
        conf_dir: String,
        /// Usually `/opt/cni/bin`.
        bin_dir: String,
    },
    /// Whom this place asks for names. Answered by [`Answer::ResolvConf`].
    ResolvConf {
        /// Usually `/etc/resolv.conf`.
        path: String,
    },
    /// Ask a nameserver, each lookup from a fresh socket. Answered by [`Answer::Resolved`], results in the lookups' order.
    Resolve {
        /// The nameserver, usually on port 53.
        server: SocketAddr,
        /// What to ask it; all at once.
        lookups: Vec<Lookup>,
        /// How long one attempt may take, milliseconds.
        timeout_ms: u64,
        /// Attempts a lookup; the first answer ends it, whatever it says.
        attempts: u32,
    },
    /// What is bound here, and who is connected to some ports. Answered by [`Answer::Sockets`].
    Sockets {
        /// Usually `/proc`.
        proc: String,
        /// Ports whose TCP connections are wanted, at whichever end.
        ports: Vec<u16>,
    },
    /// Processes of these programs in this network namespace. Answered by [`Answer::Processes`].
    Processes {
        /// Usually `/proc`.
        proc: String,
        /// Program names, see [`NodeProcess::program`].
        names: Vec<String>,
    },
    /// Network namespaces of other processes. Answered by [`Answer::NetworkNamespaces`].
    NetworkNamespaces {
        /// Usually `/proc`.
        proc: String,
    },
    /// Files and folders. Answered by [`Answer::Files`].
    Files {
        /// The folder that is the root of those who live there; empty for the own.
        root: String,
        /// Absolute paths. One that ends in `/*` stands for the files in that folder.
        paths: Vec<String>,
    },
    /// Execute each program of a folder with CNI_COMMAND=VERSION. Answered by [`Answer::PluginVersions`].
    PluginVersions {
        /// The folder that becomes the root of those programs; empty for the own.
        root: String,
        /// Usually `/opt/cni/bin`.
        bin_dir: String,
        /// How long each may run, milliseconds.
        timeout_ms: u64,
    },
}

/// An answer; one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Ready to be dialled.
    Listening {
        /// Port of the TCP and of the UDP responder.
        port: u16,
        /// Whether ICMP echo requests are recorded (raw socket allowed).
        icmp_seen: bool,
        /// Whether ICMP echo can be sent from here (ping socket or raw socket).
        icmp_send: bool,
    },
    /// One result a target.
    Dialled {
        /// In the order of the targets.
        results: Vec<Dialled>,
        /// Wall time of the whole matrix row, microseconds.
        took_us: u64,
    },
    /// See [`Ask::PathMtu`].
    PathMtu {
        /// In the order of the sizes.
        trials: Vec<MtuTrial>,
    },
    /// See [`Ask::Seen`].
    Seen {
        /// One entry for each different (transport, name, source, destination).
        sightings: Vec<Sighting>,
    },
    /// See [`Ask::Facts`].
    Facts(Box<Facts>),
    /// See [`Ask::Ways`].
    Ways {
        /// In the order of the flows.
        ways: Vec<Way>,
    },
    /// See [`Ask::CniFiles`].
    CniFiles(CniFiles),
    /// See [`Ask::ResolvConf`].
    ResolvConf(ResolvConf),
    /// See [`Ask::Resolve`].
    Resolved {
        /// In the order of the lookups.
        results: Vec<Resolved>,
    },
    /// See [`Ask::Sockets`].
    Sockets(Sockets),
    /// See [`Ask::Processes`]; ordered by process id.
    Processes {
        /// Those that run.
        processes: Vec<NodeProcess>,
    },
    /// See [`Ask::NetworkNamespaces`].
    NetworkNamespaces {
        /// Ordered by process id.
        namespaces: Vec<NetworkNamespace>,
    },
    /// See [`Ask::Files`].
    Files {
        /// In the order of the paths.
        files: Vec<NodeFile>,
    },
    /// See [`Ask::PluginVersions`].
    PluginVersions {
        /// One entry an executable file, in lexical order.
        plugins: Vec<PluginVersion>,
    },
    /// The question could not be answered.
    Failed {
        /// Why, lower-case fragment with the cause.
        error: String,
    },
}

/// How two ends talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
}

/// One address to reach.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Address to dial.
    pub address: IpAddr,
    /// How.
    pub transport: Transport,
    /// Port of its responder (ignored for ICMP).
    pub port: u16,
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Dialled {
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
    },
    /// It did not.
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
    /// No route here, or ICMP host/net unreachable from the way.
    Unreachable,
    /// The kernel refused to send (EPERM of a firewall, EMSGSIZE).
    NotSent,
    /// An answer that is not ours (garbage, wrong nonce).
    BadAnswer,
    /// This transport cannot be used here (no ping socket, no raw socket).
    Unsupported,
}

/// Requests that arrived here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// How.
    pub transport: Transport,
    /// The client's name in its own words (carried in the request).
    pub from: String,
    /// The client's address as this end saw it.
    pub source: IpAddr,
    /// The address of ours that was dialled.
    pub destination: IpAddr,
    /// How many requests.
    pub count: u32,
}

/// One size of [`Ask::PathMtu`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MtuTrial {
    /// Size of the IP packet, bytes.
    pub size: u32,
    /// Whether the responder had it in one piece of that size.
    pub arrived: bool,
    /// What the sender was told otherwise: `message too long` (with the MTU the kernel names), `no answer`, …
    pub detail: Option<String>,
}

/// What a kernel says about one packet (`ip route get`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Way {
    /// It goes here. Its destination is the packet's own; of several next hops it is the one that was chosen.
    Found(RouteEntry),
    /// It goes nowhere.
    Refused {
        /// The error number: ENETUNREACH, EHOSTUNREACH, EXDEV, …
        errno: i32,
        /// The system's words, for example `network is unreachable`.
        detail: String,
    },
}

/// What this network namespace looks like from inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// uname's node name.
    pub hostname: String,
    /// Links.
    pub links: Vec<Link>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Routes of the main table.
    pub routes: Vec<RouteEntry>,
    /// Neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Forwarding databases.
    pub fdb: Vec<FdbEntry>,
    /// `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`, … where they can be read; key without `net.`.
    pub sysctls: BTreeMap<String, String>,
    /// Counters of /proc/net/snmp and snmp6, `Ip.FragCreates`, `Ip.ReasmReqds`, `Ip6.FragCreates`, ….
    pub counters: BTreeMap<String, u64>,
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
    /// File name.
    pub name: String,
    /// Its text, or why it could not be read.
    pub content: Result<String, String>,
}
