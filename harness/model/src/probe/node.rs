//! What a node is asked about besides its own network: sockets, processes, pods' namespaces, files, plugins.
use std::net::{IpAddr, SocketAddr};

use crate::kernel::MacAddr;
use crate::network::Protocol;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Sockets of this network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sockets {
    /// TCP sockets in LISTEN and UDP sockets without a peer, by protocol, port and address. The asker's own are left out.
    pub bound: Vec<BoundSocket>,
    /// TCP connections (ESTABLISHED) of the ports asked about, whichever end is here.
    pub connections: Vec<Connection>,
    /// Processes whose descriptors may not be looked at: an owner that is not known may be among them.
    pub closed_processes: usize,
}

/// A socket that waits for peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BoundSocket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Bound address; `0.0.0.0` or `::` for any.
    pub local: SocketAddr,
    /// Whose it is; none where no process that may be looked at holds it. The kernel's own sockets, as that of a vxlan
    /// device, have no process.
    pub owner: Option<Owner>,
}

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Connection {
    /// Address and port of the end in this namespace.
    pub local: SocketAddr,
    /// Address and port of the peer.
    pub remote: SocketAddr,
    /// Process that holds the local end, as for [`BoundSocket::owner`].
    pub owner: Option<Owner>,
}

/// Whose a socket is: the process with the lowest id that holds a descriptor of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Process id, as the reader of that /proc counts.
    pub pid: u32,
    /// Program name, see [`NodeProcess::program`].
    pub program: String,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeProcess {
    /// Process id, as the reader of that /proc counts.
    pub pid: u32,
    /// Program name: /proc/PID/comm (15 bytes), or the file name of its first argument where that goes on after those.
    pub program: String,
    /// `/proc/PID/cmdline`, split at its zero bytes.
    pub argv: Vec<String>,
}

/// Answer to [`ask::Processes`](super::ask::Processes).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Processes {
    /// Ordered by process id.
    pub processes: Vec<NodeProcess>,
}

/// Answer to [`ask::NetworkNamespaces`](super::ask::NetworkNamespaces).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkNamespaces {
    /// Ordered by process id.
    pub namespaces: Vec<NetworkNamespace>,
}

/// A network namespace in which processes run, other than the asker's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkNamespace {
    /// The process with the lowest id in it.
    pub pid: u32,
    /// Addresses of its interfaces, without loopback and link-local ones.
    pub addresses: Vec<IpAddr>,
    /// Unicast routes of its main table.
    pub routes: Vec<NamespaceRoute>,
    /// Its interfaces without loopback, as the sysfs shows them that its processes have mounted; empty where they have none.
    pub interfaces: Vec<NamespaceInterface>,
}

/// A route in another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRoute {
    /// Destination prefix; `0.0.0.0/0` or `::/0` for the default route.
    pub dst: IpNet,
    /// Next hop, where it is not on link.
    pub gateway: Option<IpAddr>,
    /// Name of the outgoing interface.
    pub device: String,
}

/// An interface in another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceInterface {
    /// Interface name in its namespace (IFNAMSIZ: at most 15 bytes).
    pub name: String,
    /// Its index in its own namespace.
    pub index: u32,
    /// `iflink`: the index of the other end of a veth pair, in that end's namespace.
    pub peer: u32,
    /// Ethernet address, where it has one.
    #[serde(default)]
    pub mac: Option<MacAddr>,
    /// MTU, bytes.
    #[serde(default)]
    pub mtu: u32,
    /// Whether it is set up.
    #[serde(default)]
    pub up: bool,
}

/// Answer to [`ask::Files`](super::ask::Files).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    /// In the order of the paths; a path that ends in `/*` yields one entry per file.
    pub files: Vec<NodeFile>,
}

/// A path and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Absolute, below the root that was asked about.
    pub path: String,
    /// The content read, or why there is none.
    pub content: FileContent,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileContent {
    /// A file of up to 64 KiB of UTF-8 text.
    Text(String),
    /// A folder with the names in it, in lexical order.
    Folder(Vec<String>),
    /// No file of that path.
    Absent,
    /// Something that cannot be read: why.
    Unreadable(String),
}

/// Answer to [`ask::PluginVersions`](super::ask::PluginVersions).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PluginVersions {
    /// One entry per executable file, in lexical order.
    pub plugins: Vec<PluginVersion>,
}

/// What a program in the plugin folder says to CNI_COMMAND=VERSION (CNI specification, section 2, VERSION).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginVersion {
    /// File name in the plugin folder.
    pub name: String,
    /// The version result, or why there is none.
    pub versions: Result<VersionResult, String>,
    /// The first line it says about itself when it is executed without CNI_COMMAND; plugins only.
    pub about: Option<String>,
}

/// The answer to VERSION.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionResult {
    /// Version of the specification that the answer itself follows.
    pub cni_version: String,
    /// Versions of the specification that the plugin knows.
    #[serde(default)]
    pub supported_versions: Vec<String>,
}
