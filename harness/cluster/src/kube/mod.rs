//! A cluster behind the Kubernetes API: kind's, or any that runs.
mod agents;
mod answer;
pub mod connect;
pub mod daemon_sets;
mod exec;
mod identity;
mod limit;
mod network_objects;
mod node_pods;
pub mod objects;
pub mod pods;
pub mod ranges;
mod run_namespace;
pub mod services;

use crate::status::pod_ref;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flatnet_model::capabilities::Capabilities;
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::Agent;
use flatnet_model::view::{ApiObjects, ServiceAt};
use futures::Stream;
use k8s_openapi::api::core::v1::{Event, Node, Pod, Toleration};
use kube::api::{ListParams, LogParams};
use kube::{Api, Client};

use super::limit::within;
use super::upload::Packed;
use super::{Cluster, LogPart, PLACED_WITHIN, PodRef, Process, Target};
use crate::{Error, Result, torn_down};
pub use answer::{Deletion, delete, denied};
pub use connect::Connection;
pub use exec::WindowSize;
pub use identity::Identity;
pub use node_pods::NodePods;
use pods::Watched;
pub use run_namespace::{NamespacePlan, RunNamespace};

/// Who applies (`metadata.managedFields`), and the value of [`LABEL_APP`].
pub const FIELD_MANAGER: &str = "flatnet";
/// The recommended label that names what an object belongs to.
pub const LABEL_APP: &str = "app.kubernetes.io/managed-by";
/// The run that made an object.
pub const LABEL_RUN: &str = "flatnet/run";
/// On the namespace of a run that keeps what it created.
pub const LABEL_KEPT: &str = "flatnet/kept";
/// Where pods have room for the probe.
const PROBE_IN_POD: &str = "/tmp/flatnet-probe";

/// How commands get onto a node.
#[async_trait]
pub trait NodeAccess: Send + Sync {
    /// Starts a command on the node.
    async fn start(&self, node: &str, argv: &[String]) -> Result<Process>;
    /// Puts the probe where [`NodeAccess::start`] finds it; returns its path.
    async fn place_probe(&self, node: &str) -> Result<String>;
    /// The folder under which the probe sees the node's root, without a slash at its end.
    fn root(&self) -> &'static str;
    /// Takes away whatever was put on nodes.
    async fn close(&self) -> Result<()>;
}

/// A cluster behind the Kubernetes API.
#[derive(Clone)]
pub struct KubeCluster {
    identity: Arc<Identity>,
    connection: Connection,
    /// Where the run's pods live, until [`Cluster::withdraw`].
    namespace: Arc<RunNamespace>,
    probe: Arc<Packed>,
    nodes: Arc<dyn NodeAccess>,
    watched: Arc<Watched>,
}

impl KubeCluster {
    /// The cluster behind a connection, with pods in `namespace` and commands on nodes through `nodes`; `probe` is the
    /// probe program on this machine.
    pub fn new(
        identity: Identity,
        connection: Connection,
        namespace: RunNamespace,
        nodes: Arc<dyn NodeAccess>,
        probe: PathBuf,
    ) -> Self {
        let pods = Api::namespaced(connection.client.clone(), namespace.name());
        KubeCluster {
            identity: Arc::new(identity),
            watched: Arc::new(Watched::start(pods)),
            connection,
            namespace: Arc::new(namespace),
            probe: Arc::new(Packed::new(probe)),
            nodes,
        }
    }

    /// The API's client.
    pub fn client(&self) -> &Client {
        &self.connection.client
    }

    /// What the client is connected to.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The namespace of the run's pods.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// Labels of everything the run makes.
    pub fn labels(&self) -> [(&'static str, &str); 2] {
        [
            (LABEL_APP, FIELD_MANAGER),
            (LABEL_RUN, self.namespace.run()),
        ]
    }

    fn pods_of(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client().clone(), namespace)
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    fn provider(&self) -> &'static str {
        self.identity.provider
    }

    fn name(&self) -> &str {
        &self.identity.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.identity.capabilities
    }

    fn namespace(&self) -> &str {
        self.namespace.name()
    }

    fn node_root(&self) -> &'static str {
        self.nodes.root()
    }

    async fn nodes(&self) -> Result<Vec<Node>> {
        nodes(self.client()).await
    }

    async fn node_names(&self) -> Result<Vec<String>> {
        let nodes = all_nodes(self.client()).await?.into_iter();
        Ok(nodes.filter_map(|node| node.metadata.name).collect())
    }

    async fn pods(&self) -> Result<Vec<Pod>> {
        all_pods(self.client()).await
    }

    async fn create_pod(&self, pod: &Pod) -> Result<()> {
        let (reference, mut pod) = (pod_ref(pod), pod.clone());
        if reference.namespace != self.namespace.name() {
            return Err(Error::Input(format!(
                "pod {reference}: on a cluster behind the Kubernetes API a run's pods are in its own namespace, {}, which is deleted with them; leave metadata.namespace out, or name that namespace with --namespace",
                self.namespace.name()
            )));
        }
        fit(&mut pod, &self.labels());
        pods::create(&self.pods_of(&reference.namespace), &pod).await
    }

    async fn wait_pod(&self, pod: &PodRef, limit: Duration) -> Result<Pod> {
        if pod.namespace == self.namespace.name() && !limit.is_zero() {
            return self.watched.wait(&pod.name, limit).await;
        }
        let doing = format!("get pod {pod}");
        self.pods_of(&pod.namespace)
            .get(&pod.name)
            .await
            .map_err(|e| denied(&doing, e))
    }

    async fn events(&self, pod: &PodRef) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.client().clone(), &pod.namespace);
        let of_pod = ListParams::default().fields(&format!(
            "involvedObject.kind=Pod,involvedObject.name={}",
            pod.name
        ));
        let mut list = events
            .list(&of_pod)
            .await
            .map_err(|e| denied(&format!("list events of pod {pod}"), e))?
            .items;
        list.sort_by_key(|event| {
            let last = event.last_timestamp.as_ref().map(|t| t.0);
            let made = event.metadata.creation_timestamp.as_ref().map(|t| t.0);
            last.or(event.event_time.as_ref().map(|t| t.0)).or(made)
        });
        Ok(list)
    }

    async fn delete_pod(&self, pod: &PodRef) -> Result<()> {
        pods::delete(&self.pods_of(&pod.namespace), &pod.name).await
    }

    async fn log(&self, pod: &PodRef, part: &LogPart) -> Result<String> {
        let params = LogParams {
            container: part.container.clone(),
            previous: part.previous,
            tail_lines: part.tail_lines,
            limit_bytes: part.limit_bytes,
            ..LogParams::default()
        };
        let log = pods::log(&self.pods_of(&pod.namespace), &pod.name, &params).await;
        log.map_err(|e| denied(&format!("read the log of pod {pod}"), e))
    }

    async fn agents(&self, pods: &[PodSnapshot]) -> Result<Vec<Agent>> {
        agents::read(self, pods).await
    }

    async fn recorded_cni(&self) -> Result<Option<String>> {
        agents::recorded(self.client()).await
    }

    async fn service_at(&self, address: IpAddr) -> Result<Option<ServiceAt>> {
        services::find(self.client(), address).await
    }

    async fn control_plane(&self) -> Availability<ApiObjects> {
        Availability::Found(network_objects::look(self.client()).await)
    }

    async fn place_probe(&self, target: &Target) -> Result<String> {
        let placing = async {
            match target {
                Target::Node(node) => self.nodes.place_probe(node).await,
                Target::Pod(_) => {
                    let upload = self.probe.upload(PROBE_IN_POD).await?;
                    let process = self.start(target, &upload.argv()).await?;
                    upload.through(process, &target.to_string()).await
                }
            }
        };
        within(
            PLACED_WITHIN,
            format!("put the probe into {target}"),
            placing,
        )
        .await
    }

    async fn start(&self, target: &Target, argv: &[String]) -> Result<Process> {
        match target {
            Target::Node(node) => self.nodes.start(node, argv).await,
            Target::Pod(pod) => exec::start(&self.pods_of(&pod.namespace), &pod.name, argv).await,
        }
    }

    async fn keep(&self) -> Result<()> {
        self.namespace.keep(self.client()).await
    }

    async fn withdraw(&self) -> Result<()> {
        let nodes = self.nodes.close().await;
        let namespace = self.namespace.release(self.client()).await;
        torn_down(nodes, namespace)
    }
}

/// The Linux nodes, in natural order (`worker2` before `worker10`).
///
/// # Errors
/// When nodes may not be listed.
pub async fn nodes(client: &Client) -> Result<Vec<Node>> {
    let mut nodes = all_nodes(client).await?;
    nodes.retain(|node| {
        let labels = node.metadata.labels.iter().flatten();
        let mut os = labels.filter(|(key, _)| *key == "kubernetes.io/os");
        os.all(|(_, value)| value == "linux")
    });
    nodes.sort_by_key(|node| natural(node.metadata.name.as_deref().unwrap_or_default()));
    Ok(nodes)
}

async fn all_nodes(client: &Client) -> Result<Vec<Node>> {
    let api: Api<Node> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await;
    Ok(list.map_err(|e| denied("list nodes", e))?.items)
}

async fn all_pods(client: &Client) -> Result<Vec<Pod>> {
    let api: Api<Pod> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await;
    Ok(list.map_err(|e| denied("list pods", e))?.items)
}

/// Every pod of every namespace.
///
/// # Errors
/// Pods that cannot be listed.
pub async fn pod_refs(client: &Client) -> Result<Vec<PodRef>> {
    Ok(all_pods(client).await?.iter().map(pod_ref).collect())
}

/// What a run's pod on a real cluster needs besides: it is known by its labels, runs on tainted nodes too, and talks to no API.
fn fit(pod: &mut Pod, labels: &[(&str, &str)]) {
    let own = pod.metadata.labels.get_or_insert_default();
    for (key, value) in labels {
        own.insert((*key).to_owned(), (*value).to_owned());
    }
    if let Some(spec) = pod.spec.as_mut() {
        spec.automount_service_account_token.get_or_insert(false);
        // A pod that names its node passes the scheduler by, but NoExecute taints still evict it.
        spec.tolerations.get_or_insert_with(|| {
            vec![Toleration {
                operator: Some("Exists".to_owned()),
                ..Toleration::default()
            }]
        });
    }
}

/// Starts a command in a pod's first container.
///
/// # Errors
/// As the API server has it.
pub async fn start_in(client: &Client, pod: &PodRef, argv: &[String]) -> Result<Process> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    exec::start(&api, &pod.name, argv).await
}

/// As [`start_in`], on a terminal of its own, which has these sizes in turn: the command's errors are part of its output.
///
/// # Errors
/// As the API server has it.
pub async fn start_on_terminal(
    client: &Client,
    pod: &PodRef,
    argv: &[String],
    sizes: impl Stream<Item = WindowSize> + Send + 'static,
) -> Result<Process> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    exec::start_on_terminal(&api, &pod.name, argv, sizes).await
}

/// A key that orders numbers in names by value.
fn natural(name: &str) -> (String, u64, String) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse().unwrap_or(0);
    (stem.to_owned(), number, name.to_owned())
}
