//! What can go wrong in the agent. Every message holds its cause, so that printing one is enough.
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::cluster::NodeFault;

/// Result of the agent's calls.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {action} {}: {cause}", path.display())]
    File {
        /// What was being done, `read` or `write`, say.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The nodes file is not what it should be; serde names line and column.
    #[error("malformed nodes file {}: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        cause: serde_json::Error,
    },
    /// A file that the command line names is not there.
    #[error("{what} {} is missing; {remedy}", path.display())]
    Missing {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// Host ports need a plugin that is not there.
    #[error(
        "plugin {} is missing: pods that ask for a hostPort start without it; install it (package containernetworking-plugins) and it is chained at the next look",
        path.display()
    )]
    NoPortmap {
        /// Where it should be.
        path: PathBuf,
    },
    /// A switch of the kernel has the wrong value and cannot be written.
    #[error(
        "cannot set {} to {wanted}: {cause}; set it on the node, or name a writable mount of its /proc/sys/net with --sysctl-dir",
        path.display()
    )]
    Sysctl {
        /// The file.
        path: PathBuf,
        /// The value.
        wanted: &'static str,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// `--kubernetes` without `--kubeconfig`, and this is no pod.
    #[error(
        "cannot find the Kubernetes API as a pod does: {cause}; outside of a pod give --kubeconfig FILE"
    )]
    NotInCluster {
        /// What is missing.
        cause: String,
    },
    /// The kubeconfig is not what it should be.
    #[error("unusable kubeconfig {}: {cause}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Certificates or keys for the API are not what they should be.
    #[error("cannot make a client of the Kubernetes API: {cause}")]
    ApiClient {
        /// What is wrong.
        cause: String,
    },
    /// The API cannot be reached, or answers with an error of its own.
    #[error(
        "the Kubernetes API at {server} cannot be asked ({cause}); the node stays as it is meanwhile"
    )]
    ApiAway {
        /// Its address.
        server: String,
        /// What was asked, and what came of it.
        cause: String,
    },
    /// The API knows who asks, or does not, and says no.
    #[error("the Kubernetes API at {server} does not let this agent {doing}: {message}; {remedy}")]
    ApiDenied {
        /// Its address.
        server: String,
        /// `list nodes` or `watch nodes`.
        doing: String,
        /// The server's own words: who lacks which right.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A Node object holds something that no address or range can be read from.
    #[error("node {node:?}: its {field} {value:?} cannot be read; correct the Node object")]
    NodeObject {
        /// The node.
        node: String,
        /// `InternalIP` or `podCIDR`.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// Nobody answers at the socket of [`crate::ready`].
    #[error("no agent answers at {}: {cause}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The list does not have this node.
    #[error("node {name:?} is not in the node list ({})", some(listed))]
    NodeNotListed {
        /// This node.
        name: String,
        /// The nodes that are.
        listed: Vec<String>,
    },
    /// This node's own entry is not complete or not usable.
    #[error("node {name:?} cannot be set up: {}", list(faults))]
    OwnNode {
        /// This node.
        name: String,
        /// Everything that is wrong with it.
        faults: Vec<NodeFault>,
    },
    /// Another node's entry is not usable; the others are served.
    #[error("node {name:?} is left out: {}", list(faults))]
    LeftOut {
        /// The other node.
        name: String,
        /// Everything that is wrong with it.
        faults: Vec<NodeFault>,
    },
    /// No interface holds this node's address.
    #[error(
        "no interface holds this node's address {} (looked at {})",
        list(wanted),
        list(seen)
    )]
    NoUplink {
        /// This node's InternalIPs.
        wanted: Vec<IpAddr>,
        /// The interfaces and their addresses.
        seen: Vec<String>,
    },
    /// The bridge of the pods is the interface that joins the nodes.
    #[error("bridge {bridge} holds this node's own address; choose another name with --bridge")]
    BridgeIsUplink {
        /// Its name.
        bridge: String,
    },
    /// A device of that name is there, and is something else.
    #[error("{name} is a {found} device, not a {wanted}; remove it or choose another name")]
    WrongKind {
        /// Interface name.
        name: String,
        /// Its kind.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A device went away while it was worked on.
    #[error("device {name} disappeared")]
    Vanished {
        /// Interface name.
        name: String,
    },
    /// Too small an MTU for what the pods need.
    #[error(
        "pod MTU {mtu} is below {least}, which {family} needs; raise the MTU of {uplink} or use another backend"
    )]
    MtuTooSmall {
        /// What pods would get, bytes.
        mtu: u32,
        /// RFC 8200 section 5 or RFC 791, bytes.
        least: u32,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The interface that joins the nodes.
        uplink: String,
    },
    /// The MTU that was given does not fit between nodes.
    #[error(
        "pod MTU {mtu} does not fit between nodes, {fits} does; packets in between are lost or fragmented"
    )]
    MtuTooLarge {
        /// What pods get, bytes.
        mtu: u32,
        /// What the way between nodes carries, bytes.
        fits: u32,
    },
    /// Plain routes are forced, and this node is not on the same segment.
    #[error("node {node:?} cannot be reached by a plain route: {} is not on link of {uplink} ({})", address.map_or("an address of that family".to_owned(), |a| a.to_string()), list(connected))]
    NotOnLink {
        /// The other node.
        node: String,
        /// Its InternalIP of the podCIDR's family, if it has one.
        address: Option<IpAddr>,
        /// The interface that joins the nodes.
        uplink: String,
        /// What is on link there.
        connected: Vec<IpNet>,
    },
    /// The tunnel's outer packets have another family than the other node.
    #[error(
        "node {node:?} cannot be reached by VXLAN: it has no {family} address, and the tunnel from {local} needs one"
    )]
    NoOuterAddress {
        /// The other node.
        node: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// This node's end of the tunnel.
        local: IpAddr,
    },
    /// Something of a certain node could not be applied.
    #[error("node {node:?}: {cause}")]
    Node {
        /// The other node.
        node: String,
        /// Why.
        cause: flatnet_netlink::Error,
    },
    /// The kernel refused.
    #[error(transparent)]
    Netlink(#[from] flatnet_netlink::Error),
    /// A system call of the daemon itself failed.
    #[error("cannot {action}: {cause}")]
    System {
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        cause: nix::errno::Errno,
    },
    /// `--once`: some parts could not be applied; each was already said.
    #[error("{count} {} not be applied", if *count == 1 { "thing could" } else { "things could" })]
    Incomplete {
        /// How many.
        count: usize,
    },
}

impl Error {
    /// The exit code it ends the program with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Malformed { .. } | Error::Kubeconfig { .. } | Error::ApiClient { .. } => 2,
            Error::Missing { .. }
            | Error::NotInCluster { .. }
            | Error::ApiAway { .. }
            | Error::ApiDenied { .. }
            | Error::NoAnswer { .. }
            | Error::NodeNotListed { .. }
            | Error::OwnNode { .. }
            | Error::NoUplink { .. } => 3,
            _ => 1,
        }
    }

    /// Nothing is broken: what is missing is expected to come by itself.
    pub fn is_waiting(&self) -> bool {
        match self {
            Error::Missing { .. } | Error::NodeNotListed { .. } | Error::ApiAway { .. } => true,
            Error::OwnNode { faults, .. } | Error::LeftOut { faults, .. } => {
                faults.iter().all(NodeFault::is_waiting)
            }
            _ => false,
        }
    }

    /// The other node's affair: this one is in order and ready for pods all the same.
    pub fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Error::LeftOut { .. } | Error::NotOnLink { .. } | Error::NoOuterAddress { .. }
        )
    }
}

/// For `map_err` after a file operation.
pub(crate) fn file(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> Error {
    move |cause| Error::File {
        action,
        path: path.to_owned(),
        cause,
    }
}

/// The first few, and how many more there are.
fn some(names: &[String]) -> String {
    const FEW: usize = 10;
    match names.len().checked_sub(FEW) {
        Some(more @ 1..) => format!("{} and {more} more", list(&names[..FEW])),
        _ => list(names),
    }
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items
            .iter()
            .map(T::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}
