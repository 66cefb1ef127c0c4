//! Gathers everything in a fixed order: counters, the matrix, path MTUs, what arrived, then how things look.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{CniFiles, DialRequest, Facts, Transport, ask};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;

use super::before::NodesBefore;
use super::dials::dial;
use super::fleet::{Fleet, READ_WITHIN};
use super::{exposed, mtu};
use crate::Cluster;
use crate::Result;
use crate::exposed::Exposed;
use crate::status;
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use flatnet_model::observations::{
    Denied, Dial, Endpoint, Observations, Observed, ObservedNode, ObservedPod,
};
use flatnet_model::snapshot::PodSnapshot;

/// What is to be observed.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The cluster.
    pub cluster: &'a Arc<dyn Cluster>,
    /// Its pods under test, as last seen.
    pub pods: &'a [PodSnapshot],
    /// What the cluster did not allow to be deployed.
    pub denied: &'a [Denied],
    /// How nodes were before the pods were added, where the cluster ran before.
    pub before: Option<&'a NodesBefore>,
    /// What was made for those who use the cluster, where it has a control plane.
    pub exposed: Option<&'a Exposed>,
    /// Transports of the matrix.
    pub transports: &'a [Transport],
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: &'a [IpNet],
    /// Which CNI was chosen, as given.
    pub cni: &'a str,
}

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
            true => status::pod(&cluster.wait_pod(name, Duration::ZERO).await?)?,
            false => pod.clone(),
        };
        pod_views.push(observed_pod(cluster, pod, lost).await);
    }
    let dials = matrix(fleet, &views, &pod_views, &facts, scope.transports).await;
    let mtu = mtu::paths(fleet, &pod_views, &facts).await;
    let received = fleet
        .ask_all(&ask::Seen {}, READ_WITHIN)
        .await
        .into_iter()
        .map(|(at, seen)| (at, seen.map(|seen| seen.requests)));
    let received = received.collect();
    // Once more, after the traffic: neighbours are resolved now, and counters have moved.
    facts = self::facts(fleet).await;
    let names = views.iter().map(|view| view.object.name.clone());
    let mut files = cni_files(fleet, names, cluster.node_root()).await;
    for view in &mut views {
        let at = view.endpoint();
        view.inside.facts = Some(taken(&mut facts, &at));
        view.inside.cni = files.remove(&at);
        view.before_pods = scope
            .before
            .and_then(|before| before.get(&view.object.name).cloned());
        view.counters_before = counters_before.get(&at).cloned().unwrap_or_default();
    }
    for view in &mut pod_views {
        view.facts = taken(&mut facts, &view.endpoint());
    }
    // Last: what arrives through a service does not belong to the pairs above, nor its packets to the counters.
    let control_plane = match scope.exposed {
        Some(exposed) => Some(exposed::users(fleet, &views, &pod_views, exposed).await),
        None => None,
    };
    Ok(Observations {
        nodes: views,
        pods: pod_views,
        dials,
        received,
        mtu,
        pod_network: scope.pod_network.to_vec(),
        namespace: cluster.namespace().to_owned(),
        cni: scope.cni.to_owned(),
        provider: cluster.provider().to_owned(),
        capabilities: cluster.capabilities().clone(),
        denied: [scope.denied, &fleet.denied].concat(),
        control_plane,
    })
}

fn taken(facts: &mut BTreeMap<Endpoint, Observed<Facts>>, at: &Endpoint) -> Observed<Facts> {
    facts
        .remove(at)
        .unwrap_or_else(|| Err("no probe runs there, the pod does not run".to_owned()))
}

/// Interfaces and routes of every probe's place.
async fn facts(fleet: &Fleet) -> BTreeMap<Endpoint, Observed<Facts>> {
    let answers = fleet.ask_all(&ask::Facts {}, READ_WITHIN).await;
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

/// Every ordered pair that the network model speaks of, one row per probe, all rows at once.
async fn matrix(
    fleet: &Fleet,
    nodes: &[ObservedNode],
    pods: &[ObservedPod],
    facts: &BTreeMap<Endpoint, Observed<Facts>>,
    transports: &[Transport],
) -> Vec<Dial> {
    let mut rows: BTreeMap<Endpoint, Vec<(Endpoint, DialRequest)>> = BTreeMap::new();
    for client in pods {
        let from = client.endpoint();
        let mut row = Vec::new();
        for server in pods
            .iter()
            .filter(|server| !(client.object.host_network && server.object.host_network))
        {
            row.extend(requests(
                fleet,
                server.endpoint(),
                &server.object.ips,
                transports,
            ));
        }
        if !client.object.host_network {
            for node in nodes {
                row.extend(requests(
                    fleet,
                    node.endpoint(),
                    &node.object.internal_ips,
                    transports,
                ));
            }
            if let Some(Ok(facts)) = facts.get(&from) {
                // The gateway need not run a responder: its own kernel answers ICMP.
                let to = Endpoint::Node(client.object.node.clone());
                let gateways = facts
                    .routes
                    .iter()
                    .filter(|r| r.dst.prefix_len() == 0)
                    .filter_map(|r| r.gateway);
                row.extend(gateways.map(|address| {
                    let request = DialRequest {
                        address,
                        transport: Transport::Icmp,
                        port: 0,
                    };
                    (to.clone(), request)
                }));
            }
        }
        rows.insert(from, row);
    }
    for node in nodes {
        let in_network = pods.iter().filter(|pod| !pod.object.host_network);
        let to_pods =
            in_network.flat_map(|pod| requests(fleet, pod.endpoint(), &pod.object.ips, transports));
        // What carries the pod network: where nodes do not reach each other, their pods cannot.
        let others = nodes
            .iter()
            .filter(|other| other.object.name != node.object.name);
        let to_nodes = others.flat_map(|other| {
            requests(
                fleet,
                other.endpoint(),
                &other.object.internal_ips,
                transports,
            )
        });
        rows.insert(node.endpoint(), to_pods.chain(to_nodes).collect());
    }
    rows.retain(|from, _| fleet.port(from).is_some());
    let asked = rows.iter().map(|(from, row)| {
        let row = row.iter().map(|(_, request)| *request);
        (from.clone(), row.collect())
    });
    let mut results = dial(fleet, asked.collect()).await;
    let observed = rows.into_iter().flat_map(|(from, row)| {
        let results = results.remove(&from).unwrap_or_default();
        row.into_iter()
            .zip(results)
            .map(move |((to, request), result)| Dial {
                from: from.clone(),
                to,
                request,
                result,
            })
    });
    observed.collect()
}

/// Every address over every transport, where `to` has a probe to answer.
fn requests(
    fleet: &Fleet,
    to: Endpoint,
    addresses: &[IpAddr],
    transports: &[Transport],
) -> Vec<(Endpoint, DialRequest)> {
    let Some(port) = fleet.port(&to) else {
        return Vec::new();
    };
    let request = |address: &IpAddr, transport: &Transport| DialRequest {
        address: *address,
        transport: *transport,
        port,
    };
    let each = addresses.iter().flat_map(|address| {
        transports
            .iter()
            .map(move |transport| request(address, transport))
    });
    each.map(|request| (to.clone(), request)).collect()
}
