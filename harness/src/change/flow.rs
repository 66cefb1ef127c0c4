//! One change, whatever the cluster: pods from before, streams through all of it, new pods, every pair, what arrived, what is left.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_analysis::change::{self as judge, Properties};
use flatnet_analysis::words::Words;
use flatnet_cluster::PodRef;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::{looks, streams};
use flatnet_model::change::{Arrival, Arrived, NodeLook, Step};
use flatnet_model::observations::{Endpoint, Observations};
use flatnet_model::snapshot::PodSnapshot;

use super::fresh::known;
use super::report::Pass;
use super::rollout::{Remains, Rollout, Seen};
use super::traffic::{QUIET, Steps, judged, own};
use super::{POD_LIMIT, others, pods};
use crate::events::Observer;
use crate::report::CheckReport;
use crate::report::terminal::{Detail, render_check};
use crate::session::Session;
use crate::{Result, torn_down};

/// How long agents may take to remove what pods from before needed.
const PASSES_WITHIN: Duration = Duration::from_secs(3);

/// Makes the change, and the one back where it is asked for.
///
/// # Errors
/// As [`super::conduct`].
pub(super) async fn conduct(
    session: &Session,
    rollout: &dyn Rollout,
    and_back: bool,
    observer: &Observer,
) -> Result<Vec<Pass>> {
    let flow = Flow { session, observer };
    let old = session
        .pods()
        .iter()
        .filter(|pod| pod.is_running() && !pod.host_network);
    let mut passes = vec![flow.pass(rollout, old.cloned().collect(), "new").await?];
    if and_back {
        let cluster = session.cluster();
        let wanted = pods::on_each(&cluster.node_names().await?, cluster.namespace(), "again")?;
        let made = pods::make(cluster, &wanted, POD_LIMIT).await?;
        let back = rollout.back();
        passes.push(flow.pass(&*back, made.running, "back").await?);
    }
    Ok(passes)
}

/// Where a change is made.
struct Flow<'a> {
    session: &'a Session,
    observer: &'a Observer,
}

/// What there was before.
struct Before {
    nodes: BTreeMap<String, NodeLook>,
    pods: BTreeMap<PodRef, Properties>,
    others: Vec<PodSnapshot>,
    /// Names of their ports.
    ports: BTreeSet<String>,
    /// Ports of the run's pods.
    old_ports: BTreeSet<String>,
    checks: Vec<CheckReport>,
}

impl Flow<'_> {
    /// One change. A signal or an error that comes before the cluster has the new configuration on every node puts the first one back.
    async fn pass(
        &self,
        rollout: &dyn Rollout,
        old: Vec<PodSnapshot>,
        prefix: &str,
    ) -> Result<Pass> {
        let done = self
            .session
            .guard(self.under_traffic(rollout, old, prefix))
            .await;
        match done {
            Ok(pass) => Ok(pass),
            Err(e) => torn_down(Err(e), rollout.put_back().await),
        }
    }

    async fn under_traffic(
        &self,
        rollout: &dyn Rollout,
        old: Vec<PodSnapshot>,
        prefix: &str,
    ) -> Result<Pass> {
        let cluster = self.session.cluster();
        let ours = self.session.pods().iter().chain(&old);
        let ours: BTreeSet<PodRef> = ours.map(|pod| pod.reference.clone()).collect();
        let others = others::running(cluster, &ours).await?;
        let others_probed = others.iter().filter(|_| rollout.probes_others());
        let probed: Vec<&PodSnapshot> = old.iter().chain(others_probed).collect();
        let objects = cluster.nodes().await?;
        let fleet = Fleet::start(Arc::clone(cluster), &objects, &probed, None).await?;
        let mut fleet = Arc::new(fleet);
        let (_, checks) = judged(self.session, &mut fleet, &old).await?;
        let nodes = known(looks::nodes(&fleet, cluster).await?)?;
        let facts = looks::pods(&fleet, &probed).await;
        let before = Before {
            pods: properties(&facts, &probed, &nodes),
            ports: others::ports(&facts, &others, &nodes),
            old_ports: others::ports(&facts, &old, &nodes),
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
        let wanted = pods::on_each(&cluster.node_names().await?, cluster.namespace(), prefix)?;
        let pods::Made {
            running: new,
            failed: not_running,
        } = rollout.carry_out(&wanted, &mut steps).await?;
        steps.begin(Step::After);
        tokio::time::sleep(QUIET).await;
        let mut told = running.end(&fleet).await;

        let new_refs: Vec<&PodSnapshot> = new.iter().collect();
        own(&mut fleet)?
            .join(Arc::clone(cluster), &[], &new_refs, None)
            .await?;
        let all: Vec<PodSnapshot> = old.iter().chain(&new).cloned().collect();
        let (observations, with_all) = judged(self.session, &mut fleet, &all).await?;
        let others_probed = before.others.iter().filter(|_| rollout.probes_others());
        let looked: Vec<&PodSnapshot> = all.iter().chain(others_probed).collect();
        let arrived = self
            .arrived(rollout, &fleet, &before, &looked, &new)
            .await?;

        fleet.start_over().await;
        let running = streams::open(&fleet, &streams::pairs(&new_refs)).await;
        steps.begin(Step::OldPodsDeleted);
        own(&mut fleet)?.leave(&old_refs);
        pods::delete(cluster, old.iter().map(|pod| pod.reference.clone())).await?;
        tokio::time::sleep(QUIET).await;
        told.extend(running.end(&fleet).await);
        let others: Vec<&PodSnapshot> = before.others.iter().collect();
        own(&mut fleet)?.leave(&others);
        rollout.replace_pods(&before.old_ports).await?;
        // What agents keep for pods, they remove at their next pass.
        let begun = Instant::now();
        let arrived_after = loop {
            rollout.hurry().await?;
            let arrived = self
                .arrived(rollout, &fleet, &before, &new_refs, &new)
                .await?;
            if is_everywhere(&arrived) || begun.elapsed() > PASSES_WITHIN {
                break arrived;
            }
            tokio::time::sleep(QUIET).await;
        };
        let (last, after) = judged(self.session, &mut fleet, &new).await?;
        own(&mut fleet)?.leave(&new_refs);
        pods::delete(cluster, wanted.iter().map(flatnet_cluster::pod_ref)).await?;
        let now = known(looks::nodes(&fleet, cluster).await?)?;
        // Some were made again.
        let others = others::running(cluster, &ours).await?;
        let addresses: BTreeSet<IpAddr> = others.iter().flat_map(|pod| pod.ips.clone()).collect();
        let remains = Remains {
            before: &before.nodes,
            bridges: &bridges(&old, &before.pods),
            now: &now,
            ports: &before.ports,
            addresses: &addresses,
        };
        let leftovers = rollout.leftovers(&remains).await?;

        let old_names: BTreeSet<PodRef> = old.iter().map(|pod| pod.reference.clone()).collect();
        let names =
            |pods: &[PodSnapshot]| pods.iter().map(|pod| pod.reference.to_string()).collect();
        let [from, to] = rollout.words();
        let mut pass = Pass {
            from,
            to,
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
            compared: rollout.compared(),
            said: Vec::new(),
        };
        pass.said = self.said(&pass, &observations, &last);
        Ok(pass)
    }

    async fn arrived(
        &self,
        rollout: &dyn Rollout,
        fleet: &Fleet,
        before: &Before,
        pods: &[&PodSnapshot],
        new: &[PodSnapshot],
    ) -> Result<Vec<Arrived>> {
        let nodes = known(looks::nodes(fleet, self.session.cluster()).await?)?;
        let facts = looks::pods(fleet, pods).await;
        let now = properties(&facts, pods, &nodes);
        let ours = pods.iter().copied().filter(|pod| {
            let mut others = before.others.iter();
            !others.any(|other| other.reference == pod.reference)
        });
        let ours: Vec<PodSnapshot> = ours.cloned().collect();
        let seen = Seen {
            nodes: &nodes,
            pods: &now,
            new,
            ports: &others::ports(&facts, &ours, &nodes),
            ours: &ours,
        };
        let targets = rollout.wanted(&seen).await?;
        let none = Properties::new();
        let mut all = Vec::new();
        for (name, look) in &nodes {
            let at = Endpoint::Node(name.clone());
            let was = before
                .nodes
                .get(name)
                .map(judge::of_node)
                .unwrap_or_default();
            let wanted = targets.nodes.get(name).unwrap_or(&none);
            all.extend(judge::arrived(at, &was, &judge::of_node(look), wanted));
        }
        for pod in pods {
            let wanted = targets.pods.get(&pod.node).unwrap_or(&none);
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

/// Bridges on which these pods have ports, by node.
pub(super) fn bridges(
    pods: &[PodSnapshot],
    properties: &BTreeMap<PodRef, Properties>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut bridges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in pods {
        let of_pod = properties.get(&pod.reference);
        let bridge = of_pod.and_then(|all| all.get("bridge").cloned());
        bridges.entry(pod.node.clone()).or_default().extend(bridge);
    }
    bridges
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
