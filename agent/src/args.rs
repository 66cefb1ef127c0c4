//! The command line.
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::desired::{Backend, Settings};
use crate::reconcile::Runtime;

/// Keeps this node's way to the pods of the other nodes, and hands the node to the container runtime when it is ready.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "flatnet-agent",
    version,
    after_help = "SIGHUP looks at everything at once; SIGTERM and SIGINT end the \
agent and leave the node as it is.\nExit codes: 0 done, 1 something could not be applied (--once), 2 wrong usage or \
input, 3 something needed is missing."
)]
pub struct Args {
    /// Name of this node in the node list
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: String,
    /// The node list, JSON; watched
    #[arg(long, value_name = "FILE")]
    pub nodes_file: PathBuf,
    /// How packets get to other nodes: plain routes where they share a segment and VXLAN elsewhere, or one for all
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// VXLAN network identifier
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..1 << 24))]
    pub vni: u32,
    /// UDP port of VXLAN
    #[arg(long, default_value_t = 8472, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// MTU of the pods, bytes [default: what fits through the uplink and the tunnel]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(576..65536))]
    pub mtu: Option<u32>,
    /// The pods' bridge
    #[arg(long, value_name = "NAME", default_value = "cni0", value_parser = interface_name)]
    pub bridge: String,
    /// Leave the addresses of pods that talk to the outside as they are
    #[arg(long)]
    pub no_masquerade: bool,
    /// Where the runtime looks for network configurations
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    pub conf_dir: PathBuf,
    /// Where the runtime looks for plugins
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    pub bin_dir: PathBuf,
    /// The flatnet-cni program to put there [default: it is there]
    #[arg(long, value_name = "FILE")]
    pub install_plugin: Option<PathBuf>,
    /// Name of the network in its configuration
    #[arg(long, value_name = "NAME", default_value = "flatnet", value_parser = network_name)]
    pub network_name: String,
    /// How often everything is compared with the kernel again, though nothing was heard
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = RangedU64ValueParser::<u64>::new().range(1..=86400))]
    pub resync: u64,
    /// One pass, then exit
    #[arg(long)]
    pub once: bool,
}

impl Args {
    /// The part that decides what the network looks like.
    pub fn settings(&self) -> Settings {
        Settings {
            backend: self.backend,
            vni: self.vni,
            port: self.port,
            mtu: self.mtu,
            bridge: self.bridge.clone(),
            masquerade: !self.no_masquerade,
        }
    }

    /// The part that the container runtime shares.
    pub fn runtime(&self) -> Runtime {
        Runtime {
            conf_dir: self.conf_dir.clone(),
            bin_dir: self.bin_dir.clone(),
            install_plugin: self.install_plugin.clone(),
            network_name: self.network_name.clone(),
        }
    }

    /// Time between passes while nothing happens.
    pub fn resync(&self) -> Duration {
        Duration::from_secs(self.resync)
    }
}

/// What the kernel takes as an interface name (dev_valid_name), less the names of our own tunnel.
fn interface_name(text: &str) -> Result<String, &'static str> {
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
fn network_name(text: &str) -> Result<String, &'static str> {
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

    fn parse(more: &[&str]) -> Result<Args, String> {
        let given = ["flatnet-agent", "--node", "a", "--nodes-file", "n.json"];
        Args::try_parse_from(given.iter().chain(more)).map_err(|e| e.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_field() {
        let args = parse(&[]).unwrap();
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
            ("--resync", "0"),
            ("--node", ""),
        ] {
            let message = parse(&[option, value]).unwrap_err();
            assert!(message.contains(option), "{option} {value}: {message}");
        }
    }
}
