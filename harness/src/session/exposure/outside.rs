//! The peer outside the cluster: a container on the network of a kind cluster's nodes.
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::address;
use crate::cluster::Process;
use crate::cluster::kind::engine::{Engine, run};
use crate::cluster::kind::logs;
use crate::cluster::kube::KubeCluster;
use crate::cluster::upload::Upload;
use crate::observe::{Endpoint, Sought};
use crate::session::lifetime::Lifetime;
use crate::session::plan::{Plan, Site};
use crate::session::reaper::Reap;
use crate::{Error, Result};

/// Where the peer has room for the probe.
const PROBE: &str = "/flatnet-probe";
/// How to get the program that keeps the peer.
pub(crate) const BUILD_IT: &str = "build it: cargo build --release -p flatnet-outside";
/// The peer's name in reports.
const NAME: &str = "peer";

/// The peer.
pub struct Peer {
    /// Its addresses on the nodes' network.
    pub addresses: Vec<IpAddr>,
    engine: Engine,
    container: String,
    probe: std::path::PathBuf,
    /// The program that keeps the container: it removes it when its standard input ends.
    keeper: tokio::sync::Mutex<Option<Child>>,
}

impl Peer {
    /// How reports name it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Outside(NAME.to_owned())
    }

    /// Puts the probe there and starts it.
    ///
    /// # Errors
    /// When the engine does not run commands there.
    pub async fn start_probe(&self) -> Result<Process> {
        let upload = Upload::read(&self.probe, PROBE).await?;
        let taking = self.engine.exec(&self.container, &upload.argv())?;
        let path = upload.through(taking, &self.container).await?;
        self.engine.exec(&self.container, &[path])
    }

    /// Removes it.
    ///
    /// # Errors
    /// When the engine does not; the run's reaper tries once more.
    pub async fn remove(&self) -> Result<()> {
        let doing = "remove the container outside the cluster";
        if let Some(mut keeper) = self.keeper.lock().await.take() {
            drop(keeper.stdin.take());
            let status = keeper.wait().await.map_err(|e| Error::failed(doing, e))?;
            if !status.success() {
                return Err(Error::Failed(format!(
                    "{doing}: flatnet-outside ended with {status}"
                )));
            }
        }
        Ok(())
    }
}

/// Starts it where there can be one.
pub(super) async fn start(cluster: &KubeCluster, plan: &Plan, lifetime: &Lifetime) -> Sought<Peer> {
    let name = match &plan.site {
        Site::NewKind(boot, _) => &boot.name,
        Site::RunningKind(name, _) => name,
        Site::Lab { .. } | Site::Kubeconfig(_) => {
            return Sought::Absent {
                why: "a peer outside the cluster can be started for --provider kind only"
                    .to_owned(),
            };
        }
    };
    start_on_kind(cluster, plan, lifetime, name).await
}

async fn start_on_kind(
    cluster: &KubeCluster,
    plan: &Plan,
    lifetime: &Lifetime,
    name: &str,
) -> Sought<Peer> {
    let Some(program) = &plan.programs.outside else {
        return Sought::Absent {
            why: format!("flatnet-outside is not beside flatnet; {BUILD_IT}"),
        };
    };
    let engine = match Engine::find().await {
        Ok(engine) => engine,
        Err(e) => return Err(e).into(),
    };
    if engine.name != "docker" {
        return Sought::Absent {
            why: format!(
                "the peer outside the cluster is started through docker's API, and the engine is {}",
                engine.name
            ),
        };
    }
    let started = start_beside(cluster, plan, lifetime, engine, name, program);
    started.await.into()
}

/// On the network of a node, made of its image: both are certainly there.
async fn start_beside(
    cluster: &KubeCluster,
    plan: &Plan,
    lifetime: &Lifetime,
    engine: Engine,
    name: &str,
    program: &Path,
) -> Result<Peer> {
    let nodes = logs::containers(&engine, name).await?;
    let node = nodes
        .first()
        .ok_or_else(|| Error::Failed(format!("kind cluster {name} has no container")))?;
    let format = "{{.Image}}{{range $name, $_ := .NetworkSettings.Networks}} {{$name}}{{end}}";
    let told = inspect(&engine, node, format).await?;
    let mut words = told.split_whitespace();
    let (Some(image), Some(network)) = (words.next(), words.next()) else {
        return Err(Error::Failed(format!(
            "container {node} tells no image and network: {told:?}"
        )));
    };
    let [_, (label, run_id)] = cluster.labels();
    let container = format!("flatnet-outside-{run_id}");
    // Before it is there: a run killed while it starts leaves nothing either.
    lifetime.add(Reap::Container {
        engine: engine.path().to_owned(),
        name: container.clone(),
    })?;
    let keeper = keep(
        program,
        &[
            ("--image-id", image),
            ("--network", network),
            ("--name", &container),
            ("--label", &format!("{label}={run_id}")),
        ],
    )
    .await?;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}";
    let told = inspect(&engine, &container, format).await?;
    Ok(Peer {
        addresses: told
            .split_whitespace()
            .map(|text| address(&container, text))
            .collect::<Result<_>>()?,
        engine,
        container,
        probe: plan.programs.probe.clone(),
        keeper: tokio::sync::Mutex::new(Some(keeper)),
    })
}

/// Starts the keeper and waits until it says that the container runs.
async fn keep(program: &Path, options: &[(&str, &str)]) -> Result<Child> {
    let doing = "start a container outside the cluster";
    let mut command = Command::new(program);
    for (option, value) in options {
        command.args([option, value]);
    }
    let mut keeper = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Error::failed(doing, e))?;
    let (Some(stdout), Some(mut stderr)) = (keeper.stdout.take(), keeper.stderr.take()) else {
        return Err(Error::Failed(format!("{doing}: a stream is missing")));
    };
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line).await;
    if read.map_err(|e| Error::failed(doing, e))? > 0 {
        return Ok(keeper);
    }
    let mut words = String::new();
    // What it said is all there is to tell.
    let _ = stderr.read_to_string(&mut words).await;
    Err(Error::failed(doing, words.trim()))
}

async fn inspect(engine: &Engine, container: &str, format: &str) -> Result<String> {
    let mut command = engine.engine();
    command.args(["inspect", "--format", format, container]);
    let doing = format!("inspect container {container}");
    let said = run(&mut command, &doing).await?;
    if said.code == 0 {
        Ok(said.stdout)
    } else {
        Err(Error::failed(doing, said.stderr.trim()))
    }
}
