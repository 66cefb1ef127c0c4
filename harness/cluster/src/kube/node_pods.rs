//! Commands on the nodes of a cluster that flatnet did not boot: through one pod a node that shares the node's network and
//! process namespaces and sees its files read-only.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

use super::{FIELD_MANAGER, LABEL_APP, LABEL_RUN, NodeAccess, PROBE_IN_POD, RunNamespace};
use super::{exec, nodes, pods};
use crate::Process;
use crate::status;
use crate::upload::Packed;
use crate::{Error, Result};

/// How long a node's pod may take to run, its image pulled.
const RUNS_WITHIN: Duration = Duration::from_secs(60);
/// Where the pod sees the node's root.
const ROOT: &str = "/host";

/// One pod a node, made when the first node is asked for.
pub struct NodePods {
    client: Client,
    namespace: RunNamespace,
    image: String,
    probe: Packed,
    /// Pods that have the probe.
    placed: Mutex<BTreeSet<String>>,
    /// Node to pod, or why there is none: on one node, or anywhere.
    made: OnceCell<Result<BTreeMap<String, Result<String>>>>,
}

impl NodePods {
    /// Pods of `image` (with a shell, `head`, `gunzip` and `chroot`) in `namespace`; `probe` is the probe program on this machine.
    pub fn new(client: Client, namespace: RunNamespace, image: String, probe: PathBuf) -> Self {
        NodePods {
            client,
            namespace,
            image,
            probe: Packed::new(probe),
            placed: Mutex::default(),
            made: OnceCell::new(),
        }
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    async fn pod_of(&self, node: &str) -> Result<String> {
        let made = self.made.get_or_init(|| self.make()).await;
        match made {
            Ok(pods) => pods
                .get(node)
                .cloned()
                .unwrap_or_else(|| Err(Error::Input(format!("there is no node {node:?}")))),
            Err(e) => Err(e.clone()),
        }
    }

    async fn make(&self) -> Result<BTreeMap<String, Result<String>>> {
        let api = self.api();
        let mut made = BTreeMap::new();
        for (index, node) in nodes(&self.client).await?.iter().enumerate() {
            let node = node.metadata.name.clone().unwrap_or_default();
            let name = format!("flatnet-node-{}-{}", self.namespace.run(), index + 1);
            let pod = self.object(&name, &node)?;
            // The first refusal holds for every node: admission knows no difference between them.
            pods::create(&api, &pod).await?;
            made.insert(node, name);
        }
        let watched = pods::Watched::start(api);
        let waits = made.into_iter().map(|(node, name)| {
            let watched = &watched;
            async move {
                let pod = self.running(watched, &node, name).await;
                (node, pod)
            }
        });
        // A node on which the pod does not run does not hold up the others.
        Ok(join_all(waits).await.into_iter().collect())
    }

    async fn running(&self, watched: &pods::Watched, node: &str, name: String) -> Result<String> {
        let pod = watched.wait(&name, RUNS_WITHIN).await?;
        if status::pod(&pod)?.is_running() {
            return Ok(name);
        }
        Err(Error::Failed(format!(
            "pod {name}, which runs commands on node {node}, did not run within {RUNS_WITHIN:?}; to see why: kubectl -n {} describe pod {name}",
            self.namespace.name()
        )))
    }

    /// The pod. Not privileged: reading links, routes and rules needs `NET_ADMIN` in the node's network namespace, a ping
    /// needs `NET_RAW`, and `chroot` its own capability.
    fn object(&self, name: &str, node: &str) -> Result<Pod> {
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": self.namespace.name(), "labels": {
                LABEL_APP: FIELD_MANAGER, LABEL_RUN: self.namespace.run() } },
            "spec": {
                "nodeName": node, "hostNetwork": true, "hostPID": true,
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "tolerations": [{ "operator": "Exists" }],
                "containers": [{
                    "name": "node", "image": self.image, "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"],
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": {
                        "drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW", "SYS_CHROOT", "DAC_READ_SEARCH", "SYS_PTRACE"] } },
                    "volumeMounts": [{ "name": "root", "mountPath": ROOT, "readOnly": true }],
                }],
                "volumes": [{ "name": "root", "hostPath": { "path": "/", "type": "Directory" } }],
            }
        }))
        .map_err(|e| Error::failed("write a pod", e))
    }
}

#[async_trait]
impl NodeAccess for NodePods {
    async fn start(&self, node: &str, argv: &[String]) -> Result<Process> {
        let pod = self.pod_of(node).await?;
        let inside = argv.first().is_some_and(|program| program == PROBE_IN_POD);
        if inside {
            return exec::start(&self.api(), &pod, argv).await;
        }
        let mut chrooted = vec!["chroot".to_owned(), ROOT.to_owned()];
        chrooted.extend(argv.iter().cloned());
        exec::start(&self.api(), &pod, &chrooted).await
    }

    async fn place_probe(&self, node: &str) -> Result<String> {
        let pod = self.pod_of(node).await?;
        if self.placed.lock().await.contains(&pod) {
            return Ok(PROBE_IN_POD.to_owned());
        }
        let upload = self.probe.upload(PROBE_IN_POD).await?;
        let process = exec::start(&self.api(), &pod, &upload.argv()).await?;
        let path = upload.through(process, &format!("node {node}")).await?;
        self.placed.lock().await.insert(pod);
        Ok(path)
    }

    fn root(&self) -> &'static str {
        ROOT
    }

    async fn close(&self) -> Result<()> {
        // They live in the run's namespace and carry its label: they go with it.
        Ok(())
    }
}
