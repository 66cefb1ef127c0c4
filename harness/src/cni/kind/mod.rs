//! CNIs on a kind cluster: a manifest applied through the API, remembered in the cluster, and taken off again without a trace.
mod agents;
pub mod change;
mod images;
mod in_use;
mod record;
mod removal;
mod snapshot;
mod swap;
mod tune;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::Client;

use super::{Choice, Cni, Given, Trouble, Wanted};
use crate::cni::shipped::FLATNET;
use crate::events::{Event, Observer};
use crate::programs::Programs;
use crate::run_id::run_id;
use crate::{Error, Result};
use flatnet_cluster::kind::{self, engine::Engine};
use flatnet_cluster::kube::objects::Objects;
use flatnet_cluster::kube::ranges;
use flatnet_cluster::kube::{Connection, Identity, KubeCluster, NamespacePlan, NodePods};
use flatnet_model::view::Ranges;
use record::Record;

/// What a CNI is put onto.
#[derive(Clone)]
pub struct KindCluster {
    /// The cluster.
    pub cluster: KubeCluster,
    /// The engine its nodes run in; none where they are not this machine's.
    pub engine: Option<Engine>,
    /// kind's name for it, or the context that leads there.
    pub name: String,
    /// Its pod and service ranges.
    pub ranges: Ranges,
    /// flatnet's own parts.
    pub programs: Programs,
}

impl KindCluster {
    /// Its API's client.
    pub fn client(&self) -> &Client {
        self.cluster.client()
    }

    /// A kind cluster that nothing is deployed to.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub async fn at(
        engine: &Engine,
        name: &str,
        connection: Connection,
        programs: Programs,
    ) -> Result<Self> {
        let namespace = NamespacePlan::existing("default", &run_id());
        let namespace = namespace.establish(&connection.client).await?;
        let ranges = ranges::read(&connection.client).await?;
        let cluster = kind::cluster(engine, name, connection, namespace, &programs.probe);
        Ok(KindCluster {
            cluster,
            engine: Some(engine.clone()),
            name: name.to_owned(),
            ranges,
            programs,
        })
    }

    /// A cluster that flatnet did not boot, to put objects back there.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub async fn of_others(connection: Connection, programs: Programs) -> Result<Self> {
        let namespace = NamespacePlan::existing("default", &run_id());
        let namespace = namespace.establish(&connection.client).await?;
        let (client, probe) = (connection.client.clone(), programs.probe.clone());
        let nodes = NodePods::new(client, namespace.clone(), String::new(), probe.clone());
        let identity = Identity::kubeconfig(&connection.context);
        let name = connection.context.clone();
        let cluster = KubeCluster::new(identity, connection, namespace, Arc::new(nodes), probe);
        Ok(KindCluster {
            cluster,
            engine: None,
            name,
            ranges: Ranges::default(),
            programs,
        })
    }
}

/// The chosen CNI on a kind cluster; nothing where the one it has stays.
///
/// # Errors
/// A choice that is not one for kind.
pub fn on_kind(choice: &Choice, onto: KindCluster) -> Result<Option<Box<dyn Cni>>> {
    let cni: Box<dyn Cni> = match choice {
        Choice::Flatnet(given) => Box::new(Manifest {
            given: given.clone(),
            objects: of_flatnet()?,
            onto,
        }),
        Choice::Manifest { name, objects } => Box::new(Manifest {
            given: Given {
                name: name.clone(),
                backend: None,
                options: BTreeMap::new(),
            },
            objects: objects.clone(),
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

/// Our own CNI, as it is shipped.
fn of_flatnet() -> Result<Objects> {
    Objects::parse("manifests/flatnet.yaml", FLATNET)
}

/// The objects as they are applied: fitted to the cluster, with images that its nodes have.
async fn prepared(
    onto: &KindCluster,
    given: &Given,
    mut objects: Objects,
    observer: &Observer,
) -> Result<Objects> {
    let options = Wanted::given(given).agent_options();
    tune::fit(&mut objects, &given.name, &options, &onto.ranges)?;
    if let (true, Some(engine)) = (given.backend.is_some(), &onto.engine) {
        observer(&Event::Step(
            "building and loading flatnet's image".to_owned(),
        ));
        let image = images::build(onto, engine).await?;
        tune::use_image(&mut objects, &image);
    }
    images::load_local(onto, &objects).await?;
    Ok(objects)
}

/// A CNI that a manifest brings.
struct Manifest {
    given: Given,
    objects: Objects,
    onto: KindCluster,
}

#[async_trait]
impl Cni for Manifest {
    fn name(&self) -> &str {
        &self.given.name
    }

    async fn install(&self, observer: &Observer) -> Result<()> {
        let onto = &self.onto;
        let objects = prepared(onto, &self.given, self.objects.clone(), observer).await?;
        // Of two configurations that are half there, none could be taken off.
        change::undo(onto).await?;
        let before = match Record::read(onto.client()).await? {
            Some(record) if record.given.name == self.given.name => Some(record),
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
        let given = self.given.clone();
        let record = match before {
            Some(record) => record.with(given, &objects)?,
            None => {
                swap::refuse_foreign(onto).await?;
                Record::new(
                    given,
                    &objects,
                    snapshot::all(onto, &snapshot::host_paths(&objects)).await?,
                )?
            }
        };
        // Before anything is applied: a run that is killed now can still be cleaned up after.
        record.write(onto.client()).await?;
        images::bring_plugins(onto, &objects).await?;
        observer(&Event::Step(format!("applying CNI {}", self.given.name)));
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
