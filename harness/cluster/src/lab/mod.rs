//! The embedded lab behind the seam.
mod agents;
mod boot;
mod calls;
pub mod record;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flatnet_lab::{Lab, LabTarget, Stdio};
use flatnet_model::booted::Booted;
use flatnet_model::capabilities::Capabilities;
use flatnet_model::naming::listed;
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::Agent;
use flatnet_model::view::{ApiObjects, ServiceAt};
use indexmap::IndexMap;
use k8s_openapi::api::core::v1::{ContainerState, Event, Node, Pod};
use tokio::net::unix::pipe;
use tokio::sync::RwLock;

use super::{Cluster, LogPart, PodRef, Process, Target, already_there};
use crate::status::pod_ref;
use crate::{Error, Result};
pub use boot::LabDeletion;

/// The name of flatnet's agent among the daemons of a lab's node.
pub const AGENT: &str = "flatnet-agent";

/// How long a lab may be busy with a call whose caller was killed.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

/// A lab.
#[derive(Clone)]
pub struct LabCluster {
    lab: Arc<Lab>,
    name: Arc<str>,
    capabilities: Arc<Capabilities>,
    /// Where the run's own pods go.
    namespace: Arc<str>,
    /// Pods that were there before the run that this handle is for.
    others: Arc<BTreeSet<PodRef>>,
    /// Pods that were made through this handle.
    made: Arc<Mutex<BTreeSet<PodRef>>>,
    /// Held, shared, by each call that makes a pod for as long as the lab may still carry it out.
    making: Arc<RwLock<()>>,
}

impl LabCluster {
    fn new(lab: Lab, name: &str) -> Self {
        LabCluster {
            lab: Arc::new(lab),
            name: name.into(),
            capabilities: Arc::new(Capabilities::lab()),
            namespace: Arc::from("default"),
            others: Arc::default(),
            made: Arc::default(),
            making: Arc::default(),
        }
    }

    /// The same lab, with a run's own pods in a namespace of theirs, beside those that are there.
    ///
    /// # Errors
    /// A lab that does not list its pods.
    pub async fn in_namespace(self, namespace: &str) -> Result<Self> {
        let pods = self.pods().await?;
        Ok(LabCluster {
            namespace: Arc::from(namespace),
            others: Arc::new(pods.iter().map(pod_ref).collect()),
            ..self
        })
    }

    /// Deletes every pod of a namespace and waits until they are gone.
    ///
    /// # Errors
    /// When one does not go.
    pub async fn clear(&self, namespace: &str) -> Result<()> {
        let cleared = self.empty(namespace).await;
        self.unless_ended(cleared).await
    }

    async fn empty(&self, namespace: &str) -> Result<()> {
        loop {
            // The lab may still be processing the request that created the last of them.
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
        let deleting = pods.map(|pod| async move { (self.delete_pod(&pod).await, pod) });
        let outcomes = futures::future::join_all(deleting).await;
        let failed = outcomes
            .into_iter()
            .filter_map(|(outcome, pod)| Some((pod, outcome.err()?)));
        remaining(failed).map_or(Ok(()), Err)
    }

    /// A lab that ended took its pods along.
    async fn unless_ended(&self, deleted: Result<()>) -> Result<()> {
        match deleted {
            Err(_) if Self::has_ended(&self.name).await => Ok(()),
            deleted => deleted,
        }
    }

    fn made(&self) -> MutexGuard<'_, BTreeSet<PodRef>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a command anywhere in the lab; errors call the place `whom`.
    fn start_at(&self, place: LabTarget, argv: &[String], whom: &str) -> Result<Process> {
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
        let (argv, lab) = (argv.to_vec(), Arc::clone(&self.lab));
        // As long as the command runs: its caller has a limit.
        let running = tokio::task::spawn_blocking(move || lab.exec(&place, &argv, &[], stdio));
        Ok(Process {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            exit: Box::pin(async move {
                let ended = running.await.map_err(|e| Error::failed(doing, e))?;
                ended.map_err(failure_of_found_lab)
            }),
        })
    }

    fn place(target: &Target) -> LabTarget {
        match target {
            Target::Pod(pod) => LabTarget::Pod(pod.namespace.clone(), pod.name.clone()),
            Target::Node(node) => LabTarget::Node(node.clone()),
        }
    }
}

#[async_trait]
impl Cluster for LabCluster {
    fn provider(&self) -> &'static str {
        "lab"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        self.call(Lab::nodes).await
    }

    async fn node_names(&self) -> Result<Vec<String>> {
        let nodes = self.nodes().await?.into_iter();
        Ok(nodes.filter_map(|node| node.metadata.name).collect())
    }

    async fn pods(&self) -> Result<Vec<Pod>> {
        self.call(Lab::pods).await
    }

    async fn create_pod(&self, pod: &Pod) -> Result<()> {
        let (name, pod) = (pod_ref(pod), pod.clone());
        if self.others.contains(&name) {
            return Err(already_there(&name));
        }
        // Before it exists: however the call ends, `withdraw` knows it.
        self.made().insert(name);
        let making = Arc::clone(&self.making).read_owned().await;
        self.call(move |lab| {
            let _making = making;
            lab.apply_pod(&pod)
        })
        .await
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

    async fn log(&self, pod: &PodRef, part: &LogPart) -> Result<String> {
        let object = self.wait_pod(pod, Duration::ZERO).await?;
        Ok(last_words(&object, part).unwrap_or_default())
    }

    async fn delete_pod(&self, pod: &PodRef) -> Result<()> {
        let pod = pod.clone();
        self.call(move |lab| lab.delete_pod(&pod.namespace, &pod.name))
            .await
    }

    async fn agents(&self, _pods: &[PodSnapshot]) -> Result<Vec<Agent>> {
        agents::read(self).await
    }

    async fn booted(&self) -> Result<Option<Booted>> {
        Ok(record::booted(&self.info().await?.spec))
    }

    async fn service_at(&self, _address: IpAddr) -> Result<Option<ServiceAt>> {
        Ok(None)
    }

    async fn control_plane(&self) -> Availability<ApiObjects> {
        let why = self.capabilities.kubectl.why_absent();
        Availability::Absent {
            why: why.unwrap_or_default().to_owned(),
        }
    }

    async fn place_probe(&self, _target: &Target) -> Result<String> {
        Ok(format!("{}/flatnet-probe", flatnet_lab::spec::PROGRAMS_DIR))
    }

    async fn start(&self, target: &Target, argv: &[String]) -> Result<Process> {
        self.start_at(Self::place(target), argv, &target.to_string())
    }

    async fn start_on_wire(&self, argv: &[String]) -> Result<Process> {
        self.start_at(LabTarget::Wire, argv, "the wire")
    }

    async fn withdraw(&self) -> Result<()> {
        // A call that was given up is carried out all the same, and its pod is not there to be deleted before.
        let _none_is_made = self.making.write().await;
        let made = std::mem::take(&mut *self.made());
        let deleted = self.delete(made.into_iter()).await;
        self.unless_ended(deleted).await
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// An error of a lab that was found running: that it is not there is no wrong input then.
pub fn failure_of_found_lab(error: flatnet_lab::Error) -> Error {
    match error {
        flatnet_lab::Error::Absent { name } => Error::Failed(format!(
            "the lab {name} has ended meanwhile; boot it again with `flatnet up --name {name}`"
        )),
        error => error.into(),
    }
}

/// One error for all pods that could not be deleted: a sentence that differs only in the pod is said once, with the pods.
fn remaining(failed: impl Iterator<Item = (PodRef, Error)>) -> Option<Error> {
    let mut sentences: IndexMap<String, (Error, Vec<PodRef>)> = IndexMap::new();
    for (pod, error) in failed {
        let sentence = error.to_string().replace(&pod.to_string(), "");
        let (_, pods) = sentences
            .entry(sentence)
            .or_insert_with(|| (error, Vec::new()));
        pods.push(pod);
    }
    let errors = sentences
        .into_values()
        .map(|(error, pods)| match &pods[..] {
            [_] => error,
            pods => Error::failed(format!("delete pods {}", listed(pods.iter())), error),
        });
    errors.reduce(Error::then)
}

/// What the status of a container that ended has of its output.
fn last_words(pod: &Pod, part: &LogPart) -> Option<String> {
    let status = pod.status.as_ref()?;
    let inits = status.init_container_statuses.iter().flatten();
    let mut containers = inits.chain(status.container_statuses.iter().flatten());
    let wanted = part.container.as_deref();
    let container = containers.find(|c| wanted.is_none_or(|name| c.name == name))?;
    let message =
        |state: &Option<ContainerState>| state.as_ref()?.terminated.as_ref()?.message.clone();
    if part.previous {
        message(&container.last_state)
    } else {
        message(&container.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_do_not_go_for_one_reason_are_one_error() {
        let failed = |words: fn(&PodRef) -> String| {
            let pods = (1..=30).map(|number| PodRef::new("n", format!("p-{number}")));
            remaining(pods.map(|pod| (pod.clone(), Error::Failed(words(&pod)))))
        };
        let gone = failed(|_| "no lab".to_owned()).unwrap().to_string();
        assert!(gone.starts_with("delete pods n/p-1, n/p-2, "), "{gone}");
        assert!(gone.ends_with(" and 18 more: no lab"), "{gone}");
        let ended = failed(|pod| format!("ended (delete {pod}); boot it")).unwrap();
        assert!(
            ended
                .to_string()
                .ends_with(" and 18 more: ended (delete n/p-1); boot it"),
            "{ended}"
        );
        let one = [(PodRef::new("n", "a"), Error::Failed("a hangs".to_owned()))];
        assert_eq!(remaining(one.into_iter()).unwrap().to_string(), "a hangs");
    }
}
