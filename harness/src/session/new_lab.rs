//! A lab to boot: its nodes, and which addresses each gives its pods.
use std::net::IpAddr;

use flatnet_cluster::lab::record;
use flatnet_lab::{LabSpec, NODE_NETWORKS, NodeSpec};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::source::ClusterSource;
use super::{locate, pod_ranges, run_id};
use crate::busybox;
use crate::cni::lab_change::Config;
use crate::cni::{Choice, Given, Wanted};
use crate::config::RunArgs;
use crate::plant::Fault;
use crate::programs::Programs;
use crate::{Error, Result};

/// Decides every address; a `fault` of the plan is planted in it.
pub(super) fn plan(
    args: &RunArgs,
    programs: &Programs,
    cni: &Choice,
    fault: Option<&Fault>,
) -> Result<ClusterSource> {
    let busybox = busybox::choose(args.lab.busybox.as_deref())?;
    let (pod_network, mut nodes) = ranges(args)?;
    if let Some(fault) = fault {
        fault.edit_nodes(&mut nodes);
    }
    let mut shown = vec![
        ("flatnet-probe".to_owned(), programs.probe.clone()),
        ("flatnet-cni".to_owned(), programs.cni.clone()),
        ("flatnet-agent".to_owned(), programs.agent.clone()),
    ];
    // A conflist may name flatnet's own plugin, and then brings it.
    let plugins = cni.programs();
    shown.retain(|(name, _)| plugins.iter().all(|(plugin, _)| plugin != name));
    shown.extend(plugins);
    let given = Given {
        name: args.cni().to_owned(),
        backend: matches!(cni, Choice::Flatnet(_)).then(|| args.backend().to_owned()),
        options: args.cni_options.clone(),
    };
    let config = Config::new(
        Wanted::given(&given),
        cni,
        pod_network.clone(),
        nodes
            .iter()
            .map(|node| (node.name.clone(), node.pod_cidrs.clone()))
            .collect(),
    )?;
    let booted =
        record::label(&args.booted()?).map_err(|e| Error::failed("record the lab's options", e))?;
    let name = args.name.clone();
    let spec = LabSpec {
        name: name.unwrap_or_else(|| format!("lab-{}", run_id())),
        nodes,
        underlay: args.lab.underlay(),
        mtu: args.lab.mtu(),
        family: args.ip_family(),
        busybox,
        programs: shown,
        labels: locate::labels(&given, &pod_network)
            .chain([booted, config.label()?])
            .chain([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
            .collect(),
    };
    Ok(ClusterSource::NewLab { spec, pod_network })
}

/// The ranges of a lab with these options: the whole cluster's, and each node's.
///
/// # Errors
/// [`Error::Input`] for ranges that do not fit.
pub(crate) fn ranges(args: &RunArgs) -> Result<(Vec<IpNet>, Vec<NodeSpec>)> {
    let network = pod_network(args)?;
    let nodes = nodes(args, &network)?;
    Ok((network, nodes))
}

/// One range a wanted family, the user's where given.
fn pod_network(args: &RunArgs) -> Result<Vec<IpNet>> {
    let family = args.ip_family();
    let defaults = [
        IpNet::V4(Ipv4Net::new_assert([10, 244, 0, 0].into(), 16)),
        IpNet::V6(Ipv6Net::new_assert(
            [0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0].into(),
            48,
        )),
    ];
    let wanted = |net: &IpNet| match net {
        IpNet::V4(_) => family.has_v4(),
        IpNet::V6(_) => family.has_v6(),
    };
    pod_ranges::check(&args.pod_cidr)?;
    for net in &args.pod_cidr {
        if !wanted(net) {
            return Err(Error::Input(format!(
                "--pod-cidr {net}: not an IP family of this cluster; add --ip-family dual or leave the range out"
            )));
        }
        if net.trunc() != *net {
            return Err(Error::Input(format!(
                "--pod-cidr {net}: host bits are set; did you mean {}?",
                net.trunc()
            )));
        }
        if let Some(nodes) = NODE_NETWORKS
            .iter()
            .find(|nodes| nodes.contains(net) || net.contains(*nodes))
        {
            return Err(Error::Input(format!(
                "--pod-cidr {net}: overlaps {nodes}, the network of the lab's nodes; choose another range"
            )));
        }
    }
    let pick = |default: IpNet| {
        let like = |net: &&IpNet| net.addr().is_ipv4() == default.addr().is_ipv4();
        match args.pod_cidr.iter().filter(like).collect::<Vec<_>>()[..] {
            [] => Ok(default),
            [net] => Ok(*net),
            [net, second, ..] => Err(Error::Input(format!(
                "--pod-cidr: {net} and {second} are of one IP family; give at most one range per family"
            ))),
        }
    };
    defaults.into_iter().filter(wanted).map(pick).collect()
}

fn nodes(args: &RunArgs, pod_network: &[IpNet]) -> Result<Vec<NodeSpec>> {
    let mut nodes: Vec<NodeSpec> = (1..=args.nodes())
        .map(|n| NodeSpec {
            name: format!("node{n}"),
            pod_cidrs: Vec::new(),
        })
        .collect();
    for range in pod_network {
        // As the controller manager's --node-cidr-mask-size defaults: 24 and 64.
        let mask = if range.addr().is_ipv4() {
            args.lab.node_cidr_mask.unwrap_or(24)
        } else {
            64
        };
        let mut subnets = range
            .subnets(mask)
            .map_err(|_| Error::Input(format!("pod network {range} is smaller than the /{mask} podCIDR of one node; give a larger --pod-cidr or a larger --node-cidr-mask")))?;
        for (given, node) in nodes.iter_mut().enumerate() {
            let Some(subnet) = subnets.next() else {
                return Err(Error::Input(format!(
                    "pod network {range} has room for {given} podCIDRs of /{mask}, but {} nodes need one each; give a larger --pod-cidr, a larger --node-cidr-mask or fewer --nodes",
                    args.nodes()
                )));
            };
            let room = usable(subnet);
            let wanted = args.pods_per_node.unwrap_or(3);
            if room < u128::from(wanted) {
                return Err(Error::Input(format!(
                    "podCIDR {subnet} of {} has room for {room} pods (without network, broadcast and gateway addresses), but {wanted} are requested; give a smaller --node-cidr-mask or fewer --pods-per-node",
                    node.name
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_get_ranges_in_order() {
        let args = RunArgs::parse(["--ip-family", "dual", "--nodes", "2"]).unwrap();
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
    fn too_small_a_range_is_reported_with_figures() {
        let error = |line: &str| {
            let args = RunArgs::parse(line.split_whitespace()).unwrap();
            pod_network(&args)
                .and_then(|net| nodes(&args, &net))
                .unwrap_err()
                .to_string()
        };
        assert!(
            error("--node-cidr-mask 29 --pods-per-node 6")
                .contains("10.244.0.0/29 of node1 has room for 5 pods")
        );
        assert!(
            error("--pod-cidr 10.0.0.0/23")
                .contains("has room for 2 podCIDRs of /24, but 3 nodes need one each")
        );
        assert!(
            error("--pod-cidr 10.0.0.0/25").contains("smaller than the /24 podCIDR of one node")
        );
        assert!(error("--pod-cidr fd00::/48").contains("not an IP family of this cluster"));
        assert!(error("--pod-cidr 10.0.0.1/16").contains("did you mean 10.0.0.0/16"));
        for (range, reserved) in [
            ("0.0.0.0/0", "0.0.0.0/8"),
            ("127.0.0.0/8", "127.0.0.0/8"),
            ("224.0.0.0/8", "224.0.0.0/4"),
            ("::/0", "::/8"),
            ("::1/128", "::/8"),
            ("ff00::/8", "ff00::/8"),
            ("fe80::/10", "fe80::/10"),
        ] {
            let refused = error(&format!("--pod-cidr {range}"));
            let expected = format!("--pod-cidr {range}: overlaps {reserved}, which is ");
            assert!(refused.starts_with(&expected), "{refused}");
        }
        for range in ["172.18.4.0/22", "172.16.0.0/12"] {
            let overlap = error(&format!("--pod-cidr {range}"));
            assert!(overlap.contains("overlaps 172.18.0.0/16"), "{overlap}");
        }
        assert!(
            error("--pod-cidr 10.0.0.0/16,10.1.0.0/16").contains("at most one range per family")
        );
    }
}
