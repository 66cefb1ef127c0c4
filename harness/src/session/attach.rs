//! A cluster that runs already, to be looked at: nothing is booted, installed or deployed.
use std::sync::Arc;

use super::boot;
use super::interrupts::Interrupts;
use super::lifetime::Lifetime;
use super::run_id;
use crate::config::KubeArgs;
use crate::programs::Programs;
use crate::{Result, torn_down};
use flatnet_cluster::Cluster;
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::kube::NamespacePlan;
use flatnet_cluster::lab::LabCluster;

/// Which cluster is meant.
pub enum Which {
    /// A lab of this user.
    Lab(String),
    /// A kind cluster of this machine's engine.
    Kind {
        /// Its name.
        name: String,
        /// The engine.
        engine: Engine,
    },
    /// What a kubeconfig leads to.
    Kubeconfig(KubeArgs),
}

/// What is done on a cluster that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Nothing is created there.
    Look,
    /// Pods may be created, in a namespace of their own, which the reaper deletes if this process is killed.
    Stay,
}

/// Lets `work` observe a cluster, and always deletes afterwards what observing needed there. Ctrl-C, SIGTERM or SIGHUP ends the work.
///
/// # Errors
/// A cluster that does not answer, a part of flatnet that is missing, or the work's own; then what does not go.
pub async fn looking<T>(
    which: &Which,
    visit: Visit,
    work: impl AsyncFnOnce(&Attached) -> Result<T>,
) -> Result<T> {
    let interrupts = Interrupts::listen()?;
    let attached = interrupts.guard(Attached::to(which, visit)).await?;
    let seen = interrupts.guard(work(&attached)).await;
    torn_down(seen, interrupts.guard(attached.close()).await)
}

/// An observed cluster. [`Attached::close`] deletes what observing needed there.
pub struct Attached {
    /// Its handle.
    pub cluster: Arc<dyn Cluster>,
    lifetime: Lifetime,
}

impl Attached {
    /// Connects.
    ///
    /// # Errors
    /// A cluster that does not answer, or a part of flatnet that is missing.
    pub async fn to(which: &Which, visit: Visit) -> Result<Attached> {
        let programs = Programs::locate()?;
        match which {
            Which::Lab(name) if visit == Visit::Stay => {
                let (lab, lifetime) = boot::visit_lab(name, &programs).await?;
                Ok(Attached::new(lab, lifetime))
            }
            Which::Lab(name) => {
                let lab = LabCluster::connect(name).await?;
                Ok(Attached::new(lab, Lifetime::Visitor))
            }
            Which::Kind { name, engine } if visit == Visit::Stay => {
                let connection = kind::connection(engine, name).await?;
                let planned = NamespacePlan::own(&run_id());
                let lifetime = boot::guest_of_kind(name, &planned, &programs)?;
                let namespace = planned.establish(&connection.client).await?;
                let cluster = kind::cluster(engine, name, connection, namespace, &programs.probe);
                Ok(Attached::new(cluster, lifetime))
            }
            Which::Kind { name, engine } => {
                let connection = kind::connection(engine, name).await?;
                // Nodes are reached through their containers: no pod is made, so none has to go.
                let namespace = NamespacePlan::existing("default", &run_id())
                    .establish(&connection.client)
                    .await?;
                let cluster = kind::cluster(engine, name, connection, namespace, &programs.probe);
                Ok(Attached::new(cluster, Lifetime::Visitor))
            }
            Which::Kubeconfig(args) => {
                let (cluster, lifetime) = boot::connect(args, &programs).await?;
                Ok(Attached::new(cluster, lifetime))
            }
        }
    }

    fn new(cluster: impl Cluster + 'static, lifetime: Lifetime) -> Attached {
        Attached {
            cluster: Arc::new(cluster),
            lifetime,
        }
    }

    /// Leaves the cluster as it was found.
    ///
    /// # Errors
    /// When something does not go.
    pub async fn close(self) -> Result<()> {
        self.lifetime.end(&self.cluster, false).await
    }
}
