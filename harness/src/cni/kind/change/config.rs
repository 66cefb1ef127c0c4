//! What networks the pods of a cluster behind an API, as it is applied.
use std::collections::BTreeSet;

use flatnet_analysis::change::Stated;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{KindCluster, prepared, record, snapshot, tune};
use crate::cni::{Choice, Wanted};
use crate::events::Observer;
use crate::{Error, Result};
use flatnet_cluster::kube::objects::{Objects, is};

/// Everything that is needed to bring it about again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// As a person writes it.
    pub wanted: Wanted,
    /// What is applied, YAML.
    manifest: String,
}

impl Config {
    /// What flatnet put onto a cluster; nothing where it did not.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn recorded(onto: &KindCluster) -> Result<Option<Self>> {
        let record = record::Record::read(onto.client()).await?;
        Ok(record.map(|record| Config {
            wanted: Wanted::given(&record.given),
            manifest: record.manifest,
        }))
    }

    /// What `choice` of `wanted` brings on this cluster, with its images where the nodes' engine is at hand.
    ///
    /// # Errors
    /// [`Error::Input`] for a choice that is not one for such a cluster, or that the cluster cannot do.
    pub async fn new(
        onto: &KindCluster,
        wanted: Wanted,
        choice: &Choice,
        observer: &Observer,
    ) -> Result<Self> {
        let objects = match choice {
            Choice::Flatnet(_) => super::super::of_flatnet()?,
            Choice::Manifest { objects, .. } => objects.clone(),
            Choice::Conflist { .. } | Choice::Kept | Choice::None => {
                return Err(Error::Input(format!(
                    "{wanted}: it is not a CNI for a cluster with an API; choose flatnet, flannel, weave or a manifest"
                )));
            }
        };
        let objects = prepared(onto, &wanted.as_given(), objects, observer).await?;
        Ok(Config {
            wanted,
            manifest: objects.to_yaml()?,
        })
    }

    /// What a cluster has of the objects that `to` brings, where flatnet did not install them; their image stays.
    ///
    /// # Errors
    /// [`Error::Input`] where a DaemonSet of `to` is not there: then another CNI networks the pods.
    pub async fn live(onto: &KindCluster, to: &mut Config) -> Result<Self> {
        let mut brought = to.objects()?;
        let live = brought.live(onto.client()).await?;
        let has: BTreeSet<String> = live
            .daemon_sets()
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        let lacks = brought.daemon_sets();
        if let Some(set) = lacks.iter().find(|set| !has.contains(&set.name_any())) {
            return Err(Error::Input(format!(
                "--to {}: the cluster has no DaemonSet {}: another CNI networks its pods, and flatnet replaces only one that it installed; name a manifest of the CNI that is there",
                to.wanted,
                set.name_any()
            )));
        }
        if lacks.is_empty() {
            return Err(Error::Input(format!(
                "--to {}: it has no DaemonSet, so that there is nothing to roll out",
                to.wanted
            )));
        }
        if to.wanted.is_flatnet()
            && onto.engine.is_none()
            && let Some(image) = live.images().first()
        {
            tune::use_image(&mut brought, image);
            to.manifest = brought.to_yaml()?;
        }
        Ok(Config {
            wanted: Wanted {
                name: format!("what the cluster has of {}", to.wanted.name),
                options: std::collections::BTreeMap::new(),
            },
            manifest: live.to_yaml()?,
        })
    }

    /// The objects.
    ///
    /// # Errors
    /// Only where another program has written the record.
    pub(super) fn objects(&self) -> Result<Objects> {
        Objects::parse(&self.wanted.name, &self.manifest)
    }

    /// The objects that `other` does not have.
    pub(super) fn objects_without(&self, other: &Config) -> Result<Option<Objects>> {
        Ok(self.objects()?.without(&other.objects()?))
    }

    /// Whether a rollout of its DaemonSets is all that leads there from `other`.
    ///
    /// # Errors
    /// As [`Config::objects`].
    pub fn is_in_place(&self, other: &Config) -> Result<bool> {
        let names = |objects: &Objects| -> BTreeSet<(Option<String>, String)> {
            let sets = objects.daemon_sets();
            sets.iter()
                .map(|set| (set.namespace(), set.name_any()))
                .collect()
        };
        let (ours, theirs) = (names(&self.objects()?), names(&other.objects()?));
        Ok(!ours.is_empty() && ours == theirs)
    }

    /// Folders of nodes that its pods mount.
    pub(super) fn paths(&self) -> Result<Vec<String>> {
        Ok(snapshot::host_paths(&self.objects()?))
    }

    /// What it says of nodes and pods.
    ///
    /// # Errors
    /// As [`Config::objects`].
    pub fn stated(&self) -> Result<Stated> {
        let objects = self.objects()?;
        let sets = objects.daemon_sets();
        let pods = sets
            .iter()
            .filter_map(|set| set.spec.as_ref()?.template.spec.as_ref());
        let mut containers = pods.flat_map(|pod| &pod.containers);
        let agent = containers.find_map(|container| {
            let args = container.args.clone()?;
            // Only flatnet's agents have both.
            let has = |start: &str| args.iter().any(|arg| arg.starts_with(start));
            let is_agent = has("--kubernetes") && has("--install-plugin");
            is_agent.then(|| [vec![container.name.clone()], args].concat())
        });
        let maps = objects.iter().filter(|object| is(object, "ConfigMap"));
        let texts = maps.flat_map(|map| {
            let data = map.data.get("data").and_then(Value::as_object);
            data.into_iter().flat_map(|data| data.values())
        });
        let conflists = texts
            .filter_map(|text| serde_json::from_str::<Value>(text.as_str()?).ok())
            .filter(|value| value["plugins"].is_array());
        Ok(Stated {
            agent,
            conflist: conflists.last(),
        })
    }
}
