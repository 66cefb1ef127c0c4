//! CNIs on a kind cluster: a manifest applied through the API, remembered in the cluster, and taken off again without a trace.
mod agents;
mod images;
mod in_use;
mod record;
mod removal;
mod snapshot;
mod swap;
mod tune;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use kube::Client;

use super::{Choice, Cni, Given, Trouble};
use crate::cni::shipped::FLATNET;
use crate::events::{Event, Observer};
use crate::programs::Programs;
use crate::{Error, Result};
use flatnet_cluster::kind::engine::Engine;
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::kube::objects::Objects;
use flatnet_model::view::Ranges;
use record::Record;

/// What a CNI is put onto.
pub struct KindCluster {
    /// The cluster.
    pub cluster: KubeCluster,
    /// The engine its nodes run in.
    pub engine: Engine,
    /// kind's name for it.
    pub name: String,
    /// Its pod and service ranges.
    pub ranges: Ranges,
    /// flatnet's own parts.
    pub programs: Programs,
}

impl KindCluster {
    fn client(&self) -> &Client {
        self.cluster.client()
    }
}

/// The chosen CNI on a kind cluster; nothing where the one it has stays.
///
/// # Errors
/// A choice that is not one for kind.
pub fn on_kind(choice: &Choice, onto: KindCluster) -> Result<Option<Box<dyn Cni>>> {
    let cni: Box<dyn Cni> = match choice {
        Choice::Flatnet { backend, .. } => Box::new(Manifest {
            name: "flatnet".to_owned(),
            objects: Objects::parse("manifests/flatnet.yaml", FLATNET)?,
            backend: Some(backend.clone()),
            onto,
        }),
        Choice::Manifest { name, objects } => Box::new(Manifest {
            name: name.clone(),
            objects: objects.clone(),
            backend: None,
            onto,
        }),
        Choice::None => Box::new(Nothing { onto }),
        Choice::Kept => return Ok(None),
        Choice::Conflist { name, .. } => {
            return Err(Error::Input(format!(
                "--cni {name}: a conflist is for the lab; kind takes a manifest"
            )));
        }
    };
    Ok(Some(cni))
}

/// The CNI that flatnet put onto a cluster; nothing where it did not.
///
/// # Errors
/// When the record cannot be read.
pub async fn recorded(client: &Client) -> Result<Option<Given>> {
    Ok(Record::read(client).await?.map(|record| record.given))
}

/// A CNI that a manifest brings.
struct Manifest {
    name: String,
    objects: Objects,
    /// Of our own CNI.
    backend: Option<String>,
    onto: KindCluster,
}

#[async_trait]
impl Cni for Manifest {
    fn name(&self) -> &str {
        &self.name
    }

    async fn install(&self, observer: &Observer) -> Result<()> {
        let onto = &self.onto;
        let mut objects = self.objects.clone();
        tune::fit(
            &mut objects,
            &self.name,
            self.backend.as_deref(),
            &onto.ranges,
        )?;
        if self.backend.is_some() {
            observer(&Event::Step(
                "building and loading flatnet's image".to_owned(),
            ));
            let image = images::build(onto).await?;
            tune::use_image(&mut objects, &image);
        }
        images::load_local(onto, &objects).await?;
        let before = match Record::read(onto.client()).await? {
            Some(record) if record.given.name == self.name => Some(record),
            Some(record) => {
                observer(&Event::Step(format!(
                    "removing CNI {}; nodes are cordoned until the new one is up",
                    record.given.name
                )));
                swap::take_off(onto, &record, observer).await?;
                None
            }
            None => None,
        };
        let given = Given {
            name: self.name.clone(),
            backend: self.backend.clone(),
            options: BTreeMap::new(),
        };
        let record = match before {
            Some(record) => record.with(given, &objects)?,
            None => {
                swap::refuse_foreign(onto).await?;
                Record::new(given, &objects, snapshot::all(onto, &objects).await?)?
            }
        };
        // Before anything is applied: a run that is killed now can still be cleaned up after.
        record.write(onto.client()).await?;
        images::bring_plugins(onto, &objects).await?;
        observer(&Event::Step(format!("applying CNI {}", self.name)));
        objects.apply(onto.client()).await
    }

    async fn trouble(&self) -> Result<Option<Trouble>> {
        agents::trouble(self.onto.client(), &self.objects).await
    }

    fn ready_within(&self) -> Duration {
        Duration::from_secs(180)
    }

    async fn settled(&self) -> Result<()> {
        swap::uncordon(self.onto.client()).await
    }
}

/// `--cni none`: whatever is on the cluster, or nothing.
struct Nothing {
    onto: KindCluster,
}

#[async_trait]
impl Cni for Nothing {
    fn name(&self) -> &str {
        "none"
    }

    async fn install(&self, _observer: &Observer) -> Result<()> {
        Ok(())
    }

    async fn trouble(&self) -> Result<Option<Trouble>> {
        let bare = swap::without_conflist(&self.onto).await?;
        Ok((!bare.is_empty()).then(|| Trouble {
            what: format!(
                "/etc/cni/net.d is empty on {}: --cni none expects a CNI that is already installed; choose one with --cni",
                bare.join(", ")
            ),
            holds_back: true,
            ..Trouble::default()
        }))
    }

    fn ready_within(&self) -> Duration {
        Duration::from_secs(45)
    }
}
