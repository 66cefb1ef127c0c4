//! The running cluster that is meant by `--cluster`, by a kubeconfig, or because it is the only one.
use clap::Args;

use super::clusters::{Running, meant};
use crate::Result;
use crate::config::KubeArgs;
use crate::session::attach::Which;

/// Options that choose a cluster which runs already.
#[derive(Args)]
pub(super) struct WhichArgs {
    /// A lab or kind cluster on this machine [default: the only one that runs]
    #[arg(
        long,
        env = "FLATNET_CLUSTER",
        value_name = "NAME",
        conflicts_with_all = ["kubeconfig", "context", "namespace"],
        help_heading = "Cluster"
    )]
    cluster: Option<String>,

    /// The cluster kubectl talks to; implied by the options below
    #[arg(long, conflicts_with = "cluster", help_heading = "Kubeconfig")]
    current_context: bool,

    #[command(flatten)]
    kube: KubeArgs,
}

impl WhichArgs {
    /// Finds it.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where none runs, none is of that name, or several could be meant.
    pub(super) fn find(&self) -> Result<Which> {
        let kube = &self.kube;
        let foreign =
            kube.kubeconfig.is_some() || kube.context.is_some() || kube.namespace.is_some();
        if foreign || self.current_context {
            return Ok(Which::Kubeconfig(kube.clone()));
        }
        Ok(match meant(self.cluster.as_deref())? {
            Running::Lab(lab) => Which::Lab(lab.spec.name.clone()),
            Running::Kind { name, engine, .. } => Which::Kind { name, engine },
        })
    }
}
