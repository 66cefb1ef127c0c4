//! Planted faults: one broken thing each, and which checks must see it. They prove that the checks can fail.
mod cluster;
mod lab_context;
mod on_kind;
mod on_lab;
pub mod page;
mod says;
mod shell;

pub use cluster::{ClusterContext, Planted};
pub use lab_context::LabContext;
pub use says::{Says, Who};

use std::collections::BTreeSet;

use async_trait::async_trait;
use flatnet_lab::{Change, LabTarget, NodeSpec};
use flatnet_model::nearest::near;
use flatnet_model::{IpFamily, Underlay};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;

use crate::config::{Provider, RunArgs};
use crate::programs::{BUILD_OUTSIDE, Programs};
use crate::{Error, Result};
use flatnet_cluster::PodRef;
use flatnet_cluster::exposed::Exposed;
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::lab::AGENT;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::status::pod_ref;

/// How many names are suggested in place of an unknown one.
const MOST_NEAR: usize = 3;

/// Every fault: those of the lab, then those of a real cluster, each in the order of the catalogue of checks.
pub fn all() -> impl Iterator<Item = &'static Fault> + Clone {
    on_lab::faults().chain(on_kind::FAULTS)
}

/// Names of the faults that turn a check red; none for a check that only reports.
pub fn proving(check: &str) -> Vec<&'static str> {
    let proving = all().filter(|fault| fault.must_fail().contains(check));
    proving.map(|fault| fault.id).collect()
}

/// The fault of that name.
///
/// # Errors
/// [`Error::Input`] names those that may have been meant.
pub fn find(id: &str) -> Result<&'static Fault> {
    all().find(|f| f.id == id).ok_or_else(|| {
        let known: Vec<&str> = all().map(|f| f.id).collect();
        let meant: Vec<String> = near(id, &known, MOST_NEAR)
            .iter()
            .map(|id| format!("{id:?}"))
            .collect();
        let hint = match meant.is_empty() {
            true => String::new(),
            false => format!(", did you mean {}?", meant.join(" or ")),
        };
        Error::Input(format!(
            "--plant {id}: unknown fault{hint}; to list all: flatnet checks"
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
    /// What flatnet is to say of it: all of this, and in these checks nothing else.
    pub says: &'static [Says],
    /// Checks that may turn red too, because they cannot hold any more either; they name nobody else and no other cause.
    pub may_fail: &'static [&'static str],
    /// What the cluster has to be like.
    pub needs: Needs,
    recipe: Recipe,
}

/// What a fault needs of the cluster, where it is not one in any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How nodes are joined, as `--backend` calls it.
    pub backend: Option<&'static str>,
    /// IP families of pods and nodes.
    pub family: Option<IpFamily>,
    /// What joins the nodes, as `--underlay` calls it.
    pub underlay: Option<Underlay>,
}

/// Any cluster will do.
const ANY: Needs = Needs {
    backend: None,
    family: None,
    underlay: None,
};
/// Nodes that are joined by VXLAN.
const VXLAN: Needs = Needs {
    backend: Some("vxlan"),
    ..ANY
};
/// Nodes on one segment, with routes between them.
const ROUTES: Needs = Needs {
    backend: Some("routes"),
    ..ANY
};
/// Pods with addresses of both families.
const DUAL: Needs = Needs {
    family: Some(IpFamily::Dual),
    ..ANY
};

/// Nodes behind a router of their IPv6 network, and VXLAN between them.
const ROUTED_IPV6: Needs = Needs {
    backend: Some("vxlan"),
    family: Some(IpFamily::Ipv6),
    underlay: Some(Underlay::Routed),
};

/// How it is planted.
enum Recipe {
    /// The plan itself is wrong.
    Nodes(fn(&mut [NodeSpec])),
    /// Steps worked out from the lab as it is.
    Steps(fn(&LabContext) -> Result<Vec<Step>>),
    /// Lines of shell in namespaces of the lab.
    Shell(&'static [shell::Line]),
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
        if fault.is_of_running_lab() {
            let pods: Vec<PodRef> = made.pods.iter().map(pod_ref).collect();
            let context = LabContext::of(self, &pods, made.pod_network).await?;
            fault.plant_in_lab(self, &context).await?;
        }
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
    /// Lines of shell in a lab whose pods run.
    const fn shell(
        id: &'static str,
        summary: &'static str,
        lines: &'static [shell::Line],
        says: &'static [Says],
    ) -> Fault {
        Fault {
            id,
            summary,
            moment: Moment::AfterPods,
            says,
            may_fail: &[],
            needs: ANY,
            recipe: Recipe::Shell(lines),
        }
    }

    /// Checks that may turn red too.
    const fn may_fail(self, checks: &'static [&'static str]) -> Fault {
        Fault {
            may_fail: checks,
            ..self
        }
    }

    /// The cluster has to be like that.
    const fn needs(self, needs: Needs) -> Fault {
        Fault { needs, ..self }
    }

    /// Checks that turn red on every run.
    pub fn must_fail(&self) -> BTreeSet<&'static str> {
        let always = self.says.iter().filter(|says| !says.sometimes);
        always.flat_map(|says| says.checks).copied().collect()
    }

    /// Checks that turn red on some runs, and others that may.
    pub fn may_fail_too(&self) -> BTreeSet<&'static str> {
        let must = self.must_fail();
        let sometimes = self.says.iter().flat_map(|says| says.checks);
        let may = sometimes.chain(self.may_fail).copied();
        may.filter(|check| !must.contains(check)).collect()
    }

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
        if let Some(backend) = self.needs.backend {
            if ![backend, "auto"].contains(&args.backend()) {
                return wants(&format!("--backend {backend}"));
            }
            args.backend = Some(backend.to_owned());
        }
        if let Some(family) = self.needs.family {
            if args.ip_family.is_some_and(|chosen| chosen != family) {
                return wants(&format!("--ip-family {}", family.name()));
            }
            args.ip_family = Some(family);
        }
        if let Some(underlay) = self.needs.underlay {
            if args.lab.underlay.is_some_and(|chosen| chosen != underlay) {
                return wants(&format!("--underlay {underlay}"));
            }
            args.lab.underlay = Some(underlay);
        }
        let is_shell = matches!(self.recipe, Recipe::Shell(_));
        if is_shell && self.needs.family.is_none() && !args.ip_family().has_v4() {
            return wants("IPv4 pods");
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
            Recipe::Nodes(_) | Recipe::Steps(_) | Recipe::Shell(_) => Provider::Lab,
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
            Recipe::Nodes(_) | Recipe::Steps(_) | Recipe::Shell(_) => Ok(None),
            Recipe::OnCluster { steps, .. } => {
                let planted = Planted::plant(cluster, self.id, exposed, steps).await?;
                Ok(Some(planted))
            }
        }
    }

    /// Whether it is planted in a lab that runs, and not in the plan of one.
    fn is_of_running_lab(&self) -> bool {
        matches!(self.recipe, Recipe::Steps(_) | Recipe::Shell(_))
    }

    /// Plants it in a lab now. The agents are stopped first: they would repair the fault.
    ///
    /// # Errors
    /// Where the lab cannot be changed so.
    pub async fn plant_in_lab(&self, lab: &LabCluster, context: &LabContext) -> Result<()> {
        for node in &context.nodes {
            lab.stop_daemon(&node.name, AGENT).await?;
        }
        match &self.recipe {
            Recipe::Steps(recipe) => {
                for step in recipe(context)? {
                    match step {
                        Step::Change(place, changes) => lab.change(place, changes).await?,
                        Step::Remove { node, path } => lab.remove_file(&node, &path).await?,
                        Step::Write { node, path, text } => {
                            lab.write_file(&node, &path, text.into_bytes()).await?;
                        }
                    }
                }
            }
            Recipe::Shell(lines) => {
                for line in *lines {
                    let planted = line.run(lab, context).await;
                    planted.map_err(|e| Error::failed(format!("plant {}", self.id), e))?;
                }
            }
            Recipe::Nodes(_) | Recipe::OnCluster { .. } => {}
        }
        Ok(())
    }
}
