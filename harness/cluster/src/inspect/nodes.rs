//! What a probe on each node is asked. All nodes at once, one question after the other.
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{Answer, Ask, FileContent, NodeProcess};
use k8s_openapi::api::core::v1::Node;

use crate::Cluster;
use crate::Error;
use crate::observe::fleet::Fleet;
use crate::observe::gather::{READ_WITHIN, unexpected};
use flatnet_model::components::flags;
use flatnet_model::components::paths;
use flatnet_model::observations::{Availability, Endpoint, Forbidden, Observed};
use flatnet_model::view::Inside;

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

/// Nodes by name; what a missing right kept from being seen is absent.
pub(super) async fn look(
    cluster: Arc<dyn Cluster>,
    nodes: &[Node],
) -> BTreeMap<String, Availability<Inside>> {
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
            let inside = node(&fleet, &name, root).await;
            (name, inside)
        }
    });
    futures::future::join_all(looking)
        .await
        .into_iter()
        .collect()
}

/// The server's own words on which right is lacking.
fn forbidden(rule: &str) -> Availability<Inside> {
    Availability::Absent {
        why: format!("nodes are looked at through a pod on each, and that is not allowed: {rule}"),
    }
}

async fn node(fleet: &Fleet, name: &str, root: &str) -> Availability<Inside> {
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
    let processes = probe.processes().await;
    let paths = files_of_interest(processes.as_deref().unwrap_or_default());
    Availability::Found(Inside {
        facts: probe.facts().await,
        sockets: probe.sockets().await,
        namespaces: probe.namespaces().await,
        files: probe.files(root, paths).await,
        cni: probe.cni(root).await,
        plugins: probe.plugins(root).await,
        processes,
    })
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
    async fn ask<T>(
        &self,
        question: Ask,
        limit: Duration,
        read: impl FnOnce(Answer) -> Result<T, Answer>,
    ) -> Observed<T> {
        let mut answers = self
            .fleet
            .ask(vec![(self.at.clone(), question)], limit)
            .await;
        let (_, answer) = answers.pop().ok_or("the probe was not asked")?;
        read(answer?).map_err(|other| unexpected(&other))
    }

    async fn facts(&self) -> Observed<flatnet_model::probe::Facts> {
        self.ask(Ask::Facts, READ_WITHIN, |answer| match answer {
            Answer::Facts(facts) => Ok(*facts),
            other => Err(other),
        })
        .await
    }

    async fn sockets(&self) -> Observed<flatnet_model::probe::Sockets> {
        let ask = Ask::Sockets {
            proc: PROC.to_owned(),
            ports: flatnet_model::components::ports::ETCD.to_vec(),
        };
        self.ask(ask, READ_WITHIN, |answer| match answer {
            Answer::Sockets(sockets) => Ok(sockets),
            other => Err(other),
        })
        .await
    }

    async fn processes(&self) -> Observed<Vec<NodeProcess>> {
        let ask = Ask::Processes {
            proc: PROC.to_owned(),
            names: PROGRAMS.iter().map(|name| (*name).to_owned()).collect(),
        };
        self.ask(ask, READ_WITHIN, |answer| match answer {
            Answer::Processes { processes } => Ok(processes),
            other => Err(other),
        })
        .await
    }

    async fn namespaces(&self) -> Observed<Vec<flatnet_model::probe::NetworkNamespace>> {
        let ask = Ask::NetworkNamespaces {
            proc: PROC.to_owned(),
        };
        self.ask(ask, READ_WITHIN, |answer| match answer {
            Answer::NetworkNamespaces { namespaces } => Ok(namespaces),
            other => Err(other),
        })
        .await
    }

    async fn files(
        &self,
        root: &str,
        paths: Vec<String>,
    ) -> Observed<BTreeMap<String, FileContent>> {
        let ask = Ask::Files {
            root: root.to_owned(),
            paths,
        };
        self.ask(ask, READ_WITHIN, |answer| match answer {
            Answer::Files { files } => Ok(files
                .into_iter()
                .map(|file| (file.path, file.content))
                .collect()),
            other => Err(other),
        })
        .await
    }

    async fn cni(&self, root: &str) -> Observed<flatnet_model::probe::CniFiles> {
        let ask = Ask::CniFiles {
            conf_dir: format!("{root}{CONF_DIR}"),
            bin_dir: format!("{root}{BIN_DIR}"),
        };
        self.ask(ask, READ_WITHIN, |answer| match answer {
            Answer::CniFiles(files) => Ok(files),
            other => Err(other),
        })
        .await
    }

    async fn plugins(&self, root: &str) -> Observed<Vec<flatnet_model::probe::PluginVersion>> {
        let ask = Ask::PluginVersions {
            root: root.to_owned(),
            bin_dir: BIN_DIR.to_owned(),
            timeout_ms: PLUGIN_MS,
        };
        self.ask(ask, PLUGINS_WITHIN, |answer| match answer {
            Answer::PluginVersions { plugins } => Ok(plugins),
            other => Err(other),
        })
        .await
    }
}
