//! Nodes and pods as a configuration change finds and leaves them.
use std::collections::BTreeMap;
use std::sync::Arc;

use flatnet_model::PodRef;
use flatnet_model::change::NodeLook;
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use flatnet_model::components::paths::{CNI_NETWORKS, CNI_RESULTS};
use flatnet_model::observations::{Endpoint, Observed};
use flatnet_model::probe::{Facts, FileContent, NodeFile, Question, ask};
use flatnet_model::snapshot::PodSnapshot;
use futures::future::join_all;

use super::fleet::{Fleet, READ_WITHIN};
use crate::status;
use crate::{Cluster, Result, Target};

/// Folders besides those of reservations.
const FOLDERS: [&str; 4] = ["/var/lib/cni", CNI_RESULTS, "/run/flatnet", "/run/flannel"];
/// The agent that is asked for its options.
const AGENT: &str = "flatnet-agent";

/// Every node, by name.
///
/// # Errors
/// When the nodes cannot be listed.
pub async fn nodes(
    fleet: &Fleet,
    cluster: &Arc<dyn Cluster>,
) -> Result<BTreeMap<String, Observed<NodeLook>>> {
    let mut looks = Vec::new();
    for object in cluster.nodes().await? {
        let node = status::node(&object)?;
        let probe = Probe {
            fleet,
            at: Endpoint::Node(node.name.clone()),
            root: cluster.node_root(),
        };
        looks.push(async move {
            let digests = digests(cluster, &node.name).await;
            let look = probe.look(node.pod_cidrs, digests).await;
            (node.name, look)
        });
    }
    Ok(join_all(looks).await.into_iter().collect())
}

/// Interfaces and routes of pods.
pub async fn pods(fleet: &Fleet, pods: &[&PodSnapshot]) -> BTreeMap<PodRef, Observed<Facts>> {
    let questions = pods
        .iter()
        .map(|pod| (Endpoint::Pod(pod.reference.clone()), ask::Facts {}));
    let answers = fleet.ask(questions.collect(), READ_WITHIN).await;
    let of_pods = answers.into_iter().filter_map(|(at, facts)| match at {
        Endpoint::Pod(pod) => Some((pod, facts)),
        Endpoint::Node(_) | Endpoint::Outside(_) => None,
    });
    of_pods.collect()
}

/// Of the plugins, where there is a `sha256sum`.
async fn digests(cluster: &Arc<dyn Cluster>, node: &str) -> BTreeMap<String, String> {
    let script = format!("cd {BIN_DIR} 2>/dev/null && sha256sum -- *");
    let argv = ["sh", "-c", &script].map(str::to_owned);
    let target = Target::Node(node.to_owned());
    let Ok(done) = cluster.exec(&target, &argv, b"").await else {
        return BTreeMap::new();
    };
    let lines = done.stdout.lines();
    let pairs = lines.filter_map(|line| line.split_once("  "));
    pairs
        .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
        .collect()
}

struct Probe<'a> {
    fleet: &'a Fleet,
    at: Endpoint,
    root: &'static str,
}

impl Probe<'_> {
    async fn ask<Q: Question>(&self, question: Q) -> Observed<Q::Answer> {
        self.fleet.ask_one(&self.at, &question, READ_WITHIN).await
    }

    async fn look(
        &self,
        pod_cidrs: Vec<ipnet::IpNet>,
        digests: BTreeMap<String, String>,
    ) -> Observed<NodeLook> {
        let root = self.root;
        let cni = ask::CniFiles {
            conf_dir: format!("{root}{CONF_DIR}"),
            bin_dir: format!("{root}{BIN_DIR}"),
        };
        let processes = ask::Processes {
            proc: "/proc".to_owned(),
            names: vec![AGENT.to_owned()],
        };
        let agents = self.ask(processes).await?.processes;
        // A kernel without nftables has no tables.
        let tables = self.ask(ask::NftTables {}).await;
        Ok(NodeLook {
            pod_cidrs,
            facts: self.ask(ask::Facts {}).await?,
            cni: self.ask(cni).await?,
            digests,
            tables: tables.map(|answer| answer.tables).unwrap_or_default(),
            folders: self.folders().await?,
            agents: agents.into_iter().map(|process| process.argv).collect(),
        })
    }

    async fn folders(&self) -> Observed<BTreeMap<String, Vec<String>>> {
        let mut folders = BTreeMap::new();
        let fixed = FOLDERS.iter().chain([&CNI_NETWORKS]);
        let files = self.files(fixed.map(|path| (*path).to_owned()).collect());
        self.add(files.await?, &mut folders);
        let networks = folders.get(CNI_NETWORKS).cloned().unwrap_or_default();
        let networks = networks.iter().map(|name| format!("{CNI_NETWORKS}/{name}"));
        let files = self.files(networks.collect());
        self.add(files.await?, &mut folders);
        Ok(folders)
    }

    fn add(&self, files: Vec<NodeFile>, folders: &mut BTreeMap<String, Vec<String>>) {
        for file in files {
            if let FileContent::Folder(names) = file.content {
                folders.insert(file.path, names);
            }
        }
    }

    async fn files(&self, paths: Vec<String>) -> Observed<Vec<NodeFile>> {
        let root = self.root.to_owned();
        Ok(self.ask(ask::Files { root, paths }).await?.files)
    }
}
