//! What a run can be told: the same names as options and as `FLATNET_*` variables.
use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use ipnet::IpNet;

use crate::{Error, Result};

/// Who boots the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// Linux namespaces on this machine; no container engine, no root needed.
    Lab,
}

/// How the lab's nodes are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Underlay {
    /// One Ethernet segment, as kind's docker network.
    L2,
    /// Each node in a subnet of its own, behind a router.
    Routed,
}

/// IP families of nodes and pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    Ipv4,
    Ipv6,
    Dual,
}

/// Probe transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// The cluster that a run boots and what it deploys there.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Who boots the cluster
    #[arg(
        long,
        env = "FLATNET_PROVIDER",
        value_enum,
        default_value = "lab",
        help_heading = "Cluster"
    )]
    pub provider: Provider,

    /// CNI: flatnet, reference, or a conflist FILE (then with --cni-bin)
    #[arg(
        long,
        env = "FLATNET_CNI",
        default_value = "flatnet",
        value_name = "NAME|FILE",
        help_heading = "Cluster"
    )]
    pub cni: String,

    /// Folder with the plugin programs of the conflist (reference: default /usr/lib/cni, /opt/cni/bin)
    #[arg(
        long,
        env = "FLATNET_CNI_BIN",
        value_name = "DIR",
        help_heading = "Cluster"
    )]
    pub cni_bin: Option<PathBuf>,

    /// How the flatnet CNI joins nodes: auto, vxlan or routes
    #[arg(long, env = "FLATNET_BACKEND", default_value = "auto", value_parser = ["auto", "vxlan", "routes"], help_heading = "Cluster")]
    pub backend: String,

    /// Number of nodes, 1 to 250
    #[arg(long, env = "FLATNET_NODES", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=250), help_heading = "Cluster")]
    pub nodes: u16,

    /// Busybox pods on each node (one hostNetwork pod a node comes on top)
    #[arg(long, env = "FLATNET_PODS_PER_NODE", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Cluster")]
    pub pods_per_node: u16,

    /// How nodes are joined
    #[arg(
        long,
        env = "FLATNET_UNDERLAY",
        value_enum,
        default_value = "l2",
        help_heading = "Cluster"
    )]
    pub underlay: Underlay,

    /// MTU between nodes, bytes, 1280 to 65535
    #[arg(long, env = "FLATNET_MTU", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1280..=65535), help_heading = "Cluster")]
    pub mtu: u32,

    /// IP families of nodes and pods
    #[arg(
        long,
        env = "FLATNET_IP_FAMILY",
        value_enum,
        default_value = "ipv4",
        help_heading = "Cluster"
    )]
    pub ip_family: Family,

    /// Pod network ranges, at most one a family, instead of 10.244.0.0/16 and fd00:10:244::/48
    #[arg(
        long,
        env = "FLATNET_POD_CIDR",
        value_delimiter = ',',
        value_name = "CIDR",
        help_heading = "Cluster"
    )]
    pub pod_cidr: Vec<IpNet>,

    /// Prefix length of each node's podCIDR (IPv4) [default: 24]
    #[arg(long, env = "FLATNET_NODE_CIDR_MASK", value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=30), help_heading = "Cluster")]
    pub node_cidr_mask: Option<u8>,

    /// Pods of your own instead of the busybox ones; each names its node (node1, node2, …)
    #[arg(
        long,
        env = "FLATNET_MANIFEST",
        value_name = "FILE",
        help_heading = "Cluster"
    )]
    pub manifest: Option<PathBuf>,

    /// Static busybox for the pods' root [default: the one on this machine, if any]
    #[arg(
        long,
        env = "FLATNET_BUSYBOX",
        value_name = "FILE",
        help_heading = "Cluster"
    )]
    pub busybox: Option<PathBuf>,

    /// Name of the cluster [default: a new one each run]
    #[arg(
        long,
        env = "FLATNET_NAME",
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub name: Option<String>,

    /// Keep the cluster afterwards (`flatnet list`, `flatnet down`)
    #[arg(long, env = "FLATNET_KEEP", help_heading = "Cluster")]
    pub keep: bool,

    /// How long pods may take to run, seconds
    #[arg(long, env = "FLATNET_POD_TIMEOUT", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS", help_heading = "Cluster")]
    pub pod_timeout: u64,

    /// Transports of the matrix
    #[arg(long, env = "FLATNET_TRANSPORTS", value_enum, value_delimiter = ',', default_values = ["tcp", "udp", "icmp"], help_heading = "Checks")]
    pub transports: Vec<Protocol>,
}

impl RunArgs {
    /// The defaults, with what `FLATNET_*` variables choose.
    ///
    /// # Errors
    /// [`Error::Input`] names the variable whose value does not fit.
    pub fn from_env() -> Result<Self> {
        #[derive(Parser)]
        struct Command {
            #[command(flatten)]
            run: RunArgs,
        }
        Command::try_parse_from(["flatnet"])
            .map(|command| command.run)
            .map_err(|e| Error::Input(e.to_string()))
    }
}
