//! The agent's errors. Every message includes its cause, so that printing one is enough.
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use nix::errno::Errno;

use crate::node_fault::NodeFault;

/// The agent's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the agent could not do something.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what its fields hold"
)]
pub enum Error {
    #[error("cannot {action} {}: {cause}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        cause: std::io::Error,
    },
    /// serde names line and column.
    #[error("malformed nodes file {}: {cause}; correct it", path.display())]
    Malformed {
        path: PathBuf,
        cause: serde_json::Error,
    },
    /// A file that the command line names, or that the agent would write, does not exist.
    #[error("{what} {} is missing; {remedy}", path.display())]
    Missing {
        what: &'static str,
        path: PathBuf,
        remedy: &'static str,
    },
    /// A notice rather than a failure: without `portmap` pods start, but have no host ports.
    #[error(
        "plugin {} is missing: pods that ask for a hostPort start without it; install it (package containernetworking-plugins) and it is chained at the next look",
        path.display()
    )]
    NoPortmap { path: PathBuf },
    /// A notice: the whole chain speaks the version that each of its plugins does.
    #[error(
        "plugin {} does not support CNI 1.1.0: the conflist says 1.0.0, without STATUS and GC; install portmap 1.6 or later, or leave it out with --no-portmap",
        path.display()
    )]
    OldPortmap { path: PathBuf },
    /// A sysctl has the wrong value and cannot be written.
    #[error(
        "cannot set {} to {wanted}: {cause}; set it on the node, or name a writable mount of its /proc/sys/net with --sysctl-dir",
        path.display()
    )]
    Sysctl {
        path: PathBuf,
        wanted: &'static str,
        cause: std::io::Error,
    },
    /// `--kubernetes` without `--kubeconfig` outside a pod.
    #[error(
        "cannot find the Kubernetes API as a pod does: {cause}; outside of a pod give --kubeconfig FILE"
    )]
    NotInCluster { cause: String },
    #[error("unusable kubeconfig {}: {cause}; name another with --kubeconfig", path.display())]
    Kubeconfig { path: PathBuf, cause: String },
    /// Certificates or keys for the API are invalid.
    #[error("cannot make a client of the Kubernetes API: {cause}")]
    ApiClient { cause: String },
    /// The API cannot be reached, or answers with an internal error.
    #[error(
        "the Kubernetes API at {server} cannot be asked ({cause}); the node stays as it is meanwhile"
    )]
    ApiAway { server: String, cause: String },
    /// The API refuses: unauthenticated, or without permission.
    #[error(
        "the Kubernetes API at {server} does not let this agent {request}: {message}; {remedy}"
    )]
    ApiDenied {
        server: String,
        request: String,
        message: String,
        remedy: &'static str,
    },
    /// A field of a Node object does not parse as an address or prefix.
    #[error("node {node:?}: its {field} {value:?} cannot be read; correct the Node object")]
    NodeObject {
        node: String,
        field: &'static str,
        value: String,
    },
    /// No agent answers the readiness probe.
    #[error("no agent answers at {}: {cause}; start it with --ready-socket {}", path.display(), path.display())]
    NoAnswer {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error(
        "node {name:?} is not in the node list ({}); add it, or correct --node",
        some(listed)
    )]
    NodeNotListed { name: String, listed: Vec<String> },
    /// This node's own entry is incomplete or unusable.
    #[error("node {name:?} cannot be set up: {}", list(faults))]
    OwnNode {
        name: String,
        faults: Vec<NodeFault>,
    },
    /// A remote node's entry is unusable; the others are served.
    #[error("node {name:?} is left out: {}", list(faults))]
    LeftOut {
        name: String,
        faults: Vec<NodeFault>,
    },
    #[error(
        "no interface holds this node's address {} (looked at {})",
        list(wanted),
        list(seen)
    )]
    NoUplink {
        wanted: Vec<IpAddr>,
        /// Interfaces and their addresses, `eth0 10.0.0.1`.
        seen: Vec<String>,
    },
    #[error("bridge {bridge} holds this node's own address; choose another name with --bridge")]
    BridgeIsUplink { bridge: String },
    /// A device with the bridge's or tunnel's name exists but is of another kind.
    #[error("{name} is a {found} device, not a {wanted}; remove it or choose another name")]
    WrongKind {
        name: String,
        found: String,
        wanted: &'static str,
    },
    /// A device was deleted during the pass.
    #[error("device {name} disappeared")]
    Vanished { name: String },
    /// MTUs in bytes; `least` is that of RFC 8200 section 5 or RFC 791.
    #[error(
        "pod MTU {mtu} is below {least}, which {family} needs; raise the MTU of {uplink} or use another backend"
    )]
    MtuTooSmall {
        mtu: u32,
        least: u32,
        family: &'static str,
        uplink: String,
    },
    /// A notice rather than a failure: the MTU given on the command line exceeds what fits between nodes. In bytes.
    #[error(
        "pod MTU {mtu} does not fit between nodes, {fits} does; packets in between are lost or fragmented"
    )]
    MtuTooLarge { mtu: u32, fits: u32 },
    /// Plain routes are forced, but the node is not on-link.
    #[error("node {node:?} cannot be reached by a plain route: {} is not on link of {uplink} ({})", address.map_or("an address of that family".to_owned(), |a| a.to_string()), list(connected))]
    NotOnLink {
        node: String,
        /// The node's InternalIP of the podCIDR's family, if it has one.
        address: Option<IpAddr>,
        uplink: String,
        connected: Vec<IpNet>,
    },
    /// The node has no InternalIP of the tunnel's outer family.
    #[error(
        "node {node:?} cannot be reached by VXLAN: it has no {family} address, and the tunnel from {local} needs one"
    )]
    NoOuterAddress {
        node: String,
        family: &'static str,
        local: IpAddr,
    },
    /// A route, neighbour or FDB entry of a remote node could not be written.
    #[error("node {node:?}: {cause}")]
    Node {
        node: String,
        cause: flatnet_netlink::Error,
    },
    /// Another program maintains a route to a podCIDR; `None` is this node's own.
    #[error("{}: the route {dst}{} of another program (protocol {protocol}) stays, and is in the place of the right one; stop that program, or keep the range from it",
        node.as_ref().map_or("this node's own pods".to_owned(), |node| format!("node {node:?}")),
        gateway.map_or(String::new(), |gateway| format!(" via {gateway}")))]
    ForeignRoute {
        node: Option<String>,
        dst: IpNet,
        gateway: Option<IpAddr>,
        /// RTA_PROTOCOL, as in /etc/iproute2/rt_protos.
        protocol: u8,
    },
    /// A notice rather than a failure: pods of the podCIDR that this node had before still run.
    #[error(
        "bridge {bridge} keeps {gateway}: {pods} of the pods on this node {} an address of the podCIDR that it had before, and nodes that are told of the new one do not reach {}; create {} again",
        if *pods == 1 { "has" } else { "have" },
        if *pods == 1 { "it" } else { "them" },
        if *pods == 1 { "it" } else { "them" }
    )]
    CarriedOver {
        bridge: String,
        gateway: IpNet,
        pods: usize,
    },
    /// A node has a podCIDR in which pods of this node still have addresses.
    #[error(
        "node {node:?} is not reached at {cidr}: pods of this node still have addresses of {former}, the podCIDR that it had before"
    )]
    StillInUse {
        node: String,
        cidr: IpNet,
        former: IpNet,
    },
    /// Another device holds the gateway address, as after `--bridge` was changed.
    #[error(
        "{device} holds {gateway}, the address of this node's pods' gateway, and {bridge} cannot have it as well; {}",
        if *ports == 0 {
            format!("take it from {device}, or name {device} with --bridge")
        } else {
            format!("it has {ports} ports: name it with --bridge, or move their pods away and delete it")
        }
    )]
    GatewayElsewhere {
        bridge: String,
        device: String,
        gateway: IpAddr,
        ports: usize,
    },
    #[error(transparent)]
    Netlink(#[from] flatnet_netlink::Error),
    /// A system call of the daemon itself failed.
    #[error("cannot {action}: {cause}")]
    System { action: &'static str, cause: Errno },
    /// `--once` with several failures, all logged before.
    #[error("{count} {} not be applied", if *count == 1 { "thing could" } else { "things could" })]
    Incomplete { count: usize },
}

impl Error {
    /// Exit code of the program: 1 not applied, 2 wrong usage or input, 3 something needed is missing.
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

    /// Nothing is broken: what is missing is expected to appear without intervention.
    pub fn is_waiting(&self) -> bool {
        match self {
            Error::Missing { .. } | Error::NodeNotListed { .. } | Error::ApiAway { .. } => true,
            Error::OwnNode { faults, .. } | Error::LeftOut { faults, .. } => {
                faults.iter().all(NodeFault::is_waiting)
            }
            _ => false,
        }
    }

    /// Concerns another node only: this one is ready for pods all the same.
    pub fn is_elsewhere(&self) -> bool {
        match self {
            // What that node's entry leads to cannot be: a next hop that is no host's address, a range that is taken. Any other
            // refusal (the uplink is down, no permission) is this node's.
            Error::Node { cause, .. } => {
                matches!(cause.errno(), Some(Errno::EINVAL | Errno::EEXIST))
            }
            Error::LeftOut { .. }
            | Error::NotOnLink { .. }
            | Error::NoOuterAddress { .. }
            | Error::StillInUse { .. }
            | Error::ForeignRoute { node: Some(_), .. } => true,
            _ => false,
        }
    }
}

/// Makes a [`Error::File`], for `map_err`.
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

/// The first ten names and how many more there are.
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
