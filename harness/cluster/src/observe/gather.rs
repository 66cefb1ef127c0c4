//! Gathers everything in a fixed order: counters, the matrix, path MTUs, what arrived, then how things look.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_model::probe::{CniFiles, Facts, ask};
use k8s_openapi::api::core::v1::Node;

use super::before::NodeBefore;
use super::fleet::{Fleet, READ_WITHIN};
use super::matrix::{self, Matrix};
use super::scope::Scope;
use super::{changes, exposed, inside, mtu, series, transfers, translated};
use crate::Cluster;
use crate::Result;
use crate::status;
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use flatnet_model::follow::Following;
use flatnet_model::kernel::netfilter::Netfilter;
use flatnet_model::observations::{Endpoint, Observations, Observed, ObservedNode, ObservedPod};
use flatnet_model::snapshot::PodSnapshot;

/// How long the status of a pod may lag behind the end of its processes.
const STATUS_LAGS: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the traffic and reads both ends, every pod and every node.
///
/// # Errors
/// Only what keeps the cluster's objects from being read.
pub async fn everything(
    fleet: &Arc<Fleet>,
    nodes: Vec<Node>,
    scope: &Scope<'_>,
) -> Result<Observations> {
    let Scope { cluster, pods, .. } = *scope;
    let mut facts = facts(fleet).await;
    let counters_before: BTreeMap<Endpoint, BTreeMap<String, u64>> = facts
        .iter()
        .filter_map(|(at, f)| Some((at.clone(), f.as_ref().ok()?.counters.clone())))
        .collect();
    let mut views = observed_nodes(&nodes)?;
    let mut pod_views = Vec::new();
    for pod in pods {
        let name = &pod.reference;
        let lost = fleet.lost.contains_key(&Endpoint::Pod(name.clone()));
        // A pod that ran when it was waited for and takes no probe now has ended since.
        let pod = match lost {
            true => since(cluster, pod).await?,
            false => pod.clone(),
        };
        pod_views.push(observed_pod(cluster, pod, lost).await);
    }
    let first = series::first(fleet, &views, &pod_views);
    let mut series = timed("first packets", first).await;
    let Matrix {
        mut dials,
        coverage,
    } = timed(
        "dials",
        matrix::dial_pairs(fleet, &views, &pod_views, &facts, scope),
    )
    .await;
    let homes = pod_views
        .iter()
        .map(|view| (view.reference(), view.object.node.as_str()));
    let homes: BTreeMap<_, &str> = homes.collect();
    let node_of = |end: &Endpoint| match end {
        Endpoint::Node(name) => Some(name.clone()),
        Endpoint::Pod(pod) => homes.get(pod).map(|node| (*node).to_owned()),
        Endpoint::Outside(_) => None,
    };
    series.extend(timed("suspicions", series::again(fleet, &dials, node_of)).await);
    let paths = mtu::paths(fleet, &pod_views, &facts, &dials);
    let mut mtu = timed("path MTUs", paths).await;
    let transfers = transfers::add(fleet, &mut mtu, &pod_views, &dials);
    timed("transfers", transfers).await;
    let (mut received, mut repeated_answers) = (BTreeMap::new(), BTreeMap::new());
    let seen = timed("what arrived", fleet.ask_all(&ask::Seen {}, READ_WITHIN));
    for (at, seen) in seen.await {
        if let Ok(seen) = &seen
            && !seen.repeated_answers.is_empty()
        {
            repeated_answers.insert(at.clone(), seen.repeated_answers.clone());
        }
        received.insert(at, seen.map(|seen| seen.requests));
    }
    // Once more, after the traffic: neighbours are resolved now, and counters have moved.
    let first_facts = std::mem::replace(&mut facts, self::facts(fleet).await);
    let changes = changes::since_began(&first_facts, &facts, &pod_views);
    let names = views.iter().map(|view| view.object.name.clone());
    let mut files = cni_files(fleet, names, cluster.node_root()).await;
    let plugins = inside::plugins_in_use(fleet, cluster.node_root(), &files);
    let mut plugins = timed("plugins", plugins).await;
    let names = views.iter().map(|view| view.object.name.clone());
    let mut netfilter = timed("netfilter", netfilter(fleet, names)).await;
    for view in &mut views {
        let at = view.endpoint();
        view.inside.facts = Some(taken(&mut facts, &at));
        view.inside.netfilter = netfilter.remove(&at);
        view.inside.cni = files.remove(&at);
        view.inside.plugins = plugins.remove(&at);
        let before = scope.before.and_then(|all| all.get(&view.object.name));
        if let Some(NodeBefore { facts, netfilter }) = before.cloned() {
            view.before_pods = Some(facts);
            view.netfilter_before_pods = Some(netfilter);
        }
        view.counters_before = counters_before.get(&at).cloned().unwrap_or_default();
    }
    let ended = look_again(cluster, &mut pod_views, &mut facts).await?;
    // Its end is what is to be told, and not the traffic that ended with it.
    let lasted = |from: &Endpoint, to: &Endpoint| !ended.contains(from) && !ended.contains(to);
    dials.retain(|dial| lasted(&dial.from, &dial.to));
    mtu.retain(|run| lasted(&run.from, &run.to));
    series.retain(|run| lasted(&run.from, &run.to));
    // Last: what arrives through a service does not belong to the pairs above, nor its packets to the counters.
    let control_plane = match scope.exposed {
        Some(exposed) => Some(exposed::users(fleet, &views, &pod_views, exposed).await),
        None => None,
    };
    // Services of a cluster that has them are dialled instead.
    let no_services = !cluster.capabilities().control_plane.is_present();
    let translated = match scope.translate.filter(|_| no_services) {
        Some(run) => {
            let dials = translated::dials(fleet, &pod_views, run);
            Some(timed("translated dials", dials).await)
        }
        None => None,
    };
    // Without it some remediations are not known, and nothing else.
    let booted = cluster.booted().await.ok().flatten();
    Ok(Observations {
        nodes: views,
        pods: pod_views,
        dials,
        coverage,
        received,
        repeated_answers,
        series,
        mtu,
        pod_network: scope.pod_network.to_vec(),
        namespace: cluster.namespace().to_owned(),
        cni: scope.cni.to_owned(),
        provider: cluster.provider().to_owned(),
        booted,
        capabilities: cluster.capabilities().clone(),
        denied: [scope.denied, &fleet.denied].concat(),
        control_plane,
        translated,
        following: Following::default(),
        changes,
    })
}

/// Says in the log what was observed, and how long it took.
async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    tracing::debug!(what, took = ?begun.elapsed(), "observed");
    done
}

/// Gives every pod its facts; one whose probe is gone by now is looked at again. Returns those that have ended meanwhile.
async fn look_again(
    cluster: &Arc<dyn Cluster>,
    pods: &mut [ObservedPod],
    facts: &mut BTreeMap<Endpoint, Observed<Facts>>,
) -> Result<BTreeSet<Endpoint>> {
    let mut ended = BTreeSet::new();
    for view in pods {
        let at = view.endpoint();
        view.facts = taken(facts, &at);
        if view.facts.is_ok() || !view.runs() {
            continue;
        }
        let now = since(cluster, &view.object).await?;
        if now.has_ended_since(&view.object) {
            *view = ObservedPod {
                facts: view.facts.clone(),
                ..observed_pod(cluster, now, true).await
            };
            ended.insert(at);
        }
    }
    Ok(ended)
}

/// A pod whose probe is gone, as it is now: its status may come to show its end a moment later.
async fn since(cluster: &Arc<dyn Cluster>, before: &PodSnapshot) -> Result<PodSnapshot> {
    let begun = Instant::now();
    loop {
        let now = status::pod(&cluster.wait_pod(&before.reference, Duration::ZERO).await?)?;
        if now.has_ended_since(before) || begun.elapsed() > STATUS_LAGS {
            return Ok(now);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn taken(facts: &mut BTreeMap<Endpoint, Observed<Facts>>, at: &Endpoint) -> Observed<Facts> {
    facts
        .remove(at)
        .unwrap_or_else(|| Err("no probe runs there, the pod does not run".to_owned()))
}

/// Interfaces and routes of every probe's place.
async fn facts(fleet: &Fleet) -> BTreeMap<Endpoint, Observed<Facts>> {
    let answers = timed("facts", fleet.ask_all(&ask::Facts {}, READ_WITHIN)).await;
    answers.into_iter().collect()
}

/// CNI configuration and plugins of the nodes with these names; `root` is [`Cluster::node_root`].
async fn cni_files(
    fleet: &Fleet,
    nodes: impl Iterator<Item = String>,
    root: &str,
) -> BTreeMap<Endpoint, Observed<CniFiles>> {
    let question = ask::CniFiles {
        conf_dir: format!("{root}{CONF_DIR}"),
        bin_dir: format!("{root}{BIN_DIR}"),
    };
    let questions = nodes
        .map(|node| (Endpoint::Node(node), question.clone()))
        .collect();
    let answers = fleet.ask(questions, READ_WITHIN).await;
    answers.into_iter().collect()
}

/// Rules of the nodes with these names.
async fn netfilter(
    fleet: &Fleet,
    nodes: impl Iterator<Item = String>,
) -> BTreeMap<Endpoint, Observed<Netfilter>> {
    let questions = nodes.map(|node| (Endpoint::Node(node), ask::Netfilter {}));
    let answers = fleet.ask(questions.collect(), READ_WITHIN).await;
    answers.into_iter().collect()
}

/// Nodes as the API describes them; not looked at from inside.
///
/// # Errors
/// An address or podCIDR that does not parse.
pub fn observed_nodes(nodes: &[Node]) -> Result<Vec<ObservedNode>> {
    let node = |object: &Node| Ok(ObservedNode::new(status::node(object)?));
    nodes.iter().map(node).collect()
}

async fn observed_pod(cluster: &Arc<dyn Cluster>, object: PodSnapshot, lost: bool) -> ObservedPod {
    let warnings = match lost || !object.is_running() {
        true => status::warnings(cluster, &object).await,
        false => Vec::new(),
    };
    let mut pod = ObservedPod::new(object);
    if lost {
        pod.status = pod.object.failure_status();
    }
    pod.warnings = warnings;
    pod
}
