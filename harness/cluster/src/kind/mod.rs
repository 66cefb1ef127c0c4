//! kind: a real cluster of containers on this machine, booted for a run or reused.
pub mod config;
pub mod engine;
pub mod images;
pub mod logs;
pub mod peer;
pub mod program;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::config::Kubeconfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Mutex;

use super::Process;
use super::kube::{Connection, Identity, KubeCluster, NodeAccess, RunNamespace, connect};
use super::upload::Upload;
use crate::limit::within;
use crate::{Error, Result};
use engine::Engine;
use program::run;

/// Where nodes have room for the probe: `/tmp` and `/run` are mounted noexec in kind's containers.
const PROBE_ON_NODE: &str = "/var/flatnet-probe";

/// What is to be booted.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The cluster's name.
    pub name: String,
    /// kind's configuration, YAML.
    pub config: String,
    /// Node image instead of the one kind or the configuration names.
    pub image: Option<String>,
    /// Where logs go when it does not come up.
    pub logs: PathBuf,
}

/// How long a cluster may take to come up, its node image pulled.
const CREATED_WITHIN: Duration = Duration::from_secs(1200);

/// `kind create cluster`, in its own process group, whose id is passed to `started`; `progress` gets each of its steps. Returns
/// when the API answers; nodes are not Ready without a CNI.
///
/// # Errors
/// Why it does not come up, and where its logs are. The cluster is left to its reaper.
pub async fn create(
    engine: &Engine,
    boot: &Boot,
    started: impl FnOnce(u32) -> Result<()>,
    progress: impl Fn(String),
) -> Result<()> {
    let scratch =
        tempfile::tempdir().map_err(|e| Error::failed("create a temporary directory", e))?;
    let config = scratch.path().join("kind-config.yaml");
    tokio::fs::write(&config, &boot.config)
        .await
        .map_err(|e| Error::failed("write kind's config", e))?;
    let mut create = engine.kind();
    create
        .args(["create", "cluster", "--retain", "--name", &boot.name])
        .arg("--config")
        .arg(&config)
        // The user's own kubeconfig stays as it is; `kind get kubeconfig` has the same later.
        .arg("--kubeconfig")
        .arg(scratch.path().join("kubeconfig"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(image) = &boot.image {
        create.args(["--image", image]);
    }
    let doing = "kind create cluster";
    let mut child = create.spawn().map_err(|e| Error::failed(doing, e))?;
    if let Some(group) = child.id() {
        started(group)?;
    }
    let stderr = child.stderr.take();
    let stderr = stderr.ok_or_else(|| Error::Failed(format!("{doing}: no standard error")))?;
    let mut lines = BufReader::new(stderr).lines();
    let mut words = String::new();
    let ended = async {
        while let Some(line) = lines
            .next_line()
            .await
            .map_err(|e| Error::failed(doing, e))?
        {
            words.push_str(&line);
            words.push('\n');
            if let Some(step) = step(&line) {
                progress(step);
            }
        }
        child.wait().await.map_err(|e| Error::failed(doing, e))
    };
    let status = within(CREATED_WITHIN, doing, ended).await?;
    if status.success() {
        return Ok(());
    }
    let cause = logs::cause(&words, boot.image.as_deref(), &boot.name);
    match cause {
        Error::Failed(what) => {
            let place = logs::save(engine, &boot.name, &boot.logs).await?;
            tokio::fs::write(place.join("kind-create.log"), &words)
                .await
                .map_err(|e| Error::failed(format!("write logs into {}", place.display()), e))?;
            Err(Error::Failed(format!(
                "{what}; logs of its nodes: {}",
                place.display()
            )))
        }
        other => Err(other),
    }
}

/// `Preparing nodes` of kind's ` • Preparing nodes 📦 📦  ...`; nothing for its other lines.
fn step(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix('•')?;
    let words: String = rest.chars().filter(char::is_ascii).collect();
    let words = words.trim().trim_end_matches('.').trim();
    (!words.is_empty()).then(|| words.to_owned())
}

/// Names of the clusters kind knows here.
///
/// # Errors
/// When kind cannot list them.
pub async fn clusters(engine: &Engine) -> Result<Vec<String>> {
    let said = run(engine.kind().args(["get", "clusters"]), "kind get clusters").await?;
    if said.code != 0 {
        return Err(Error::failed("kind get clusters", said.stderr.trim()));
    }
    Ok(said.stdout.lines().map(str::to_owned).collect())
}

/// A client for the cluster, without touching any kubeconfig file.
///
/// # Errors
/// When kind does not know it, or its API does not answer.
pub async fn connection(engine: &Engine, name: &str) -> Result<Connection> {
    let mut get = engine.kind();
    get.args(["get", "kubeconfig", "--name", name]);
    let said = run(&mut get, "kind get kubeconfig").await?;
    if said.code != 0 {
        return Err(Error::failed("kind get kubeconfig", said.stderr.trim()));
    }
    let kubeconfig = Kubeconfig::from_yaml(&said.stdout)
        .map_err(|e| Error::failed("the kubeconfig that kind gives", e))?;
    connect::with(kubeconfig, &format!("kind cluster {name}"), None).await
}

/// The handle of a cluster, its nodes reached through their containers; `probe` is the probe program on this machine.
pub fn cluster(
    engine: &Engine,
    name: &str,
    connection: Connection,
    namespace: RunNamespace,
    probe: &Path,
) -> KubeCluster {
    let nodes = InContainers::new(engine.clone(), probe.to_owned());
    let probe = probe.to_owned();
    KubeCluster::new(Identity::kind(name), connection, namespace, nodes, probe)
}

/// Commands on nodes, through the container engine: works without a CNI and without the API.
struct InContainers {
    engine: Engine,
    probe: PathBuf,
    /// Nodes that have the probe.
    placed: Mutex<Vec<String>>,
}

impl InContainers {
    /// `probe` is the probe program on this machine.
    fn new(engine: Engine, probe: PathBuf) -> Arc<Self> {
        Arc::new(InContainers {
            engine,
            probe,
            placed: Mutex::default(),
        })
    }
}

#[async_trait]
impl NodeAccess for InContainers {
    async fn start(&self, node: &str, argv: &[String]) -> Result<Process> {
        self.engine.exec(node, argv)
    }

    async fn place_probe(&self, node: &str) -> Result<String> {
        if self.placed.lock().await.iter().any(|placed| placed == node) {
            return Ok(PROBE_ON_NODE.to_owned());
        }
        let upload = Upload::read(&self.probe, PROBE_ON_NODE).await?;
        let process = self.engine.exec(node, &upload.argv())?;
        let path = upload.through(process, &format!("node {node}")).await?;
        self.placed.lock().await.push(node.to_owned());
        Ok(path)
    }

    fn root(&self) -> &'static str {
        ""
    }

    async fn close(&self) -> Result<()> {
        for node in self.placed.lock().await.drain(..) {
            let mut remove = self.engine.engine();
            remove.args(["exec", &node, "rm", "-f", PROBE_ON_NODE]);
            run(&mut remove, "remove the probe").await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn progress_is_read_from_kinds_lines() {
        assert_eq!(
            step(" • Preparing nodes 📦 📦 📦   ...").as_deref(),
            Some("Preparing nodes")
        );
        assert_eq!(step(" ✓ Preparing nodes 📦 📦 📦 "), None);
        assert_eq!(step("Creating cluster \"a\" ..."), None);
    }
}
