//! The node list from the Kubernetes API: a thread watches the Nodes, the daemon receives complete lists.
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use ipnet::IpNet;
use kube::{Api, Client};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::NodeSource;
use crate::node::NodesFile;
use crate::{Error, Result};

mod access;
mod backoff;
mod follow;
mod latest;
mod nodes;
mod refusal;

pub use access::Access;
pub use follow::Timeouts;

use follow::Follower;
use latest::Latest;

/// Follows the Nodes of a cluster. It yields nothing while the API is unavailable: the previous list remains valid.
///
/// It runs on a thread of its own because the rest of the agent is blocking.
#[derive(Debug)]
pub struct KubernetesSource {
    latest: Arc<Latest>,
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KubernetesSource {
    /// Starts following. The API need not be available yet.
    ///
    /// `pod_network`: the cluster CIDRs, if known; the API does not provide them. If empty, the podCIDRs of all nodes are
    /// exempt from masquerading instead: equivalent while every pod address comes from a node's podCIDR, and correct
    /// even for a cluster whose ranges were extended.
    ///
    /// # Errors
    /// The agent is not in a pod, or the kubeconfig is unusable.
    pub fn open(access: &Access, pod_network: Vec<IpNet>, timeouts: Timeouts) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(system("create an event loop"))?;
        let config = runtime.block_on(access.config())?;
        // For messages, without the slash that an empty path gets.
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let client = {
            // Creating the client spawns a task.
            let _inside = runtime.enter();
            Client::try_from(config).map_err(|cause| Error::ApiClient {
                cause: cause.to_string(),
            })?
        };
        let latest = Arc::new(Latest::new()?);
        let follower = Follower::new(
            Api::all(client),
            server,
            pod_network,
            timeouts,
            latest.clone(),
        );
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("kubernetes".into())
            .spawn(move || follow(&runtime, follower, stopped))
            .map_err(system("start a thread"))?;
        Ok(KubernetesSource {
            latest,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn follow(runtime: &Runtime, follower: Follower, stopped: oneshot::Receiver<()>) {
    let _guard = AbortOnPanic;
    let following = std::pin::pin!(follower.run());
    runtime.block_on(futures::future::select(following, stopped));
}

/// Without this thread the daemon would never hear of another change; if the process ends instead, it is restarted.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    move |cause| Error::System {
        action,
        cause: nix::errno::Errno::from_raw(cause.raw_os_error().unwrap_or_default()),
    }
}

impl NodeSource for KubernetesSource {
    fn wake(&self) -> BorrowedFd<'_> {
        self.latest.wake()
    }

    fn changed(&mut self) -> Result<Option<NodesFile>> {
        self.latest.receive()
    }
}

impl Drop for KubernetesSource {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Returns nothing, and a panic has aborted the process.
            let _ = thread.join();
        }
    }
}
