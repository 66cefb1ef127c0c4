//! The node list from the Kubernetes API: a thread follows the Nodes, the daemon sees whole lists.
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
mod board;
mod follow;
mod nodes;
mod pauses;
mod refusal;

pub use access::Access;
pub use follow::Patience;

use board::Board;
use follow::Follower;

/// Follows the Nodes of a cluster. While the API is away nothing is yielded: the list before still holds.
///
/// The thread is one of its own because the rest of the agent is blocking, and one thread is enough for one watch.
#[derive(Debug)]
pub struct KubernetesSource {
    board: Arc<Board>,
    /// Dropped, it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KubernetesSource {
    /// Starts following. The API need not be there yet.
    ///
    /// `pod_network`: cluster CIDRs if they are known. The API does not tell them. Empty, what is never masqueraded is
    /// the podCIDRs of all nodes, which this source follows anyway: it is as good while every pod address comes from
    /// the podCIDR of a node, and never wrong about a cluster whose ranges were extended.
    ///
    /// # Errors
    /// Not in a pod, or the kubeconfig is not usable.
    pub fn open(access: &Access, pod_network: Vec<IpNet>, patience: Patience) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(system("make an event loop"))?;
        let config = runtime.block_on(access.config())?;
        // As a person would write it: without the slash that an empty path gets.
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let client = {
            // It starts a task.
            let _inside = runtime.enter();
            Client::try_from(config).map_err(|cause| Error::ApiClient {
                cause: cause.to_string(),
            })?
        };
        let board = Arc::new(Board::new()?);
        let follower = Follower::new(
            Api::all(client),
            server,
            pod_network,
            patience,
            board.clone(),
        );
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("kubernetes".into())
            .spawn(move || follow(&runtime, follower, stopped))
            .map_err(system("start a thread"))?;
        Ok(KubernetesSource {
            board,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn follow(runtime: &Runtime, follower: Follower, stopped: oneshot::Receiver<()>) {
    let _loud = EndLoudly;
    let following = std::pin::pin!(follower.run());
    runtime.block_on(futures::future::select(following, stopped));
}

/// A daemon that goes on without this thread would be deaf and not know it; one that ends is started again.
struct EndLoudly;

impl Drop for EndLoudly {
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
        self.board.wake()
    }

    fn changed(&mut self) -> Result<Option<NodesFile>> {
        self.board.take()
    }
}

impl Drop for KubernetesSource {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}
