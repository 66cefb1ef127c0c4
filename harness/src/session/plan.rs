//! From options to a plan: every address and every pod decided and validated before anything is started.
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use flatnet_lab::{LabSpec, NODE_NETWORKS, NodeSpec};
use flatnet_model::probe::Transport;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::locate::{self, Existing};
use super::workload::Workload;
use crate::busybox;
use crate::cni::{Choice, Given};
use crate::config::{KubeArgs, Provider, RunArgs};
use crate::plant::Fault;
use crate::programs::Programs;
use crate::{Error, Result};
use flatnet_cluster::kind::{
    self,
    config::{KindConfig, Shape},
    engine::Engine,
};
use flatnet_cluster::running::Running;

/// A run, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cluster.
    pub site: Site,
    /// What networks the pods.
    pub cni: Choice,
    /// As given.
    pub cni_name: String,
    /// Pods under test.
    pub workload: Workload,
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

/// Where the run takes place.
#[derive(Clone, Debug)]
pub enum Site {
    /// A lab to boot.
    Lab {
        /// The lab.
        spec: LabSpec,
        /// Pod network ranges of the whole cluster.
        pod_network: Vec<IpNet>,
    },
    /// A lab that runs.
    RunningLab {
        /// What it was made from.
        spec: LabSpec,
        /// Pod network ranges of the whole cluster, where known.
        pod_network: Vec<IpNet>,
    },
    /// A kind cluster to boot.
    NewKind(kind::Boot, Archives),
    /// A kind cluster that runs.
    RunningKind {
        /// Its name.
        name: String,
        /// The engine that its nodes are in.
        engine: Engine,
        /// For its nodes.
        archives: Archives,
    },
    /// Any cluster that runs.
    Kubeconfig(KubeArgs),
}

/// Image archives for the nodes; each is a readable file.
#[derive(Clone, Debug)]
pub struct Archives(pub Vec<PathBuf>);

impl Site {
    /// Whether the cluster was already running.
    fn is_running(&self) -> bool {
        match self {
            Site::Lab { .. } | Site::NewKind(..) => false,
            Site::RunningLab { .. } | Site::RunningKind { .. } | Site::Kubeconfig(_) => true,
        }
    }

    /// The cluster's name, where it has one that `flatnet down` knows.
    pub fn name(&self) -> Option<&str> {
        match self {
            Site::Lab { spec, .. } | Site::RunningLab { spec, .. } => Some(&spec.name),
            Site::NewKind(boot, _) => Some(&boot.name),
            Site::RunningKind { name, .. } => Some(name),
            Site::Kubeconfig(_) => None,
        }
    }
}

impl Plan {
    /// Decides everything, with options that fit each other and the cluster they name ([`super::locate`]); starts nothing.
    ///
    /// # Errors
    /// [`Error::Input`] for what the user can correct on the command line, [`Error::Missing`] for what is not there.
    pub fn new(args: &RunArgs, existing: Option<Existing>, fault: Option<&Fault>) -> Result<Plan> {
        let programs = Programs::locate()?;
        let mut notes = Vec::new();
        let cni = match &existing {
            Some(existing) if existing.cni_stays => Choice::Kept {
                name: args.cni().to_owned(),
            },
            _ => Choice::parse(args)?,
        };
        let site = match (existing.map(|existing| existing.cluster), args.provider()) {
            (Some(Running::Lab(lab)), _) => {
                if let Some(fault) = fault {
                    return Err(Error::Input(format!(
                        "--plant {}: the fault would stay in the lab, which is kept; leave --cluster out, or plant it by hand with flatnet exec",
                        fault.id
                    )));
                }
                Site::RunningLab {
                    pod_network: locate::pod_network(&lab.spec),
                    spec: lab.spec,
                }
            }
            (Some(Running::Kind { name, engine }), _) => Site::RunningKind {
                name,
                engine,
                archives: archives(args)?,
            },
            (None, Provider::Lab) => {
                let busybox = busybox::choose(args.lab.busybox.as_deref())?;
                if busybox.is_none() {
                    notes.push("no static busybox on this machine: pods use the host's programs, read-only; to change that, install one (Debian: package busybox-static)".to_owned());
                }
                let pod_network = pod_network(args)?;
                let mut nodes = nodes(args, &pod_network)?;
                if let Some(fault) = fault {
                    fault.edit_nodes(&mut nodes);
                }
                let spec = lab(args, nodes, busybox, &programs, &cni, &pod_network);
                Site::Lab { spec, pod_network }
            }
            (None, Provider::Kind) => kind_site(args)?,
            (None, Provider::Kubeconfig) => Site::Kubeconfig(args.kube.clone()),
        };
        Ok(Plan {
            site,
            cni,
            cni_name: args.cni().to_owned(),
            workload: Workload::choose(args)?,
            pod_timeout: args.pod_timeout(),
            transports: args.transports.clone(),
            keep: args.keep,
            programs,
            notes,
        })
    }
}

impl Plan {
    /// What to print when the cluster, or `namespace` in a cluster that the run did not boot, was kept.
    pub(super) fn kept(&self, namespace: &str) -> String {
        match self.site.name() {
            Some(name) if self.site.is_running() => format!(
                "pods are kept in namespace {namespace} of cluster {name}; to delete both: flatnet down {name}"
            ),
            Some(name) => format!("cluster {name} is kept; to delete it: flatnet down {name}"),
            None => format!(
                "namespace {namespace} is kept; to delete it: kubectl delete namespace {namespace}"
            ),
        }
    }
}

/// Six hexadecimal digits, new for each run.
pub fn run_id() -> String {
    format!(
        "{:06x}",
        RandomState::new().hash_one(std::process::id()) & 0xff_ffff
    )
}

fn lab(
    args: &RunArgs,
    nodes: Vec<NodeSpec>,
    busybox: Option<PathBuf>,
    programs: &Programs,
    cni: &Choice,
    pod_network: &[IpNet],
) -> LabSpec {
    let mut shown = vec![
        ("flatnet-probe".to_owned(), programs.probe.clone()),
        ("flatnet-cni".to_owned(), programs.cni.clone()),
        ("flatnet-agent".to_owned(), programs.agent.clone()),
    ];
    shown.extend(cni.programs());
    let given = Given {
        name: args.cni().to_owned(),
        backend: matches!(cni, Choice::Flatnet { .. }).then(|| args.backend().to_owned()),
    };
    LabSpec {
        name: args
            .name
            .clone()
            .unwrap_or_else(|| format!("lab-{}", run_id())),
        nodes,
        underlay: args.lab.underlay(),
        mtu: args.lab.mtu(),
        family: args.ip_family(),
        busybox,
        programs: shown,
        labels: locate::labels(&given, pod_network)
            .chain([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
            .collect(),
    }
}

/// Those for the nodes; each is readable.
fn archives(args: &RunArgs) -> Result<Archives> {
    let archives = args.kind.archives(args.cni());
    for archive in &archives {
        std::fs::File::open(archive).map_err(|e| {
            Error::Input(format!(
                "--image-archive {}: {e}; name a readable archive made by docker save",
                archive.display()
            ))
        })?;
    }
    Ok(Archives(archives))
}

/// The user's configuration, or the default one with what was chosen.
fn kind_site(args: &RunArgs) -> Result<Site> {
    let kind = &args.kind;
    let archives = archives(args)?;
    let image = kind.node_image();
    let config = match &kind.kind_config {
        Some(path) => {
            let origin = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|e| {
                Error::Input(format!(
                    "--kind-config {origin}: {e}; name a readable kind configuration"
                ))
            })?;
            KindConfig::parse(&text, &origin)
        }
        None => KindConfig::default_for(&Shape {
            nodes: NonZeroUsize::new(usize::from(args.nodes())).unwrap_or(NonZeroUsize::MIN),
            family: args.ip_family(),
            pod_network: &args.pod_cidr,
            image: image.as_deref(),
        }),
    }?;
    let name = match &args.name {
        Some(name) => cluster_name(name)?,
        None => format!("flatnet-{}", run_id()),
    };
    let logs = args.report.clone().unwrap_or_else(std::env::temp_dir);
    let boot = kind::Boot {
        name,
        config: config.yaml().to_owned(),
        // The image of the engine beside is for nodes whose image the user's configuration does not name.
        image: match kind.image {
            None if kind.kind_config.is_some() && names_images(config.yaml()) => None,
            _ => image,
        },
        logs,
    };
    Ok(Site::NewKind(boot, archives))
}

/// Whether a kind configuration says which image its nodes have.
fn names_images(yaml: &str) -> bool {
    let config = serde_yaml::from_str::<serde_json::Value>(yaml).unwrap_or_default();
    let nodes = config["nodes"].as_array();
    nodes
        .into_iter()
        .flatten()
        .any(|node| node["image"].is_string())
}

/// kind makes container and host names of it: RFC 1123 label, and room for `-control-plane2`.
fn cluster_name(name: &str) -> Result<String> {
    let fits = !name.is_empty()
        && name.len() <= 45
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Error::Input(format!(
            "--name {name}: not a name for a kind cluster; use 1 to 45 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
        )))
    }
}

/// One range a wanted family, the user's where given.
fn pod_network(args: &RunArgs) -> Result<Vec<IpNet>> {
    let family = args.ip_family();
    let (v4, v6) = (family.has_v4(), family.has_v6());
    for net in &args.pod_cidr {
        let wanted = if net.addr().is_ipv4() { v4 } else { v6 };
        if !wanted {
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
    let pick = |is_v4: bool, default: IpNet| -> Result<IpNet> {
        let mut given = args
            .pod_cidr
            .iter()
            .filter(|net| net.addr().is_ipv4() == is_v4);
        let net = *given.next().unwrap_or(&default);
        match given.next() {
            Some(second) => Err(Error::Input(format!(
                "--pod-cidr: {net} and {second} are of one IP family; give at most one range per family"
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
        for range in ["172.18.4.0/22", "172.16.0.0/12"] {
            let overlap = error(&format!("--pod-cidr {range}"));
            assert!(overlap.contains("overlaps 172.18.0.0/16"), "{overlap}");
        }
        assert!(
            error("--pod-cidr 10.0.0.0/16,10.1.0.0/16").contains("at most one range per family")
        );
    }
}
