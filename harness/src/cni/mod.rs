//! What networks the pods: installed on a booted cluster, asked whether it works, taken off again.
mod choice;
mod container_id;
mod kind;
mod lab;
mod shipped;
mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use flatnet_lab::LabSpec;

pub use choice::Choice;
pub use container_id::container_ids;
pub use kind::{KindCluster, change as kind_change, on_kind, recorded};
pub use lab::{change as lab_change, on_lab};
pub(crate) use shipped::{REFERENCE, REFERENCE_DIRS};
pub use wanted::Wanted;

use crate::Result;
use crate::events::Observer;

/// A CNI bound to one cluster.
#[async_trait]
pub trait Cni: Send + Sync {
    /// As the user named it.
    fn name(&self) -> &str;
    /// Puts it on every node; returns before nodes are Ready.
    async fn install(&self, observer: &Observer) -> Result<()>;
    /// What keeps it from being ready, if it knows.
    async fn trouble(&self) -> Result<Option<Trouble>>;
    /// How long it may take to make every node Ready.
    fn ready_within(&self) -> Duration {
        Duration::from_secs(30)
    }
    /// Called once after [`Cni::install`], when every node is Ready: opens what was closed meanwhile.
    async fn settled(&self) -> Result<()> {
        Ok(())
    }
}

/// What flatnet gave a cluster, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// `--cni`.
    pub name: String,
    /// `--backend`, of our own CNI.
    pub backend: Option<String>,
    /// Other options, by key, where a change gave it some.
    pub options: BTreeMap<String, String>,
}

impl Given {
    /// As a lab's labels have it.
    pub fn of_lab(spec: &LabSpec) -> Option<Self> {
        let label = |name: &str| spec.labels.get(name).cloned();
        Some(Given {
            name: label("cni")?,
            backend: label("backend"),
            options: lab::change::Config::of_lab(spec)
                .map(|config| config.wanted.as_given().options)
                .unwrap_or_default(),
        })
    }
}

/// Why a CNI is not ready.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// In words, with the program's own.
    pub what: String,
    /// Pods are not to be deployed yet, even if nodes are Ready.
    pub holds_back: bool,
    /// Waiting longer will not help.
    pub fatal: bool,
    /// Something is missing that the user can bring, and this is how.
    pub remedy: Option<String>,
}
