//! The seam: a running cluster of any provider, in Kubernetes objects. One directory or file per provider: [`lab`],
//! [`kind`], and [`kube`] for what stands behind an API server.
pub mod diagnose;
pub mod exposed;
pub mod input;
pub mod inspect;
pub mod kind;
pub mod kube;
pub mod lab;
pub mod limit;
pub mod manifest;
pub mod observe;
pub mod running;
pub mod status;
pub mod upload;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use flatnet_model::booted::Booted;
use flatnet_model::capabilities::Capabilities;
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::Agent;
use flatnet_model::view::{ApiObjects, ServiceAt};
pub use flatnet_model::{Error, PodRef, Result, Target, torn_down};
pub use status::pod_ref;

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
            // A command may end without reading all of its input; its exit code then says more than EPIPE.
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

/// So many lines of a log are last words.
const LAST_LINES: i64 = 5;

/// Which part of a container's log is read.
#[derive(Clone, Debug, Default)]
pub struct LogPart {
    /// The container; the only one where none is named.
    pub container: Option<String>,
    /// Of its run before.
    pub previous: bool,
    /// So many lines from the end.
    pub tail_lines: Option<i64>,
    /// So many bytes from the beginning.
    pub limit_bytes: Option<i64>,
}

/// A running cluster: the Kubernetes API, and a way onto a node. Everything that looks at a cluster goes through here, so that
/// nothing knows which provider it is on; what a provider cannot do is in [`Cluster::capabilities`].
#[async_trait]
pub trait Cluster: Send + Sync {
    /// `lab`, `kind`, `kubeconfig`: for reports.
    fn provider(&self) -> &'static str;

    /// Its name, or the kubeconfig's context.
    fn name(&self) -> &str;

    /// What it can do besides nodes and pods.
    fn capabilities(&self) -> &Capabilities;

    /// The namespace that a run's own pods go to.
    fn namespace(&self) -> &str {
        "default"
    }

    /// The nodes that can be looked at (Linux), in a stable order.
    async fn nodes(&self) -> Result<Vec<Node>>;

    /// Names of all nodes, whatever their operating system.
    async fn node_names(&self) -> Result<Vec<String>>;

    /// The pods of every namespace.
    async fn pods(&self) -> Result<Vec<Pod>>;

    /// Creates the pod of a run, with what the cluster wants of one; returns before it runs.
    ///
    /// # Errors
    /// Also where there is a pod of that name already: a run deletes its pods when it ends, and must not take another's for its own.
    async fn create_pod(&self, pod: &Pod) -> Result<()>;

    /// Waits until the pod runs and has its IPs, or has ended, or `limit` has passed; returns it as last seen.
    async fn wait_pod(&self, pod: &PodRef, limit: Duration) -> Result<Pod>;

    /// Events of the pod, oldest first.
    async fn events(&self, pod: &PodRef) -> Result<Vec<Event>>;

    /// A container's log; empty where there is none any more.
    async fn log(&self, pod: &PodRef, part: &LogPart) -> Result<String>;

    /// The last lines of a container's run before, or of the one that runs where there was none.
    async fn last_lines(&self, pod: &PodRef, container: Option<&str>) -> Result<String> {
        let part = |previous| LogPart {
            container: container.map(str::to_owned),
            previous,
            tail_lines: Some(LAST_LINES),
            ..LogPart::default()
        };
        match self.log(pod, &part(true)).await {
            Ok(text) if !text.trim().is_empty() => Ok(text),
            _ => self.log(pod, &part(false)).await,
        }
    }

    /// Deletes the pod and waits until it is gone.
    async fn delete_pod(&self, pod: &PodRef) -> Result<()>;

    /// The agents that network the cluster, those that do not work with their last words; `pods` are the cluster's.
    async fn agents(&self, pods: &[PodSnapshot]) -> Result<Vec<Agent>>;

    /// The CNI that flatnet applied, as it was asked for, where the cluster has the record of it
    /// ([`flatnet_model::cni::RECORD_NAME`]).
    async fn recorded_cni(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// What a cluster of flatnet's own was booted with, where the cluster has the record of it.
    async fn booted(&self) -> Result<Option<Booted>> {
        Ok(None)
    }

    /// The service behind an address.
    async fn service_at(&self, address: IpAddr) -> Result<Option<ServiceAt>>;

    /// What the control plane knows of the network.
    async fn control_plane(&self) -> Availability<ApiObjects>;

    /// Puts the probe where `target` can run it; returns its path there.
    async fn place_probe(&self, target: &Target) -> Result<String>;

    /// Starts a command.
    async fn start(&self, target: &Target, argv: &[String]) -> Result<Process>;

    /// Starts a command on what joins the nodes, where [`Capabilities::wire`] says that it can be looked at.
    async fn start_on_wire(&self, argv: &[String]) -> Result<Process> {
        let why = self.capabilities().wire.why_absent().unwrap_or_default();
        Err(Error::failed(format!("exec {argv:?} on the wire"), why))
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

    /// Takes away what was put into the cluster through this handle, and waits until it is gone; the cluster stays.
    async fn withdraw(&self) -> Result<()>;

    /// Called instead of [`Cluster::withdraw`] where everything is to stay.
    async fn keep(&self) -> Result<()> {
        Ok(())
    }
}

/// A pod of the name that a run wants is there, and is not the run's.
fn already_there(pod: &PodRef) -> Error {
    Error::Input(format!(
        "pod {pod} is on the cluster already; a run creates its pods and deletes them when it ends: give it another name in the manifest, or leave metadata.namespace out"
    ))
}
