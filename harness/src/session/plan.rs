//! From options to a plan: every address and every pod decided and validated before anything is started.
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_lab::{IpFamily, LabSpec, NodeSpec};
use flatnet_probe::Transport;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use k8s_openapi::api::core::v1::Pod;

use super::busybox;
use super::config::{Family, Protocol, RunArgs, Underlay};
use super::programs::Programs;
use crate::cluster::manifest;
use crate::cni::Choice;
use crate::plant::Fault;
use crate::{Error, Result};

/// A run, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cluster.
    pub lab: LabSpec,
    /// Pod network ranges of the whole cluster.
    pub pod_network: Vec<IpNet>,
    /// What networks the pods.
    pub cni: Choice,
    /// As given.
    pub cni_name: String,
    /// Pods under test, in the order of their creation.
    pub pods: Vec<Pod>,
    /// How long they may take to run.
    pub pod_timeout: Duration,
    /// Transports of the matrix.
    pub transports: Vec<Transport>,
    /// Keep the cluster afterwards.
    pub keep: bool,
    /// flatnet's own parts.
    pub programs: Programs,
    /// One line a reader should know, if there is one.
    pub notes: Vec<String>,
}

impl Plan {
    /// Decides everything; starts nothing.
    ///
    /// # Errors
    /// [`Error::Input`] for what the user can mend in words, [`Error::Missing`] for what is not there.
    pub fn new(args: &RunArgs, fault: Option<&Fault>) -> Result<Plan> {
        let programs = Programs::locate()?;
        let busybox = busybox::choose(args.busybox.as_deref())?;
        let mut notes = Vec::new();
        if busybox.is_none() {
            notes.push("no static busybox on this machine: pods see the host's own programs, read-only (Debian: package busybox-static)".to_owned());
        }
        let pod_network = pod_network(args)?;
        let mut nodes = nodes(args, &pod_network)?;
        if let Some(fault) = fault {
            fault.edit_nodes(&mut nodes);
        }
        let pods = pods(args)?;
        let cni = Choice::parse(args)?;
        let mut shown = vec![
            ("flatnet-probe".to_owned(), programs.probe.clone()),
            ("flatnet-cni".to_owned(), programs.cni.clone()),
            ("flatnet-agent".to_owned(), programs.agent.clone()),
        ];
        shown.extend(cni.programs());
        let lab = LabSpec {
            name: args.name.clone().unwrap_or_else(|| {
                format!(
                    "lab-{:06x}",
                    RandomState::new().hash_one(std::process::id()) & 0xff_ffff
                )
            }),
            nodes,
            underlay: match args.underlay {
                Underlay::L2 => flatnet_lab::Underlay::L2,
                Underlay::Routed => flatnet_lab::Underlay::Routed,
            },
            mtu: args.mtu,
            family: match args.ip_family {
                Family::Ipv4 => IpFamily::Ipv4,
                Family::Ipv6 => IpFamily::Ipv6,
                Family::Dual => IpFamily::Dual,
            },
            busybox,
            programs: shown,
            labels: BTreeMap::from([
                ("cni".to_owned(), args.cni.clone()),
                ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ]),
        };
        Ok(Plan {
            lab,
            pod_network,
            cni,
            cni_name: args.cni.clone(),
            pods,
            pod_timeout: Duration::from_secs(args.pod_timeout),
            transports: args.transports.iter().map(|t| transport(*t)).collect(),
            keep: args.keep,
            programs,
            notes,
        })
    }
}

fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
        Protocol::Icmp => Transport::Icmp,
    }
}

/// One range a wanted family, the user's where given.
fn pod_network(args: &RunArgs) -> Result<Vec<IpNet>> {
    let (v4, v6) = match args.ip_family {
        Family::Ipv4 => (true, false),
        Family::Ipv6 => (false, true),
        Family::Dual => (true, true),
    };
    for net in &args.pod_cidr {
        let wanted = if net.addr().is_ipv4() { v4 } else { v6 };
        if !wanted {
            return Err(Error::Input(format!(
                "--pod-cidr {net}: not a family of this cluster; add --ip-family dual or leave it out"
            )));
        }
        if net.trunc() != *net {
            return Err(Error::Input(format!(
                "--pod-cidr {net}: host bits are set; did you mean {}?",
                net.trunc()
            )));
        }
    }
    let pick = |is_v4: bool, default: IpNet| -> Result<IpNet> {
        let mut given = args
            .pod_cidr
            .iter()
            .filter(|net| net.addr().is_ipv4() == is_v4);
        let net = *given.next().unwrap_or(&default);
        match given.next() {
            Some(second) => Err(Error::Input(format!(
                "--pod-cidr names {net} and {second}; at most one range a family"
            ))),
            None => Ok(net),
        }
    };
    let mut ranges = Vec::new();
    if v4 {
        ranges.push(pick(
            true,
            IpNet::V4(Ipv4Net::new_assert([10, 244, 0, 0].into(), 16)),
        )?);
    }
    if v6 {
        ranges.push(pick(
            false,
            IpNet::V6(Ipv6Net::new_assert(
                [0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0].into(),
                48,
            )),
        )?);
    }
    Ok(ranges)
}

fn nodes(args: &RunArgs, pod_network: &[IpNet]) -> Result<Vec<NodeSpec>> {
    let mut nodes: Vec<NodeSpec> = (1..=args.nodes)
        .map(|n| NodeSpec {
            name: format!("node{n}"),
            pod_cidrs: Vec::new(),
        })
        .collect();
    for range in pod_network {
        // As the controller manager's --node-cidr-mask-size defaults: 24 and 64.
        let mask = if range.addr().is_ipv4() {
            args.node_cidr_mask.unwrap_or(24)
        } else {
            64
        };
        let mut subnets = range
            .subnets(mask)
            .map_err(|_| Error::Input(format!("pod network {range} is smaller than one node's /{mask}; give a larger --pod-cidr or a larger --node-cidr-mask")))?;
        for (given, node) in nodes.iter_mut().enumerate() {
            let Some(subnet) = subnets.next() else {
                return Err(Error::Input(format!(
                    "pod network {range} holds {given} node ranges of /{mask}, {} nodes wanted; give a larger --pod-cidr or a larger --node-cidr-mask",
                    args.nodes
                )));
            };
            let room = usable(subnet);
            if room < u128::from(args.pods_per_node) {
                return Err(Error::Input(format!(
                    "podCIDR {subnet} of {} holds {room} pods (network, broadcast and gateway addresses are taken), {} wanted; give a smaller --node-cidr-mask or fewer --pods-per-node",
                    node.name, args.pods_per_node
                )));
            }
            node.pod_cidrs.push(subnet);
        }
    }
    Ok(nodes)
}

/// Addresses for pods in a node's range: all but network, gateway and (IPv4) broadcast.
fn usable(range: IpNet) -> u128 {
    let bits = range.max_prefix_len() - range.prefix_len();
    let all = 1_u128.checked_shl(bits.into()).unwrap_or(u128::MAX);
    all.saturating_sub(match range.addr() {
        IpAddr::V4(_) => 3,
        IpAddr::V6(_) => 2,
    })
}

/// The user's pods, or copies of the shipped manifest: round-robin over the nodes, then one hostNetwork pod a node.
fn pods(args: &RunArgs) -> Result<Vec<Pod>> {
    if let Some(path) = &args.manifest {
        return manifest::read(path);
    }
    let template = manifest::parse("manifests/busybox.yaml", manifest::BUSYBOX)?.remove(0);
    let copy = |name: String, node: u16, host_network: bool| {
        let mut pod = template.clone();
        pod.metadata.name = Some(name);
        pod.metadata.namespace = Some("default".to_owned());
        if let Some(spec) = pod.spec.as_mut() {
            spec.node_name = Some(format!("node{node}"));
            spec.host_network = host_network.then_some(true);
        }
        pod
    };
    let count = u32::from(args.nodes) * u32::from(args.pods_per_node);
    let spread = (0..count).map(|i| {
        copy(
            format!("busybox-{}", i + 1),
            (i % u32::from(args.nodes)) as u16 + 1,
            false,
        )
    });
    let host = (1..=args.nodes).map(|n| copy(format!("busybox-host-{n}"), n, true));
    Ok(spread.chain(host).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        run: RunArgs,
    }

    fn args(line: &str) -> RunArgs {
        Command::try_parse_from(std::iter::once("flatnet").chain(line.split_whitespace()))
            .unwrap()
            .run
    }

    #[test]
    fn nodes_get_ranges_in_order() {
        let args = args("--ip-family dual --nodes 2");
        let nodes = nodes(&args, &pod_network(&args).unwrap()).unwrap();
        assert_eq!(
            nodes[1].pod_cidrs,
            [
                "10.244.1.0/24".parse().unwrap(),
                "fd00:10:244:1::/64".parse().unwrap()
            ]
        );
    }

    #[test]
    fn too_small_a_range_is_told_with_figures() {
        let error = |line: &str| {
            let args = args(line);
            pod_network(&args)
                .and_then(|net| nodes(&args, &net))
                .unwrap_err()
                .to_string()
        };
        assert!(
            error("--node-cidr-mask 29 --pods-per-node 6")
                .contains("10.244.0.0/29 of node1 holds 5 pods")
        );
        assert!(
            error("--pod-cidr 10.0.0.0/23").contains("holds 2 node ranges of /24, 3 nodes wanted")
        );
        assert!(error("--pod-cidr 10.0.0.0/25").contains("smaller than one node's /24"));
        assert!(error("--pod-cidr fd00::/48").contains("not a family of this cluster"));
        assert!(error("--pod-cidr 10.0.0.1/16").contains("did you mean 10.0.0.0/16"));
        assert!(error("--pod-cidr 10.0.0.0/16,10.1.0.0/16").contains("at most one range a family"));
    }

    #[test]
    fn pods_go_round_and_each_node_has_a_host_network_pod() {
        let pods = pods(&args("--nodes 2 --pods-per-node 2")).unwrap();
        let seen: Vec<_> = pods
            .iter()
            .map(|p| {
                let spec = p.spec.as_ref().unwrap();
                (
                    p.metadata.name.as_deref().unwrap(),
                    spec.node_name.as_deref().unwrap(),
                    spec.host_network == Some(true),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("busybox-1", "node1", false),
                ("busybox-2", "node2", false),
                ("busybox-3", "node1", false),
                ("busybox-4", "node2", false),
                ("busybox-host-1", "node1", true),
                ("busybox-host-2", "node2", true),
            ]
        );
    }
}
