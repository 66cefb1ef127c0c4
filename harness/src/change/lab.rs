//! A change of a lab: the configuration is written node by node, as an operator rolls it out, and compared with a second lab.
use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use flatnet_analysis::change as judge;
use flatnet_cluster::Cluster;
use flatnet_cluster::lab::LabCluster;
use flatnet_lab::LabSpec;
use flatnet_model::change::{Leftover, Step};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::OnceCell;

use super::POD_LIMIT;
use super::fresh::{self, Fresh};
use super::pods::{self, Made};
use super::report::Compared;
use super::rollout::{Remains, Rollout, Seen, Targets};
use super::traffic::Steps;
use super::wanted::{self, Asked};
use crate::cni::lab_change::{self, Config, Pending, Work};
use crate::events::{Event, Observer};
use crate::programs::Programs;
use crate::session::Session;
use crate::session::reaper::Reap;
use crate::{Error, Result};

/// The change of the session's lab that is asked for; nothing is changed yet. `records` are of pods that were there before those of the
/// run.
///
/// # Errors
/// [`Error::Input`] for a configuration that does not fit the lab.
pub(super) async fn rollout(
    session: &Session,
    spec: &LabSpec,
    asked: Asked<'_>,
    records: BTreeSet<String>,
    observer: &Observer,
) -> Result<OnLab> {
    let lab = LabCluster::connect(&spec.name).await?;
    let from = Config::of_lab(&lab.info().await?.spec).ok_or_else(|| {
        Error::Input(format!(
            "lab {} does not say how its CNI was configured; boot it again with flatnet up",
            spec.name
        ))
    })?;
    asked.agrees(&format!("lab {}", spec.name), &from.wanted)?;
    let to = wanted::config(&asked, &from)?;
    Work::new(lab.clone(), to.clone()).await?.check()?;
    session.also_undone(Reap::LabChange {
        lab: spec.name.clone(),
    })?;
    Ok(OnLab {
        records,
        cluster: Arc::clone(session.cluster()),
        programs: session.plan().programs.clone(),
        lab,
        from,
        to,
        observer: Arc::clone(observer),
        fresh: OnceCell::new(),
    })
}

/// A lab, and the two configurations.
pub(super) struct OnLab {
    /// Of pods that were there before those of the run.
    records: BTreeSet<String>,
    cluster: Arc<dyn Cluster>,
    programs: Programs,
    lab: LabCluster,
    from: Config,
    to: Config,
    observer: Observer,
    /// The second lab, looked at once.
    fresh: OnceCell<Fresh>,
}

impl OnLab {
    async fn fresh(&self) -> Result<&Fresh> {
        let look = || async {
            let spec = self.lab.info().await?.spec;
            fresh::look(&spec, &self.to, &self.programs).await
        };
        self.fresh.get_or_try_init(look).await
    }
}

#[async_trait]
impl Rollout for OnLab {
    fn words(&self) -> [String; 2] {
        [self.from.words(&self.to), self.to.words(&self.from)]
    }

    fn compared(&self) -> Compared {
        Compared::SecondCluster
    }

    fn probes_others(&self) -> bool {
        true
    }

    /// Every node in turn; the first new pod shows that the configuration works before the second node gets it.
    async fn carry_out(&self, wanted: &[Pod], steps: &mut Steps<'_>) -> Result<Made> {
        let (cluster, from, to) = (&self.cluster, &self.from, &self.to);
        let mut work = Work::new(self.lab.clone(), to.clone()).await?;
        let mut pending = Pending {
            from: from.clone(),
            to: to.clone(),
            step: Step::Before,
        };
        let (first, rest) = wanted.split_at(1.min(wanted.len()));
        let mut new = Vec::new();
        for (index, node) in work.nodes().iter().enumerate() {
            for step in work.steps(node, from) {
                pending.step = step.clone();
                lab_change::note(&self.lab, &pending).await?;
                steps.begin(step.clone());
                work.carry_out(&step, from).await?;
            }
            if index == 0 {
                steps.begin(Step::NewPods);
                let made = pods::make(cluster, first, POD_LIMIT).await?;
                new.extend(pods::first_runs(cluster, first, made, &to.wanted, node).await?);
            }
        }
        lab_change::settle(&self.lab, to, None).await?;
        steps.begin(Step::NewPods);
        let mut made = pods::make(cluster, rest, POD_LIMIT).await?;
        made.running.splice(0..0, new);
        Ok(made)
    }

    async fn put_back(&self) -> Result<()> {
        let spec = self.lab.info().await.map(|info| info.spec);
        if !spec.is_ok_and(|spec| Pending::of_lab(&spec).is_some()) {
            return Ok(());
        }
        let first = &self.from.wanted;
        (self.observer)(&Event::Step(format!("putting {first} back")));
        lab_change::undo(&self.lab).await?;
        lab_change::settle(&self.lab, &self.from, None).await?;
        (self.observer)(&Event::Note(format!(
            "the lab has {first} on every node again"
        )));
        Ok(())
    }

    async fn wanted(&self, _seen: &Seen<'_>) -> Result<Targets> {
        let fresh = self.fresh().await?;
        Ok(Targets {
            nodes: fresh.nodes.clone(),
            pods: fresh.pods.clone(),
        })
    }

    async fn hurry(&self) -> Result<()> {
        lab_change::hurry(&self.lab, &self.to).await
    }

    async fn replace_pods(&self, _ports: &BTreeSet<String>) -> Result<()> {
        Ok(())
    }

    async fn leftovers(&self, nodes: &Remains<'_>) -> Result<Vec<Leftover>> {
        let theirs = nodes.ports.union(&self.records).cloned().collect();
        let fresh = &self.fresh().await?.without_pods;
        Ok(judge::leftovers(
            nodes.before,
            nodes.now,
            fresh,
            &theirs,
            nodes.addresses,
        ))
    }

    fn back(&self) -> Box<dyn Rollout> {
        Box::new(OnLab {
            records: self.records.clone(),
            cluster: Arc::clone(&self.cluster),
            programs: self.programs.clone(),
            lab: self.lab.clone(),
            from: self.to.clone(),
            to: self.from.without_portmap_of(&self.to),
            observer: Arc::clone(&self.observer),
            fresh: OnceCell::new(),
        })
    }
}
