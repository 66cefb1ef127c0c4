//! The command line.
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{ArgGroup, Parser};
use ipnet::IpNet;

use crate::Result;
use crate::conflist::CniVersion;
use crate::desired::{Backend, Settings};
use crate::reconcile::Runtime;
use crate::source::{Access, FileSource, KubernetesSource, NodeSource, Timeouts};
use crate::sysctl::{self, Sysctl};

/// Maintains this node's routes to the pods of the other nodes, and writes the CNI configuration when the node can network pods
#[derive(Clone, Debug, Parser)]
#[command(
    name = "flatnet-agent",
    version,
    group = ArgGroup::new("source").args(["nodes_file", "kubernetes"]).required(true),
    after_help = "Examples:\n  flatnet-agent --node node1 --nodes-file nodes.json --once\n  flatnet-agent --node node1 \
--kubernetes --ready-socket /run/flatnet/agent.sock\n  flatnet-agent ready /run/flatnet/agent.sock   ask a running agent \
whether its node can network pods\n\nSignals: SIGHUP starts a pass at once; SIGTERM and SIGINT end the agent and leave the \
node as it is\n\nExit codes:\n  0  done\n  1  something could not be applied (--once)\n  2  wrong usage or input\n  3  \
something needed is missing"
)]
pub struct Args {
    /// Name of this node in the node list
    #[arg(long, value_name = "NAME", env = "NODE_NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: String,
    /// Read the node list from this JSON file, and watch it
    #[arg(long, value_name = "FILE")]
    pub nodes_file: Option<PathBuf>,
    /// Take the node list from the cluster's Nodes, watched through the API with the pod's service account
    #[arg(long)]
    pub kubernetes: bool,
    /// Use the current context of this kubeconfig for the API, if the agent does not run in a pod
    #[arg(
        long,
        value_name = "FILE",
        requires = "kubernetes",
        conflicts_with = "nodes_file"
    )]
    pub kubeconfig: Option<PathBuf>,
    /// Cluster CIDRs: traffic to them is never masqueraded [default: the podCIDRs of all nodes]
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        requires = "kubernetes",
        conflicts_with = "nodes_file",
        value_parser = network
    )]
    pub pod_network: Vec<IpNet>,
    /// How packets reach other nodes: plain routes within a segment and VXLAN elsewhere, or one of them for all nodes
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// VXLAN network identifier
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..1 << 24))]
    pub vni: u32,
    /// UDP port of VXLAN
    #[arg(long, default_value_t = 8472, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// MTU of the pods, in bytes [default: what fits through the uplink and the tunnel]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(576..65536))]
    pub mtu: Option<u32>,
    /// Name of the pods' bridge
    #[arg(long, value_name = "NAME", default_value = "cni0", value_parser = interface_name)]
    pub bridge: String,
    /// Do not masquerade traffic that leaves the pod network
    #[arg(long)]
    pub no_masquerade: bool,
    /// Do not let pods reach themselves through a service (hairpin mode of the bridge's ports)
    #[arg(long)]
    pub no_hairpin: bool,
    /// Do not chain portmap for host ports, even if it is installed; pods that have it keep it until they are deleted
    #[arg(long)]
    pub no_portmap: bool,
    /// Directory in which the runtime looks for network configurations
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    pub conf_dir: PathBuf,
    /// Directory in which the runtime looks for plugins
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    pub bin_dir: PathBuf,
    /// Install this flatnet-cni program into --bin-dir [default: it is already there]
    #[arg(long, value_name = "FILE")]
    pub install_plugin: Option<PathBuf>,
    /// Name of the network in its configuration
    #[arg(long, value_name = "NAME", default_value = "flatnet", value_parser = network_name)]
    pub network_name: String,
    /// CNI version in the configuration
    #[arg(long, value_name = "VERSION", value_enum, default_value = "1.1.0")]
    pub cni_version: CniVersion,
    /// Directory to read and write sysctls in: a writable mount of /proc/sys/net
    #[arg(long, value_name = "DIR", default_value = sysctl::PROC)]
    pub sysctl_dir: PathBuf,
    /// Answer readiness probes at this Unix socket: whether the node can network pods
    #[arg(long, value_name = "SOCKET")]
    pub ready_socket: Option<PathBuf>,
    /// Interval between full comparisons with the kernel, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = RangedU64ValueParser::<u64>::new().range(1..=86400))]
    pub resync: u64,
    /// Make one pass, then exit
    #[arg(long)]
    pub once: bool,
}

impl Args {
    /// Where the node list comes from, watched from now on.
    ///
    /// # Errors
    /// What the command line names is missing or not usable.
    pub fn source(&self) -> Result<Box<dyn NodeSource>> {
        Ok(match &self.nodes_file {
            Some(file) => Box::new(FileSource::open(file)?),
            None => {
                let access = match &self.kubeconfig {
                    Some(file) => Access::Kubeconfig(file.clone()),
                    None => Access::InCluster,
                };
                Box::new(KubernetesSource::open(
                    &access,
                    self.pod_network.clone(),
                    Timeouts::default(),
                )?)
            }
        })
    }

    /// The options that shape the network.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            backend: self.backend,
            vni: self.vni,
            port: self.port,
            mtu: self.mtu,
            bridge: self.bridge.clone(),
            masquerade: !self.no_masquerade,
        }
    }

    /// The options about the container runtime's directories.
    pub(crate) fn runtime(&self) -> Runtime {
        Runtime {
            conf_dir: self.conf_dir.clone(),
            bin_dir: self.bin_dir.clone(),
            install_plugin: self.install_plugin.clone(),
            network_name: self.network_name.clone(),
            cni_version: self.cni_version,
            hairpin: !self.no_hairpin,
            portmap: !self.no_portmap,
        }
    }

    pub(crate) fn sysctl(&self) -> Sysctl {
        Sysctl::new(self.sysctl_dir.clone())
    }

    pub(crate) fn resync(&self) -> Duration {
        Duration::from_secs(self.resync)
    }
}

fn network(text: &str) -> std::result::Result<IpNet, String> {
    let net: IpNet = text
        .parse()
        .map_err(|_| "a range is written 10.244.0.0/16 or fd00:10:244::/56".to_owned())?;
    if net.trunc() == net {
        Ok(net)
    } else {
        Err(format!(
            "bits are set behind its prefix (meant {}?)",
            net.trunc()
        ))
    }
}

/// What the kernel accepts as an interface name (dev_valid_name), except the names of our own tunnel.
fn interface_name(text: &str) -> std::result::Result<String, &'static str> {
    if text.is_empty() || text.len() > 15 {
        return Err("an interface name has 1 to 15 bytes");
    }
    if text == "."
        || text == ".."
        || text.contains(['/', ':'])
        || text.contains(char::is_whitespace)
    {
        return Err("an interface name is not . or .. and has no slash, colon or space");
    }
    if matches!(text, "all" | "default" | "lo") || text.starts_with("flatnet.") {
        return Err("that name is taken");
    }
    Ok(text.to_owned())
}

/// CNI spec 1.1.0, section 1: starts with a letter or digit, then also `_`, `.` and `-`.
fn network_name(text: &str) -> std::result::Result<String, &'static str> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if text.bytes().all(valid)
        && text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
    {
        Ok(text.to_owned())
    } else {
        Err("a network name has letters, digits, and after the first of them also _ . -")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[&str]) -> std::result::Result<Args, String> {
        let all = ["flatnet-agent", "--node", "a"].iter().chain(given);
        Args::try_parse_from(all).map_err(|e| e.to_string())
    }

    fn with_file(more: &[&str]) -> std::result::Result<Args, String> {
        parse(&[&["--nodes-file", "n.json"], more].concat())
    }

    #[test]
    fn the_defaults_are_those_of_the_field() {
        let args = with_file(&[]).unwrap();
        assert_eq!(
            (args.vni, args.port, args.backend),
            (1, 8472, Backend::Auto)
        );
        assert_eq!(args.bridge, "cni0");
        assert_eq!(args.conf_dir, PathBuf::from("/etc/cni/net.d"));
        assert!(args.settings().masquerade);
        assert_eq!(args.resync(), Duration::from_secs(30));
    }

    #[test]
    fn values_out_of_range_are_refused_and_named() {
        for (option, value) in [
            ("--vni", "16777216"),
            ("--port", "0"),
            ("--mtu", "575"),
            ("--mtu", "65536"),
            ("--backend", "ipip"),
            ("--bridge", "a-very-long-name"),
            ("--bridge", "a/b"),
            ("--bridge", "flatnet.1"),
            ("--network-name", "../x"),
            ("--network-name", ""),
            ("--cni-version", "0.4.0"),
            ("--resync", "0"),
            ("--node", ""),
        ] {
            let message = with_file(&[option, value]).unwrap_err();
            assert!(message.contains(option), "{option} {value}: {message}");
        }
    }

    #[test]
    fn the_node_list_comes_from_exactly_one_place() {
        let refused = |given: &[&str], says: &str| {
            let message = parse(given).unwrap_err();
            assert!(message.contains(says), "{given:?}: {message}");
        };
        refused(&[], "<--nodes-file <FILE>|--kubernetes>");
        refused(
            &["--nodes-file", "n", "--kubernetes"],
            "cannot be used with",
        );
        for option in [["--kubeconfig", "k"], ["--pod-network", "10.0.0.0/8"]] {
            refused(
                &["--nodes-file", "n", option[0], option[1]],
                "cannot be used with",
            );
        }
        refused(
            &["--kubernetes", "--pod-network", "10.244.0.1/16"],
            "bits are set behind its prefix (meant 10.244.0.0/16?)",
        );
        let args = parse(&[
            "--kubernetes",
            "--pod-network",
            "10.244.0.0/16,fd00:10:244::/56",
        ])
        .unwrap();
        assert_eq!(args.pod_network.len(), 2);
        assert!(parse(&["--kubernetes", "--kubeconfig", "k"]).is_ok());
    }
}
