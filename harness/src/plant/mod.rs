//! Planted faults: one broken thing each, and which checks must see it. They prove that the checks can fail.
mod cluster;
mod lab_context;
mod on_kind;
mod on_lab;
pub mod page;

pub use cluster::{ClusterContext, Planted};
pub use lab_context::LabContext;

use async_trait::async_trait;
use flatnet_lab::{Change, LabTarget, NodeSpec};
use flatnet_model::cause::CauseId;
use flatnet_model::nearest::nearest;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;

use crate::config::{Provider, RunArgs};
use crate::programs::{BUILD_OUTSIDE, Programs};
use crate::{Error, Result};
use flatnet_cluster::exposed::Exposed;
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::lab::AGENT;
use flatnet_cluster::lab::LabCluster;

/// Every fault: those of the lab, then those of a real cluster, each in the order of the catalogue of checks.
pub fn all() -> impl Iterator<Item = &'static Fault> + Clone {
    on_lab::faults().chain(on_kind::FAULTS)
}

/// Names of the faults that turn a check red; none for a check that only reports.
pub fn proving(check: &str) -> Vec<&'static str> {
    let proving = all().filter(|fault| fault.must_fail.contains(&check));
    proving.map(|fault| fault.id).collect()
}

/// The fault of that name.
///
/// # Errors
/// [`Error::Input`] lists the known ones.
pub fn find(id: &str) -> Result<&'static Fault> {
    all().find(|f| f.id == id).ok_or_else(|| {
        let known: Vec<&str> = all().map(|f| f.id).collect();
        let hint = nearest(id, &known).map(|id| format!(", did you mean {id:?}?"));
        Error::Input(format!(
            "--plant {id}: unknown fault{}; known faults: {}",
            hint.unwrap_or_default(),
            known.join(", ")
        ))
    })
}

/// When a fault is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// While the cluster is planned.
    Planning,
    /// The CNI is ready, no pod is there.
    BeforePods,
    /// The first pod runs, the others are not there.
    AfterFirstPod,
    /// All pods run.
    AfterPods,
}

/// One fault.
pub struct Fault {
    /// Stable name, for `--plant`.
    pub id: &'static str,
    /// What is broken, in one line.
    pub summary: &'static str,
    /// When.
    pub moment: Moment,
    /// Checks that turn red.
    pub must_fail: &'static [&'static str],
    /// Checks that may turn red too, because they cannot hold any more either.
    pub may_fail: &'static [&'static str],
    /// What the evidence must name: a node or a pod.
    pub culprit: &'static str,
    /// The cause that evidence of the red checks must name, and what follows from it that they may name instead.
    pub causes: &'static [CauseId],
    /// Only makes sense where nodes are joined by VXLAN.
    pub needs_vxlan: bool,
    recipe: Recipe,
}

/// How it is planted.
enum Recipe {
    /// The plan itself is wrong.
    Nodes(fn(&mut [NodeSpec])),
    /// Steps worked out from the lab as it is.
    Steps(fn(&LabContext) -> Result<Vec<Step>>),
    /// Steps on a kind cluster, worked out from it as it is, and each with its way back.
    OnCluster {
        /// It only shows from outside the cluster.
        outside: bool,
        steps: fn(&ClusterContext<'_>) -> Result<Vec<cluster::Step>>,
    },
}

/// One step of planting.
pub(crate) enum Step {
    /// Changes in a namespace.
    Change(LabTarget, Vec<Change>),
    /// A file removed on a node.
    Remove { node: String, path: String },
    /// A file written on a node.
    Write {
        node: String,
        path: String,
        text: String,
    },
}

/// What a run made before a fault is planted.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    /// Its pods.
    pub pods: &'a [Pod],
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: &'a [IpNet],
    /// What was made for those who use the cluster, where that is done already.
    pub exposed: Option<&'a Exposed>,
}

/// A cluster into which faults of its provider can be planted.
#[async_trait]
pub trait Plantable: Send + Sync {
    /// Plants the fault now; how to take it back, where the cluster may be used again.
    ///
    /// # Errors
    /// Where the cluster cannot be changed so.
    async fn plant(&self, fault: &Fault, made: Made<'_>) -> Result<Option<Planted>>;
}

#[async_trait]
impl Plantable for LabCluster {
    async fn plant(&self, fault: &Fault, made: Made<'_>) -> Result<Option<Planted>> {
        fault
            .plant_in_lab(self, made.pods, made.pod_network)
            .await?;
        Ok(None)
    }
}

#[async_trait]
impl Plantable for KubeCluster {
    async fn plant(&self, fault: &Fault, made: Made<'_>) -> Result<Option<Planted>> {
        match made.exposed {
            Some(exposed) => fault.plant_on_cluster(self, exposed).await,
            None => Ok(None),
        }
    }
}

impl Fault {
    /// Refuses a cluster in which the fault would not be one, and turns on what it needs where that is free to choose.
    ///
    /// # Errors
    /// [`Error::Input`], with the options that fit.
    pub fn fit(&self, args: &mut RunArgs) -> Result<()> {
        let wants = |what: &str| Err(Error::Input(format!("--plant {}: needs {what}", self.id)));
        let provider = self.provider();
        if args.provider() != provider {
            return wants(&format!("--provider {}", provider.name()));
        }
        if let Recipe::OnCluster { outside, .. } = self.recipe {
            if outside && Programs::locate()?.outside.is_none() {
                return wants(&format!(
                    "flatnet-outside in the directory of flatnet; {}",
                    BUILD_OUTSIDE
                ));
            }
            if args.manifest.is_some() || args.nodes() < 3 {
                return wants("the busybox pods and at least --nodes 3");
            }
            return Ok(());
        }
        if args.cni() != "flatnet" {
            return wants("--cni flatnet: faults are planted into what that CNI builds");
        }
        if args.manifest.is_some() {
            return wants("the busybox pods; leave --manifest out");
        }
        if args.nodes() < 3 || args.pods_per_node.is_some_and(|n| n < 2) {
            return wants("at least --nodes 3 and --pods-per-node 2");
        }
        if self.needs_vxlan {
            match args.backend() {
                "routes" => return wants("VXLAN between nodes; leave --backend out"),
                _ => args.backend = Some("vxlan".to_owned()),
            }
        }
        Ok(())
    }

    /// For a fault of the plan: makes it.
    pub fn edit_nodes(&self, nodes: &mut [NodeSpec]) {
        if let Recipe::Nodes(edit) = self.recipe {
            edit(nodes);
        }
    }

    /// Where it can be planted.
    pub fn provider(&self) -> Provider {
        match self.recipe {
            Recipe::Nodes(_) | Recipe::Steps(_) => Provider::Lab,
            Recipe::OnCluster { .. } => Provider::Kind,
        }
    }

    /// Plants it on a real cluster now; nothing for a fault of the lab, which does not fit there.
    ///
    /// # Errors
    /// Where the cluster cannot be changed so. What was changed is taken back.
    async fn plant_on_cluster(
        &self,
        cluster: &KubeCluster,
        exposed: &Exposed,
    ) -> Result<Option<Planted>> {
        match self.recipe {
            Recipe::Nodes(_) | Recipe::Steps(_) => Ok(None),
            Recipe::OnCluster { steps, .. } => {
                let planted = Planted::plant(cluster, self.id, exposed, steps).await?;
                Ok(Some(planted))
            }
        }
    }

    /// Plants it in a lab now. The agents are stopped first: they would repair the fault.
    ///
    /// # Errors
    /// Where the lab cannot be changed so.
    async fn plant_in_lab(
        &self,
        lab: &LabCluster,
        pods: &[Pod],
        pod_network: &[IpNet],
    ) -> Result<()> {
        let Recipe::Steps(recipe) = &self.recipe else {
            return Ok(());
        };
        let context = LabContext::of(lab, pods, pod_network).await?;
        for node in &context.nodes {
            lab.stop_daemon(&node.name, AGENT).await?;
        }
        for step in recipe(&context)? {
            match step {
                Step::Change(place, changes) => lab.change(place, changes).await?,
                Step::Remove { node, path } => lab.remove_file(&node, &path).await?,
                Step::Write { node, path, text } => {
                    lab.write_file(&node, &path, text.into_bytes()).await?;
                }
            }
        }
        Ok(())
    }
}
