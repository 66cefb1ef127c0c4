//! A change of a lab: the configuration is written node by node, as an operator rolls it out.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_analysis::change::{self as judge, Properties};
use flatnet_analysis::words::Words;
use flatnet_cluster::PodRef;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::{looks, streams};
use flatnet_model::change::{Arrival, Arrived, NodeLook, Step};
use flatnet_model::observations::{Endpoint, Observations};
use flatnet_model::snapshot::PodSnapshot;
use k8s_openapi::api::core::v1::Pod;

use super::fresh::{self, Fresh, known};
use super::report::Pass;
use super::traffic::{QUIET, Steps, judged, own};
use super::wanted::{self, Asked};
use super::{POD_LIMIT, others, pods};
use crate::cni::lab_change::{self, Config, Pending, Work};
use crate::events::{Event, Observer};
use crate::report::CheckReport;
use crate::report::terminal::{Detail, render_check};
use crate::session::Session;
use crate::session::reaper::Reap;
use crate::{Error, Result, torn_down};

/// How long agents may take to remove what pods from before needed.
const PASSES_WITHIN: Duration = Duration::from_secs(3);

/// Makes the change, and the one back where it is asked for.
///
/// # Errors
/// As [`super::conduct`].
pub(super) async fn conduct(
    session: &Session,
    asked: Asked<'_>,
    observer: &Observer,
) -> Result<Vec<Pass>> {
    let Some(spec) = session.plan().source.lab() else {
        return Err(Error::Failed("the session has no lab".to_owned()));
    };
    let lab = LabCluster::connect(&spec.name).await?;
    let from = Config::of_lab(&lab.info().await?.spec).ok_or_else(|| {
        Error::Input(format!(
            "lab {} does not say how its CNI was configured; boot it again with flatnet up",
            spec.name
        ))
    })?;
    if let Some(wanted) = asked.from
        && wanted.as_given() != from.wanted.as_given()
    {
        return Err(Error::Input(format!(
            "--from {wanted}: lab {} has {}; leave --from out",
            spec.name, from.wanted
        )));
    }
    let to = wanted::config(&asked, &from)?;
    Work::new(lab.clone(), to.clone()).await?.check()?;
    session.also_undone(Reap::LabChange {
        lab: spec.name.clone(),
    })?;
    let change = Change {
        session,
        lab,
        observer,
        records: asked.records,
    };
    let old = session
        .pods()
        .iter()
        .filter(|pod| pod.is_running() && !pod.host_network);
    let mut passes = vec![
        change
            .pass(&from, &to, old.cloned().collect(), "new")
            .await?,
    ];
    if asked.order.and_back {
        let cluster = session.cluster();
        let wanted = pods::on_each(&change.nodes().await?, cluster.namespace(), "again")?;
        let made = pods::make(cluster, &wanted, POD_LIMIT).await?;
        let back = from.without_portmap_of(&to);
        passes.push(change.pass(&to, &back, made.running, "back").await?);
    }
    Ok(passes)
}

/// Where a change is made.
struct Change<'a> {
    /// Of pods that were there before those of the run.
    records: &'a BTreeSet<String>,
    session: &'a Session,
    lab: LabCluster,
    observer: &'a Observer,
}

/// What there was before.
struct Before {
    nodes: BTreeMap<String, NodeLook>,
    pods: BTreeMap<PodRef, Properties>,
    others: Vec<PodSnapshot>,
    /// Names of their ports and records.
    theirs: BTreeSet<String>,
    checks: Vec<CheckReport>,
}

impl Change<'_> {
    async fn nodes(&self) -> Result<Vec<String>> {
        self.session.cluster().node_names().await
    }

    /// One change. A signal or an error that comes before the lab has the new configuration on every node puts the first one back.
    async fn pass(
        &self,
        from: &Config,
        to: &Config,
        old: Vec<PodSnapshot>,
        prefix: &str,
    ) -> Result<Pass> {
        let done = self
            .session
            .guard(self.under_traffic(from, to, old, prefix))
            .await;
        match done {
            Ok(pass) => Ok(pass),
            Err(e) => {
                let spec = self.lab.info().await.map(|info| info.spec);
                let is_pending = spec.is_ok_and(|spec| Pending::of_lab(&spec).is_some());
                if !is_pending {
                    return Err(e);
                }
                (self.observer)(&Event::Step(format!("putting {} back", from.wanted)));
                let undone = lab_change::undo(&self.lab).await;
                let words = format!("the lab has {} on every node again", from.wanted);
                if undone.is_ok() {
                    lab_change::settle(&self.lab, from, None).await?;
                    (self.observer)(&Event::Note(words));
                }
                torn_down(Err(e), undone)
            }
        }
    }

    async fn under_traffic(
        &self,
        from: &Config,
        to: &Config,
        old: Vec<PodSnapshot>,
        prefix: &str,
    ) -> Result<Pass> {
        let cluster = self.session.cluster();
        let ours = self.session.pods().iter().chain(&old);
        let ours: BTreeSet<PodRef> = ours.map(|pod| pod.reference.clone()).collect();
        let others = others::running(cluster, &ours).await?;
        let probed: Vec<&PodSnapshot> = old.iter().chain(&others).collect();
        let objects = cluster.nodes().await?;
        let fleet = Fleet::start(Arc::clone(cluster), &objects, &probed, None).await?;
        let mut fleet = Arc::new(fleet);
        let (_, checks) = judged(self.session, &mut fleet, &old).await?;
        let nodes = known(looks::nodes(&fleet, cluster).await?)?;
        let facts = looks::pods(&fleet, &probed).await;
        let mut before = Before {
            pods: properties(&facts, &probed, &nodes),
            theirs: others::ports(&facts, &others, &nodes),
            nodes,
            others,
            checks,
        };

        let old_refs: Vec<&PodSnapshot> = old.iter().collect();
        let mut steps = Steps::new(self.observer);
        fleet.start_over().await;
        let running = streams::open(&fleet, &streams::pairs(&old_refs)).await;
        steps.begin(Step::Before);
        tokio::time::sleep(QUIET).await;
        let wanted = pods::on_each(&self.nodes().await?, cluster.namespace(), prefix)?;
        let (new, not_running) = self.roll_out(from, to, &wanted, &mut steps).await?;
        steps.begin(Step::After);
        tokio::time::sleep(QUIET).await;
        let mut told = running.end(&fleet).await;

        let new_refs: Vec<&PodSnapshot> = new.iter().collect();
        own(&mut fleet)?
            .join(Arc::clone(cluster), &[], &new_refs, None)
            .await?;
        let all: Vec<PodSnapshot> = old.iter().chain(&new).cloned().collect();
        let (observations, with_all) = judged(self.session, &mut fleet, &all).await?;
        let spec = self.lab.info().await?.spec;
        let fresh = fresh::look(&spec, to, &self.session.plan().programs).await?;
        let looked: Vec<&PodSnapshot> = all.iter().chain(&before.others).collect();
        let arrived = self.arrived(&fleet, &before, &fresh, &looked).await?;

        fleet.start_over().await;
        let running = streams::open(&fleet, &streams::pairs(&new_refs)).await;
        steps.begin(Step::OldPodsDeleted);
        own(&mut fleet)?.leave(&old_refs);
        pods::delete(cluster, old.iter().map(|pod| pod.reference.clone())).await?;
        tokio::time::sleep(QUIET).await;
        told.extend(running.end(&fleet).await);
        // What agents keep for pods, they remove at their next pass.
        let begun = Instant::now();
        let arrived_after = loop {
            lab_change::hurry(&self.lab, to).await?;
            let arrived = self.arrived(&fleet, &before, &fresh, &new_refs).await?;
            if is_everywhere(&arrived) || begun.elapsed() > PASSES_WITHIN {
                break arrived;
            }
            tokio::time::sleep(QUIET).await;
        };
        let (last, after) = judged(self.session, &mut fleet, &new).await?;
        own(&mut fleet)?.leave(&new_refs);
        pods::delete(cluster, wanted.iter().map(flatnet_cluster::pod_ref)).await?;
        let now = known(looks::nodes(&fleet, cluster).await?)?;
        before.theirs.extend(self.records.iter().cloned());
        let addresses: BTreeSet<IpAddr> = before
            .others
            .iter()
            .flat_map(|pod| pod.ips.clone())
            .collect();
        let leftovers = judge::leftovers(
            &before.nodes,
            &now,
            &fresh.without_pods,
            &before.theirs,
            &addresses,
        );

        let old_names: BTreeSet<PodRef> = old.iter().map(|pod| pod.reference.clone()).collect();
        let names =
            |pods: &[PodSnapshot]| pods.iter().map(|pod| pod.reference.to_string()).collect();
        let mut pass = Pass {
            from: from.words(to),
            to: to.words(from),
            steps: steps.into_begun(),
            old_pods: names(&old),
            new_pods: names(&new),
            not_running,
            pairs: judge::pairs(&observations, &old_names),
            streams: told,
            arrived,
            arrived_after,
            checks_before: before.checks,
            checks_with_all: with_all,
            checks_after: after,
            leftovers,
            said: Vec::new(),
        };
        pass.said = self.said(&pass, &observations, &last);
        Ok(pass)
    }

    /// Every node in turn; the first new pod shows that the configuration works before the second node gets it.
    async fn roll_out(
        &self,
        from: &Config,
        to: &Config,
        wanted: &[Pod],
        steps: &mut Steps<'_>,
    ) -> Result<(Vec<PodSnapshot>, Vec<String>)> {
        let cluster = self.session.cluster();
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
                if let Some(why) = made.failed.first() {
                    pods::delete(cluster, first.iter().map(flatnet_cluster::pod_ref)).await?;
                    return Err(Error::Input(format!(
                        "--to {}: refused: the first new pod on {node} does not run: {why}",
                        to.wanted
                    )));
                }
                new.extend(made.running);
            }
        }
        lab_change::settle(&self.lab, to, None).await?;
        steps.begin(Step::NewPods);
        let made = pods::make(cluster, rest, POD_LIMIT).await?;
        new.extend(made.running);
        Ok((new, made.failed))
    }

    async fn arrived(
        &self,
        fleet: &Fleet,
        before: &Before,
        fresh: &Fresh,
        pods: &[&PodSnapshot],
    ) -> Result<Vec<Arrived>> {
        let nodes = known(looks::nodes(fleet, self.session.cluster()).await?)?;
        let none = Properties::new();
        let mut all = Vec::new();
        for (name, look) in &nodes {
            let at = Endpoint::Node(name.clone());
            let was = before
                .nodes
                .get(name)
                .map(judge::of_node)
                .unwrap_or_default();
            let wanted = fresh.nodes.get(name).unwrap_or(&none);
            all.extend(judge::arrived(at, &was, &judge::of_node(look), wanted));
        }
        let now = properties(&looks::pods(fleet, pods).await, pods, &nodes);
        for pod in pods {
            let wanted = fresh.pods.get(&pod.node).unwrap_or(&none);
            let Some(now) = now.get(&pod.reference) else {
                continue;
            };
            // A new pod is compared with one that was on its node before.
            let on_node = |reference: &&PodRef| {
                pods.iter()
                    .any(|other| other.reference == **reference && other.node == pod.node)
            };
            let was = before.pods.get(&pod.reference);
            let was = was.or_else(|| before.pods.get(before.pods.keys().find(on_node)?));
            let at = Endpoint::Pod(pod.reference.clone());
            all.extend(judge::arrived(at, was.unwrap_or(&none), now, wanted));
        }
        Ok(all)
    }

    /// Checks that passed before, in words.
    fn said(&self, pass: &Pass, with_all: &Observations, after: &Observations) -> Vec<String> {
        let name = self.session.plan().outlives_run();
        let render = |check: &CheckReport, seen: &Observations| {
            let words = Words::of_report(Some(seen), name);
            render_check(check, &words, Detail::Brief)
        };
        let during = pass
            .worse(&pass.checks_with_all)
            .map(|check| render(check, with_all));
        let at_end = pass
            .worse(&pass.checks_after)
            .map(|check| render(check, after));
        let during = during.map(|text| format!("with pods from before and new ones: {text}"));
        let at_end = at_end.map(|text| format!("with new pods alone: {text}"));
        during.chain(at_end).collect()
    }
}

fn is_everywhere(arrived: &[Arrived]) -> bool {
    let mut properties = arrived.iter().flat_map(|one| &one.properties);
    properties.all(|one| one.arrival == Arrival::InEffect)
}

fn properties(
    facts: &others::PodFacts,
    pods: &[&PodSnapshot],
    nodes: &BTreeMap<String, NodeLook>,
) -> BTreeMap<PodRef, Properties> {
    let each = pods.iter().filter_map(|pod| {
        let facts = facts.get(&pod.reference)?.as_ref().ok()?;
        let properties = judge::of_pod(pod, facts, nodes.get(&pod.node));
        Some((pod.reference.clone(), properties))
    });
    each.collect()
}
