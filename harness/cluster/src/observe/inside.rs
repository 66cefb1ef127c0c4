//! Nodes from inside, through one probe on each. All nodes at once, one question after the other.
use flatnet_model::cni::{BIN_DIR, CONF_DIR, in_use};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{
    CniFiles, Facts, FileContent, NetworkNamespace, NodeProcess, PluginVersion, Question, Sockets,
    ask,
};
use k8s_openapi::api::core::v1::Node;

use super::fleet::Fleet;
use super::fleet::READ_WITHIN;
use crate::Cluster;
use crate::Error;
use flatnet_model::components::flags;
use flatnet_model::components::paths::{self, CNI_NETWORKS};
use flatnet_model::components::ports;
use flatnet_model::observations::{Availability, Endpoint, Forbidden, Observed};
use flatnet_model::snapshot::NodeInside;

const PROC: &str = "/proc";
/// How long a plugin may take to answer VERSION, milliseconds: it only prints.
const PLUGIN_MS: u64 = 2_000;
/// All plugins of a node, some at a time.
const PLUGINS_WITHIN: Duration = Duration::from_secs(30);

/// Programs whose command line answers a question.
const PROGRAMS: &[&str] = &[
    "containerd",
    "cri-dockerd",
    "crio",
    "etcd",
    "flanneld",
    "flatnet-agent",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "weaver",
];

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything but the reservations of addresses.
    Everything,
    /// What pods' networks are made with: interfaces and routes, CNI files, plugins, reservations of addresses, the runtime's
    /// records and configuration.
    PodNetworks,
}

/// Nodes by name; what a missing right kept from being seen is absent.
pub(crate) async fn look(
    cluster: Arc<dyn Cluster>,
    nodes: &[Node],
    extent: Extent,
) -> BTreeMap<String, Availability<NodeInside>> {
    let names: Vec<String> = nodes
        .iter()
        .filter_map(|node| node.metadata.name.clone())
        .collect();
    let root = cluster.node_root();
    let fleet = match Fleet::start(cluster, nodes, &[], None).await {
        Ok(fleet) => Arc::new(fleet),
        Err(error) => {
            let why = match error {
                Error::Denied { rule, .. } => forbidden(&rule),
                error => Availability::Lost {
                    error: error.to_string(),
                },
            };
            return names.into_iter().map(|name| (name, why.clone())).collect();
        }
    };
    let looking = names.into_iter().map(|name| {
        let fleet = Arc::clone(&fleet);
        async move {
            let inside = node(&fleet, &name, root, extent).await;
            (name, inside)
        }
    });
    futures::future::join_all(looking)
        .await
        .into_iter()
        .collect()
}

/// The server's own words on which right is lacking.
fn forbidden(rule: &str) -> Availability<NodeInside> {
    Availability::Absent {
        why: format!("nodes are observed through a pod on each, which is not allowed: {rule}"),
    }
}

async fn node(fleet: &Fleet, name: &str, root: &str, extent: Extent) -> Availability<NodeInside> {
    let at = Endpoint::Node(name.to_owned());
    if let Some(why) = fleet.lost.get(&at) {
        let denied = fleet
            .denied
            .iter()
            .find(|denied| denied.who == Forbidden::Nodes && why.contains(&denied.rule));
        return match denied {
            Some(denied) => forbidden(&denied.rule),
            None => Availability::Lost { error: why.clone() },
        };
    }
    let probe = Probe { fleet, at };
    let mut inside = NodeInside {
        facts: Some(probe.facts().await),
        cni: Some(probe.cni(root).await),
        plugins: Some(probe.plugins(root).await),
        ..NodeInside::default()
    };
    match extent {
        Extent::PodNetworks => inside.files = Some(probe.runtime_files(root).await),
        Extent::Everything => {
            let processes = probe.processes().await;
            let paths = files_of_interest(processes.as_deref().unwrap_or_default());
            inside.files = Some(probe.files(root, paths).await);
            inside.processes = Some(processes);
            inside.sockets = Some(probe.sockets().await);
            inside.namespaces = Some(probe.namespaces().await);
        }
    }
    Availability::Found(inside)
}

/// A node's kubelet says where its configuration is.
fn files_of_interest(processes: &[NodeProcess]) -> Vec<String> {
    let mut paths: Vec<String> = paths::ALL.iter().map(|path| (*path).to_owned()).collect();
    let kubelets = processes
        .iter()
        .filter(|process| process.program == "kubelet");
    for path in kubelets.filter_map(|kubelet| flags::value(&kubelet.argv, "config")) {
        if Path::new(&path).is_absolute() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// A node's end of the fleet.
struct Probe<'a> {
    fleet: &'a Fleet,
    at: Endpoint,
}

impl Probe<'_> {
    async fn ask<Q: Question>(&self, question: Q) -> Observed<Q::Answer> {
        self.fleet.ask_one(&self.at, &question, READ_WITHIN).await
    }

    async fn facts(&self) -> Observed<Facts> {
        self.ask(ask::Facts {}).await
    }

    async fn sockets(&self) -> Observed<Sockets> {
        self.ask(ask::Sockets {
            proc: PROC.to_owned(),
            ports: ports::ETCD.to_vec(),
        })
        .await
    }

    async fn processes(&self) -> Observed<Vec<NodeProcess>> {
        let found = self
            .ask(ask::Processes {
                proc: PROC.to_owned(),
                names: PROGRAMS.iter().map(|name| (*name).to_owned()).collect(),
            })
            .await?;
        Ok(found.processes)
    }

    async fn namespaces(&self) -> Observed<Vec<NetworkNamespace>> {
        let found = self
            .ask(ask::NetworkNamespaces {
                proc: PROC.to_owned(),
            })
            .await?;
        Ok(found.namespaces)
    }

    async fn files(
        &self,
        root: &str,
        paths: Vec<String>,
    ) -> Observed<BTreeMap<String, FileContent>> {
        let found = self
            .ask(ask::Files {
                root: root.to_owned(),
                paths,
            })
            .await?;
        let files = found.files.into_iter();
        Ok(files.map(|file| (file.path, file.content)).collect())
    }

    /// The folder of networks, and the folder of each; records of ADD, and containerd's configuration.
    async fn runtime_files(&self, root: &str) -> Observed<BTreeMap<String, FileContent>> {
        let records = format!("{}/*", paths::CNI_RESULTS);
        let fixed = [CNI_NETWORKS, paths::CONTAINERD_CONFIG, &records];
        let mut files = self.files(root, fixed.map(str::to_owned).to_vec()).await?;
        if let Some(FileContent::Folder(networks)) = files.get(CNI_NETWORKS) {
            let folder = |network: &String| format!("{CNI_NETWORKS}/{network}");
            let paths = networks.iter().map(folder).collect();
            files.extend(self.files(root, paths).await?);
        }
        Ok(files)
    }

    async fn cni(&self, root: &str) -> Observed<CniFiles> {
        self.ask(ask::CniFiles {
            conf_dir: format!("{root}{CONF_DIR}"),
            bin_dir: format!("{root}{BIN_DIR}"),
        })
        .await
    }

    async fn plugins(&self, root: &str) -> Observed<Vec<PluginVersion>> {
        let question = ask::PluginVersions {
            root: root.to_owned(),
            bin_dir: BIN_DIR.to_owned(),
            only: None,
            timeout_ms: PLUGIN_MS,
        };
        let found = self.fleet.ask_one(&self.at, &question, PLUGINS_WITHIN);
        Ok(found.await?.plugins)
    }
}

/// What the plugins say of themselves that each node's configuration in use needs.
pub(super) async fn plugins_in_use(
    fleet: &Fleet,
    root: &str,
    files: &BTreeMap<Endpoint, Observed<CniFiles>>,
) -> BTreeMap<Endpoint, Observed<Vec<PluginVersion>>> {
    let questions = files.iter().filter_map(|(at, files)| {
        let network = in_use(files.as_ref().ok()?)?;
        let programs = network.programs().into_iter().map(str::to_owned);
        let question = ask::PluginVersions {
            root: root.to_owned(),
            bin_dir: BIN_DIR.to_owned(),
            only: Some(programs.collect()),
            timeout_ms: PLUGIN_MS,
        };
        Some((at.clone(), question))
    });
    let answers = fleet.ask(questions.collect(), PLUGINS_WITHIN).await;
    let plugins = |found: flatnet_model::probe::PluginVersions| found.plugins;
    let answers = answers.into_iter();
    answers
        .map(|(at, found)| (at, found.map(plugins)))
        .collect()
}
