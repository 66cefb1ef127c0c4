//! The seam: a running cluster, whoever booted it, speaking Kubernetes objects. One folder or file a provider: [`lab`],
//! [`kind`], and [`kube`] for what stands behind an API server.
pub mod diagnose;
pub mod exposed;
pub mod inspect;
pub mod kind;
pub mod kube;
pub mod lab;
pub mod limit;
pub mod manifest;
pub mod observe;
pub mod running;
pub mod services;
pub mod status;
pub mod upload;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use flatnet_model::{Error, PodRef, Result, Target, torn_down};
pub use status::pod_ref;

use kube::KubeCluster;
use lab::LabCluster;

/// A cluster as what it is.
#[derive(Clone)]
pub enum Ground {
    /// Namespaces on this machine.
    Lab(LabCluster),
    /// Something behind the Kubernetes API.
    Kubernetes(Box<KubeCluster>),
}

/// The cluster that is looked at.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Its name, or the kubeconfig's context.
    pub name: &'a str,
    /// The seam.
    pub cluster: &'a Arc<dyn Cluster>,
    /// What is behind it.
    pub ground: &'a Ground,
}

impl<'a> Place<'a> {
    /// The API's client, where there is an API.
    pub fn client(self) -> Option<&'a ::kube::Client> {
        match self.ground {
            Ground::Lab(_) => None,
            Ground::Kubernetes(cluster) => Some(cluster.client()),
        }
    }
}

/// A command that runs somewhere in the cluster. Dropping it closes its streams.
pub struct Process {
    /// Its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Its exit code, once it ended.
    pub exit: Pin<Box<dyn Future<Output = Result<i32>> + Send>>,
}

impl Process {
    /// Feeds it `input` and waits for its end, all three streams served at once; `doing` is what an error says.
    ///
    /// # Errors
    /// A stream that breaks, or an exit code that does not come.
    pub async fn finish(mut self, doing: &str, input: &[u8]) -> Result<ExecOutput> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let feed = async {
            // A command may end without reading all of its input; its exit code then tells more than EPIPE.
            match self.stdin.write_all(input).await {
                Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e),
                _ => {
                    drop(self.stdin);
                    Ok(())
                }
            }
        };
        tokio::try_join!(
            feed,
            self.stdout.read_to_end(&mut out),
            self.stderr.read_to_end(&mut err)
        )
        .map_err(|e| Error::failed(doing, e))?;
        Ok(ExecOutput {
            code: self.exit.await?,
            stdout: String::from_utf8_lossy(&out).into_owned(),
            stderr: String::from_utf8_lossy(&err).into_owned(),
        })
    }
}

/// What a finished command left.
#[derive(Clone, Debug)]
pub struct ExecOutput {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// How long [`Cluster::exec`] waits: for commands that look or change something, none of which waits itself.
const EXEC_WITHIN: Duration = Duration::from_secs(120);
/// How long the probe may take to be put somewhere, over a slow connection.
const PLACED_WITHIN: Duration = Duration::from_secs(60);

/// A running cluster. Everything a check needs to know goes through here, so that no check knows which provider it is on.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// `lab`, `kind`, `kubeconfig`.
    fn provider(&self) -> &'static str;
    /// Nodes in a stable order.
    async fn nodes(&self) -> Result<Vec<Node>>;
    /// Creates the pod; returns before it runs.
    async fn apply_pod(&self, pod: &Pod) -> Result<()>;
    /// Waits until the pod runs and has its IPs, or has ended, or `limit` has passed; returns it as last seen.
    async fn wait_pod(&self, pod: &PodRef, limit: Duration) -> Result<Pod>;
    /// Events of the pod, oldest first.
    async fn events(&self, pod: &PodRef) -> Result<Vec<Event>>;
    /// Deletes the pod and waits until it is gone.
    async fn delete_pod(&self, pod: &PodRef) -> Result<()>;
    /// Puts the probe where `target` can run it; returns its path there.
    async fn place_probe(&self, target: &Target) -> Result<String>;
    /// Starts a command.
    async fn start(&self, target: &Target, argv: &[String]) -> Result<Process>;
    /// Takes away what was put into the cluster through this handle, and waits until it is gone; the cluster stays.
    async fn withdraw(&self) -> Result<()>;

    /// Called instead of [`Cluster::withdraw`] where everything is to stay.
    async fn keep(&self) -> Result<()> {
        Ok(())
    }

    /// The namespace that a run's own pods go to.
    fn namespace(&self) -> &str {
        "default"
    }

    /// The folder under which a node's probe sees the node's root, without a slash at its end.
    fn node_root(&self) -> &'static str {
        ""
    }

    /// Runs a command to its end, which is to come within two minutes.
    async fn exec(&self, target: &Target, argv: &[String], input: &[u8]) -> Result<ExecOutput> {
        let doing = format!("exec {argv:?} in {target}");
        let ended = async {
            let process = self.start(target, argv).await?;
            process.finish(&doing, input).await
        };
        let started = Instant::now();
        let done = limit::within(EXEC_WITHIN, &doing, ended).await;
        let code = done.as_ref().map(|done| done.code).ok();
        tracing::debug!(%target, ?argv, code, took = ?started.elapsed(), "ran");
        done
    }
}
