//! The embedded lab behind the seam.
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flatnet_lab::{Lab, LabSpec, Place, Stdio};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use tokio::net::unix::pipe;

use super::{Cluster, PodRef, Process, Target};
use crate::status::pod_ref;
use crate::{Error, Result, torn_down};

/// The name of flatnet's agent among the daemons of a lab's node.
pub const AGENT: &str = "flatnet-agent";

/// How long a lab may be busy with a call whose caller was killed.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

/// A lab.
#[derive(Clone)]
pub struct LabCluster {
    lab: Arc<Lab>,
    /// Where the run's own pods go.
    namespace: Arc<str>,
    /// Pods that were made through this handle.
    made: Arc<Mutex<BTreeSet<PodRef>>>,
}

/// Deletes a lab. Only booting one gives it.
pub struct LabDeletion {
    lab: LabCluster,
}

impl LabDeletion {
    /// Ends the lab and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn delete(self) -> Result<()> {
        self.lab.call(Lab::shutdown).await
    }
}

/// A lab that came up and that nobody may be waiting for any more: it ends unless it is taken.
struct Untaken(Option<Lab>);

impl Untaken {
    fn take(mut self) -> Result<Lab> {
        let lab = self.0.take();
        lab.ok_or_else(|| Error::Failed("the lab was taken already".to_owned()))
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        if let Some(lab) = self.0.take() {
            // An interrupted boot: there is nobody left to tell.
            let _ = lab.shutdown();
        }
    }
}

impl LabCluster {
    /// Boots a lab with `program` (flatnet-lab); `detached`: it outlives this process.
    ///
    /// # Errors
    /// What keeps it from coming up.
    pub async fn boot(
        program: PathBuf,
        spec: LabSpec,
        detached: bool,
    ) -> Result<(LabCluster, LabDeletion)> {
        let booting = tokio::task::spawn_blocking(move || {
            Lab::boot(&program, &spec, detached).map(|lab| Untaken(Some(lab)))
        });
        let lab = booting
            .await
            .map_err(|e| Error::failed("boot the lab", e))??;
        let lab = LabCluster::new(lab.take()?);
        Ok((lab.clone(), LabDeletion { lab }))
    }

    /// A lab of this user that runs.
    ///
    /// # Errors
    /// [`Error::Input`] where none of that name runs.
    pub async fn connect(name: &str) -> Result<LabCluster> {
        let name = name.to_owned();
        let connecting = tokio::task::spawn_blocking(move || Lab::connect(&name));
        let lab = connecting
            .await
            .map_err(|e| Error::failed("connect to the lab", e))??;
        Ok(LabCluster::new(lab))
    }

    fn new(lab: Lab) -> Self {
        LabCluster {
            lab: Arc::new(lab),
            namespace: Arc::from("default"),
            made: Arc::default(),
        }
    }

    /// The same lab, with a run's own pods in a namespace of theirs, beside those of whoever booted it.
    pub fn in_namespace(self, namespace: &str) -> Self {
        LabCluster {
            namespace: Arc::from(namespace),
            ..self
        }
    }

    /// Deletes every pod of a namespace and waits until they are gone.
    ///
    /// # Errors
    /// When one does not go.
    pub async fn clear(&self, namespace: &str) -> Result<()> {
        loop {
            // The lab may still be busy with what whoever made the last of them had asked for.
            tokio::time::sleep(SETTLES_WITHIN).await;
            let pods = self.call(Lab::pods).await?;
            let pods = pods.iter().map(pod_ref);
            let pods: Vec<PodRef> = pods.filter(|pod| pod.namespace == namespace).collect();
            if pods.is_empty() {
                return Ok(());
            }
            self.delete(pods.into_iter()).await?;
        }
    }

    async fn delete(&self, pods: impl Iterator<Item = PodRef>) -> Result<()> {
        let deleting = pods.map(|pod| async move { self.delete_pod(&pod).await });
        let outcomes = futures::future::join_all(deleting).await;
        outcomes.into_iter().fold(Ok(()), torn_down)
    }

    fn made(&self) -> MutexGuard<'_, BTreeSet<PodRef>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocking client, from async code.
    pub async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Lab) -> flatnet_lab::Result<T> + Send + 'static,
    {
        let lab = Arc::clone(&self.lab);
        let started = Instant::now();
        let result = match tokio::task::spawn_blocking(move || work(&lab)).await {
            Ok(result) => result.map_err(Error::from),
            Err(e) => Err(Error::failed("lab call", e)),
        };
        let error = result.as_ref().err().map(tracing::field::display);
        tracing::debug!(call = call_name::<F>(), error, took = ?started.elapsed(), "asked the lab");
        result
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

/// `apply_pod`: the name of a function, or of the one that a closure is in.
fn call_name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let name = path.rsplit("::").find(|part| !part.starts_with('{'));
    let name = name.unwrap_or(path);
    // Without the lifetimes of an async function.
    name.split('<').next().unwrap_or(name)
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
        let (name, pod) = (pod_ref(pod), pod.clone());
        // Before it is there: whatever ends the call, it is known to whoever withdraws.
        self.made().insert(name);
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

    async fn withdraw(&self) -> Result<()> {
        let made = std::mem::take(&mut *self.made());
        self.delete(made.into_iter()).await
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }
}
