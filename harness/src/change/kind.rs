//! A change of a cluster behind an API: objects are applied, DaemonSets roll out. It is compared with what the configuration says, and
//! with what the nodes had before.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flatnet_analysis::change as judge;
use flatnet_cluster::Cluster;
use flatnet_cluster::kind::engine::Engine;
use flatnet_cluster::kube;
use flatnet_model::change::{Leftover, Step};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::Mutex;

use super::flow;
use super::pods::{self, Made};
use super::report::Compared;
use super::rollout::{Remains, Rollout, Seen, Targets};
use super::traffic::Steps;
use super::wanted::{self, Asked};
use crate::cni::KindCluster;
use crate::cni::kind_change::{self, Change, Config, Marks, Pending};
use crate::events::{Event, Observer};
use crate::session::Session;
use crate::session::reaper::Reap;
use crate::session::source::ClusterSource;
use crate::{Error, Result};

/// How long a pod that a change makes may take to run, its image being there.
const POD_LIMIT: Duration = Duration::from_secs(60);

/// The change of the session's cluster that is asked for; nothing is changed yet.
///
/// # Errors
/// [`Error::Input`] for a configuration that does not fit the cluster.
pub(super) async fn rollout(
    session: &Session,
    asked: Asked<'_>,
    observer: &Observer,
) -> Result<OnKind> {
    let onto = onto(session).await?;
    if let Some(engine) = &onto.engine {
        for archive in asked.order.run.kind.archives(&asked.to.name) {
            flatnet_cluster::kind::images::load_archive(engine, &onto.name, &archive).await?;
        }
    }
    let choice = wanted::of_cluster(asked.order, asked.to)?;
    let mut to = Config::new(&onto, asked.to.clone(), &choice, observer).await?;
    if kind_change::undo(&onto).await? {
        observer(&Event::Note(format!(
            "what was not finished on {} is undone first",
            onto.name
        )));
        kind_change::told(onto.client()).await?;
    }
    let recorded = Config::recorded(&onto).await?;
    let is_recorded = recorded.is_some();
    let from = match recorded {
        Some(from) => from,
        None => Config::live(&onto, &mut to).await?,
    };
    if is_recorded {
        asked.agrees(&format!("cluster {}", onto.name), &from.wanted)?;
    }
    if let Some(of) = session.plan().reference() {
        session.also_undone(Reap::CniChange { of })?;
    }
    Ok(OnKind::new(
        Arc::clone(session.cluster()),
        Change { onto, from, to },
        is_recorded,
        Arc::clone(observer),
    ))
}

/// The session's cluster, as CNIs are put onto it.
async fn onto(session: &Session) -> Result<KindCluster> {
    let plan = session.plan();
    let engine = match plan.source {
        ClusterSource::NewKind(..) | ClusterSource::RunningKind { .. } => {
            Some(Engine::find().await?)
        }
        _ => None,
    };
    let Some(cluster) = session.kube().cloned() else {
        return Err(Error::Failed("the session's cluster has no API".to_owned()));
    };
    // Not every user may read them; only shipped manifests are fitted to them.
    let ranges = kube::ranges::read(cluster.client())
        .await
        .unwrap_or_default();
    Ok(KindCluster {
        name: plan.source.name().unwrap_or(cluster.name()).to_owned(),
        cluster,
        engine,
        ranges,
        programs: plan.programs.clone(),
    })
}

/// A cluster, and the two configurations.
pub(super) struct OnKind {
    cluster: Arc<dyn Cluster>,
    change: Arc<Change>,
    /// Whether flatnet knows what nodes had before the first CNI.
    is_recorded: bool,
    observer: Observer,
    /// Nodes before the change, from its beginning on.
    begun: Mutex<Option<Pending>>,
    marks: Mutex<Marks>,
}

impl OnKind {
    fn new(
        cluster: Arc<dyn Cluster>,
        change: Change,
        is_recorded: bool,
        observer: Observer,
    ) -> Self {
        OnKind {
            cluster,
            change: Arc::new(change),
            is_recorded,
            observer,
            begun: Mutex::default(),
            marks: Mutex::default(),
        }
    }
}

#[async_trait]
impl Rollout for OnKind {
    fn words(&self) -> [String; 2] {
        let words = |config: &Config| config.wanted.to_string();
        [words(&self.change.from), words(&self.change.to)]
    }

    fn compared(&self) -> Compared {
        match self.is_recorded {
            true => Compared::NodesBefore,
            false => Compared::PodsOfRun,
        }
    }

    /// They may be anybody's, and need not have a shell.
    fn probes_others(&self) -> bool {
        false
    }

    async fn carry_out(&self, wanted: &[Pod], steps: &mut Steps<'_>) -> Result<Made> {
        let (cluster, change) = (&self.cluster, &self.change);
        let pending = change.begin().await?;
        *self.begun.lock().await = Some(pending.clone());
        change
            .roll_out(pending, &mut |step| steps.begin(step))
            .await?;
        steps.begin(Step::NewPods);
        let (first, rest) = wanted.split_at(1.min(wanted.len()));
        let made = pods::make(cluster, first, POD_LIMIT).await?;
        let node = first
            .iter()
            .find_map(|pod| pod.spec.as_ref()?.node_name.clone());
        let node = node.unwrap_or_default();
        let new = pods::first_runs(cluster, first, made, &change.to.wanted, &node).await?;
        change.settle().await?;
        let mut made = pods::make(cluster, rest, POD_LIMIT).await?;
        made.running.splice(0..0, new);
        Ok(made)
    }

    async fn put_back(&self) -> Result<()> {
        let onto = &self.change.onto;
        if Pending::read(onto.client()).await?.is_none() {
            return Ok(());
        }
        let first = &self.change.from.wanted;
        (self.observer)(&Event::Step(format!("putting {first} back")));
        kind_change::undo(onto).await?;
        kind_change::told(onto.client()).await?;
        (self.observer)(&Event::Note(format!(
            "the cluster has {first} on every node again"
        )));
        Ok(())
    }

    async fn wanted(&self, seen: &Seen<'_>) -> Result<Targets> {
        let mut marks = self.marks.lock().await;
        let addresses = seen.ours.iter().flat_map(|pod| &pod.ips);
        marks.of_run.extend(addresses.map(ToString::to_string));
        marks.of_run.extend(seen.ports.iter().cloned());
        marks.of_run.extend(self.change.container_ids().await?);

        let bridges = flow::bridges(seen.new, seen.pods);
        let stated = self.change.to.stated()?;
        let mut targets = Targets::default();
        for (name, look) in seen.nodes {
            let now = judge::of_node(look);
            targets.nodes.insert(name.clone(), stated.of_node(&now));
            let on_node = |pod: &&flatnet_model::snapshot::PodSnapshot| pod.node == *name;
            let of_new: Vec<&judge::Properties> = seen
                .new
                .iter()
                .filter(on_node)
                .filter_map(|pod| seen.pods.get(&pod.reference))
                .collect();
            let of_node = bridges.get(name).cloned().unwrap_or_default();
            marks
                .used
                .insert(name.clone(), judge::in_use(look, &of_node));
            if let Some(new) = of_new.first() {
                targets.pods.insert(name.clone(), stated.of_pod(new));
            }
        }
        Ok(targets)
    }

    /// Agents have no pods from before to wait for: a rollout has made each of them look again.
    async fn hurry(&self) -> Result<()> {
        Ok(())
    }

    async fn replace_pods(&self, ports: &BTreeSet<String>) -> Result<()> {
        self.change.without_ports(ports).await?;
        let bare = self.change.renew_others().await?;
        if !bare.is_empty() {
            (self.observer)(&Event::Note(format!(
                "{}: the former CNI networks it still, and nothing makes it again: delete it and make it again yourself",
                bare.join(", ")
            )));
        }
        Ok(())
    }

    async fn leftovers(&self, nodes: &Remains<'_>) -> Result<Vec<Leftover>> {
        let Some(pending) = self.begun.lock().await.clone() else {
            return Ok(Vec::new());
        };
        let mut marks = self.marks.lock().await;
        for (name, look) in nodes.before {
            let bridges = nodes.bridges.get(name).cloned().unwrap_or_default();
            let used = judge::in_use(look, &bridges);
            marks.used_before.insert(name.clone(), used);
        }
        let addresses = nodes.addresses.iter().map(ToString::to_string);
        marks.of_others = addresses.chain(nodes.ports.iter().cloned()).collect();
        self.change.leftovers(&pending, &marks).await
    }

    fn back(&self) -> Box<dyn Rollout> {
        Box::new(OnKind::new(
            Arc::clone(&self.cluster),
            self.change.back(),
            self.is_recorded,
            Arc::clone(&self.observer),
        ))
    }
}
