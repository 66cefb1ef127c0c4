//! The peer outside the cluster: a container on the network of a kind cluster's nodes.
use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use flatnet_model::observations::Endpoint;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::engine::Engine;
use super::logs;
use super::program::run;
use crate::limit::within;
use crate::upload::Upload;
use crate::{Error, Process, Result};

/// Where the peer has room for the probe.
const PROBE: &str = "/flatnet-probe";
/// The peer's name in reports.
const NAME: &str = "peer";

/// How long the engine may take to start the container; its image is there.
const STARTED_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to remove it.
const REMOVED_WITHIN: Duration = Duration::from_secs(30);

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

/// How a peer is started.
pub struct Start<'a> {
    /// The cluster beside which it runs.
    pub kind_cluster: &'a str,
    /// `flatnet-outside` on this machine, which keeps the container.
    pub program: &'a Path,
    /// The container's name.
    pub container: &'a str,
    /// The container's label, `KEY=VALUE`.
    pub label: &'a str,
    /// The probe on this machine.
    pub probe: &'a Path,
}

impl Peer {
    /// Starts it on the network of a node, made of its image: both are certainly there.
    ///
    /// # Errors
    /// When the engine or the keeper does not do it.
    pub async fn start(engine: Engine, start: Start<'_>) -> Result<Peer> {
        let Start {
            kind_cluster,
            container,
            ..
        } = start;
        let nodes = logs::containers(&engine, kind_cluster).await?;
        let node = nodes.first().ok_or_else(|| {
            Error::Failed(format!("kind cluster {kind_cluster} has no container"))
        })?;
        let format = "{{.Image}}{{range $name, $_ := .NetworkSettings.Networks}} {{$name}}{{end}}";
        let told = inspect(&engine, node, format).await?;
        let mut words = told.split_whitespace();
        let (Some(image), Some(network)) = (words.next(), words.next()) else {
            return Err(Error::Failed(format!(
                "container {node} has no image or network: {told:?}"
            )));
        };
        let keeper = keep(
            start.program,
            &[
                ("--image-id", image),
                ("--network", network),
                ("--name", container),
                ("--label", start.label),
            ],
        )
        .await?;
        let format =
            "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}";
        let told = inspect(&engine, container, format).await?;
        let address = |text: &str| {
            text.parse()
                .map_err(|e| Error::failed(format!("{container}: address {text:?}"), e))
        };
        Ok(Peer {
            addresses: told
                .split_whitespace()
                .map(address)
                .collect::<Result<_>>()?,
            engine,
            container: container.to_owned(),
            probe: start.probe.to_owned(),
            keeper: tokio::sync::Mutex::new(Some(keeper)),
        })
    }

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
            let ended = async { keeper.wait().await.map_err(|e| Error::failed(doing, e)) };
            let status = within(REMOVED_WITHIN, doing, ended).await?;
            if !status.success() {
                return Err(Error::Failed(format!(
                    "{doing}: flatnet-outside ended with {status}"
                )));
            }
        }
        Ok(())
    }
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
    let mut stdout = BufReader::new(stdout);
    let read = async {
        let read = stdout.read_line(&mut line).await;
        read.map_err(|e| Error::failed(doing, e))
    };
    if within(STARTED_WITHIN, doing, read).await? > 0 {
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
