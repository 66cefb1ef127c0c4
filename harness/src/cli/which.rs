//! The running cluster that is meant by `--cluster`, by a kubeconfig, or because it is the only one.
use std::time::Duration;

use clap::Args;
use flatnet_lab::LabSpec;
use tokio::time::timeout;

use super::{Typed, output};
use crate::cni::lab_change;
use crate::config::KubeArgs;
use crate::session::attach::Which;
use crate::session::run_until_interrupted;
use crate::{Error, Result};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::running::{self, ClusterName, Found, Running};

/// How long a lab may take to say whether it is being changed.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The option that names a cluster of this machine.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArg {
    /// Name of a running lab or kind cluster on this machine; lab/NAME or kind/NAME if both have a cluster of that name
    /// [default: the only running cluster]
    #[arg(long, alias = "name", env = "FLATNET_CLUSTER", value_name = "NAME")]
    cluster: Option<String>,
}

impl ClusterArg {
    /// As if `--cluster` had this name.
    pub(super) fn named(name: &str) -> Self {
        ClusterArg {
            cluster: Some(name.to_owned()),
        }
    }

    /// Finds it. Where none was named, says on standard error which one it is.
    ///
    /// # Errors
    /// [`Error::Input`] where none runs, none is of that name, or several could be meant.
    pub(super) async fn find(&self) -> Result<Running> {
        let found = look().await?;
        if self.cluster.is_some() {
            return self.of(&found);
        }
        let only = found.only()?;
        output::say(format_args!("using {only}, the only running cluster"));
        Ok(only)
    }

    /// The same among clusters that were already found, without printing it.
    pub(super) fn of(&self, found: &Found) -> Result<Running> {
        match &self.cluster {
            Some(name) => found.named(&ClusterName::new(name)),
            None => found.only(),
        }
    }
}

/// Running clusters; says on standard error why kind's cannot be listed, if so.
pub(super) async fn look() -> Result<Found> {
    let found = running::find().await?;
    if let Some(why) = &found.unlisted {
        output::say(format_args!("note: {why}"));
    }
    Ok(found)
}

/// Says on standard error that a change of this lab is not finished, where it is not, and what to do.
pub(super) fn say_of_change(spec: &LabSpec) {
    if let Some(words) = lab_change::pending(spec) {
        output::say(format_args!("note: {words}"));
    }
}

/// Options that choose a cluster which runs already.
#[derive(Args)]
pub(super) struct WhichArgs {
    #[command(flatten)]
    cluster: ClusterArg,

    /// Use the cluster kubectl talks to; implied by the options below
    #[arg(long, help_heading = "Kubeconfig")]
    current_context: bool,

    #[command(flatten)]
    kube: KubeArgs,
}

impl WhichArgs {
    /// What was typed wins over what `FLATNET_*` variables choose.
    ///
    /// # Errors
    /// [`Error::Input`] where two clusters are named in the same way.
    pub(super) fn settle(&mut self, typed: &Typed) -> Result<()> {
        let by_name = self.cluster.cluster.is_some();
        if !by_name || !self.foreign() {
            return Ok(());
        }
        let kubeconfig = ["current_context", "kubeconfig", "context", "namespace"];
        let kubeconfig = kubeconfig.into_iter().any(|option| typed.is(option));
        match (typed.is("cluster"), kubeconfig) {
            (true, false) => {
                self.kube = KubeArgs {
                    kubeconfig: None,
                    context: None,
                    namespace: None,
                };
                Ok(())
            }
            (false, true) => {
                self.cluster.cluster = None;
                Ok(())
            }
            _ => Err(Error::Input(
                "--cluster names a cluster of this machine, --current-context, --kubeconfig, --context and --namespace one of a kubeconfig; give one of the two".to_owned(),
            )),
        }
    }

    fn foreign(&self) -> bool {
        let kube = &self.kube;
        self.current_context
            || kube.kubeconfig.is_some()
            || kube.context.is_some()
            || kube.namespace.is_some()
    }

    /// Finds it.
    ///
    /// # Errors
    /// As [`ClusterArg::find`].
    pub(super) fn find(&self) -> Result<Which> {
        if self.foreign() {
            return Ok(Which::Kubeconfig(self.kube.clone()));
        }
        run_until_interrupted(async {
            Ok(match self.cluster.find().await? {
                Running::Lab(name) => {
                    let asked = async { LabCluster::connect(&name).await?.info().await };
                    // Of a lab that does not answer the command itself tells.
                    if let Ok(Ok(info)) = timeout(ANSWER_LIMIT, asked).await {
                        say_of_change(&info.spec);
                    }
                    Which::Lab(name)
                }
                Running::Kind { name, engine } => Which::Kind { name, engine },
            })
        })
    }
}
