//! The embedded lab behind the seam.
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flatnet_lab::{Lab, Place, Stdio};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use tokio::net::unix::pipe;

use super::{Cluster, PodRef, Process, Target};
use crate::{Error, Result};

/// The name of flatnet's agent among the daemons of a lab's node.
pub const AGENT: &str = "flatnet-agent";

/// A lab.
#[derive(Clone)]
pub struct LabCluster {
    lab: Arc<Lab>,
}

impl LabCluster {
    /// The lab behind this handle.
    pub fn new(lab: Lab) -> Self {
        LabCluster { lab: Arc::new(lab) }
    }

    /// The blocking client, from async code.
    pub async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Lab) -> flatnet_lab::Result<T> + Send + 'static,
    {
        let lab = Arc::clone(&self.lab);
        match tokio::task::spawn_blocking(move || work(&lab)).await {
            Ok(result) => Ok(result?),
            Err(e) => Err(Error::failed("lab call", e)),
        }
    }

    /// Starts a command anywhere in the lab, also on what joins the nodes; `whom` is what errors call the place.
    ///
    /// # Errors
    /// Streams that cannot be had.
    pub fn start_at(&self, place: Place, argv: &[String], whom: &str) -> Result<Process> {
        let doing = format!("exec {argv:?} in {whom}");
        let pipe = || pipe::pipe().map_err(|e| Error::failed(&doing, e));
        let ((stdin, their_in), (their_out, stdout), (their_err, stderr)) =
            (pipe()?, pipe()?, pipe()?);
        let io = |e| Error::failed(&doing, e);
        let stdio = Stdio {
            stdin: their_in.into_blocking_fd().map_err(io)?,
            stdout: their_out.into_blocking_fd().map_err(io)?,
            stderr: their_err.into_blocking_fd().map_err(io)?,
        };
        let (argv, cluster) = (argv.to_vec(), self.clone());
        let running = tokio::spawn(async move {
            cluster
                .call(move |lab| lab.exec(&place, &argv, &[], stdio))
                .await
        });
        Ok(Process {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            exit: Box::pin(async move { running.await.map_err(|e| Error::failed(doing, e))? }),
        })
    }

    fn place(target: &Target) -> Place {
        match target {
            Target::Pod(pod) => Place::Pod(pod.namespace.clone(), pod.name.clone()),
            Target::Node(node) => Place::Node(node.clone()),
        }
    }
}

#[async_trait]
impl Cluster for LabCluster {
    fn provider(&self) -> &'static str {
        "lab"
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        self.call(Lab::nodes).await
    }

    async fn apply_pod(&self, pod: &Pod) -> Result<()> {
        let pod = pod.clone();
        self.call(move |lab| lab.apply_pod(&pod)).await
    }

    async fn wait_pod(&self, pod: &PodRef, limit: Duration) -> Result<Pod> {
        let pod = pod.clone();
        self.call(move |lab| lab.wait_pod(&pod.namespace, &pod.name, limit))
            .await
    }

    async fn events(&self, pod: &PodRef) -> Result<Vec<Event>> {
        let pod = pod.clone();
        self.call(move |lab| lab.events(&pod.namespace, &pod.name))
            .await
    }

    async fn delete_pod(&self, pod: &PodRef) -> Result<()> {
        let pod = pod.clone();
        self.call(move |lab| lab.delete_pod(&pod.namespace, &pod.name))
            .await
    }

    async fn place_probe(&self, _target: &Target) -> Result<String> {
        Ok(format!("{}/flatnet-probe", flatnet_lab::spec::PROGRAMS_DIR))
    }

    async fn start(&self, target: &Target, argv: &[String]) -> Result<Process> {
        self.start_at(Self::place(target), argv, &target.to_string())
    }

    async fn destroy(&self) -> Result<()> {
        self.call(Lab::shutdown).await
    }
}
