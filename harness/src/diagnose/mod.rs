//! Why a pod does not run, or is not reached; why a node is not Ready: causes with their evidence and what mends them.
//!
//! [`gather`] reads the cluster once into an `Evidence`; `causes` are pure functions from it to findings, ranked by
//! [`catalogue`]; [`model`] is what comes out, and [`text`] shows it to people.
mod advice;
pub mod catalogue;
mod causes;
mod evidence;
pub mod gather;
pub mod model;
pub mod text;
mod words;

use std::sync::Arc;

use flatnet_probe::Transport;
use k8s_openapi::api::core::v1::Pod;

pub use catalogue::Cause;
pub use gather::{Place, Wanted};
pub use model::{Diagnosis, Finding, Kind, SCHEMA, Subject, Unread};

use crate::Result;
use crate::cluster::PodRef;
use crate::observe::fleet::Fleet;
use crate::observe::gather::{Scope, everything, host_network};
use crate::observe::{Endpoint, Observations};
use crate::session::deploy::{is_running, status_word};
use evidence::{Evidence, PodEvidence};
use gather::{Look, look};

/// Transports by which nodes and pod are asked to reach each other.
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Icmp];

/// Looks at the cluster and says what is wrong with whom. Pods that run are looked into only where they are named: that puts
/// the probe into them for a moment.
///
/// # Errors
/// Pods that cannot be listed, or a name that is no pod's. What else cannot be read is said in [`Diagnosis::unread`].
pub async fn diagnose(place: Place<'_>, wanted: Wanted<'_>) -> Result<Diagnosis> {
    let Look {
        mut evidence,
        pods,
        nodes,
    } = look(place, wanted).await?;
    let running: Vec<Pod> = match wanted {
        Wanted::Named(_) => pods
            .iter()
            .map(|pod| &pod.object)
            .filter(|pod| is_running(pod))
            .cloned()
            .collect(),
        Wanted::Unhealthy | Wanted::Pods(_) => Vec::new(),
    };
    let seen = into_pods(place, running, &mut evidence.unread).await;
    let mut subjects = Vec::new();
    for name in &nodes {
        subjects.extend(evidence.node(name).map(|node| of_node(&evidence, node)));
    }
    for pod in &pods {
        let of = seen.iter().find(|(name, _)| *name == pod.name());
        subjects.push(of_pod(&evidence, pod, of.map(|(_, seen)| seen.as_ref())));
    }
    Ok(Diagnosis {
        schema: SCHEMA.to_owned(),
        provider: evidence.advice.provider.clone(),
        cluster: evidence.advice.cluster.clone(),
        subjects,
        unread: evidence.unread,
    })
}

fn of_node(evidence: &Evidence, node: &evidence::NodeEvidence) -> Subject {
    let (status, reason, message) = node.ready();
    Subject {
        kind: Kind::Node,
        name: node.name.clone(),
        node: None,
        status: if status == "True" {
            "Ready"
        } else {
            "NotReady"
        }
        .to_owned(),
        healthy: status == "True",
        findings: causes::of_node(evidence, node),
        last_warning: (status != "True").then(|| format!("{reason}: {message}")),
    }
}

fn of_pod(evidence: &Evidence, pod: &PodEvidence, seen: Option<&Observations>) -> Subject {
    let healthy = gather::is_healthy(&pod.object, pod.tolerated);
    let mut findings = if healthy {
        Vec::new()
    } else {
        causes::of_pod(evidence, pod)
    };
    findings.extend(
        seen.into_iter()
            .flat_map(|seen| causes::reach::of(evidence, &pod.object, seen)),
    );
    let last = pod.warnings().max_by_key(|event| evidence::moment(event));
    let last = last.filter(|_| !healthy && findings.is_empty());
    Subject {
        kind: Kind::Pod,
        name: pod.name().to_string(),
        node: pod.node().map(str::to_owned),
        status: status(&pod.object),
        healthy: healthy && findings.is_empty(),
        last_warning: last.map(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            format!("{}: {message}", evidence::title(event))
        }),
        findings,
    }
}

/// The STATUS column of `kubectl get pods`, with the reason of a container of a pod that is Pending.
fn status(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let waits = status
        .into_iter()
        .flat_map(|s| s.container_statuses.iter().flatten())
        .find_map(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone());
    match status_word(pod).as_str() {
        _ if pod.metadata.deletion_timestamp.is_some() => "Terminating".to_owned(),
        "Pending" => waits.unwrap_or_else(|| "Pending".to_owned()),
        word => word.to_owned(),
    }
}

/// What the probe sees in these pods and from the nodes. Pods of one name are looked into one after the other: observations
/// know no namespaces.
async fn into_pods(
    place: Place<'_>,
    mut pods: Vec<Pod>,
    unread: &mut Vec<Unread>,
) -> Vec<(PodRef, Arc<Observations>)> {
    let mut seen = Vec::new();
    while !pods.is_empty() {
        let mut batch: Vec<Pod> = Vec::new();
        let mut rest = Vec::new();
        for pod in pods {
            let taken = |other: &Pod| other.metadata.name == pod.metadata.name;
            if batch.iter().any(taken) {
                rest.push(pod);
            } else {
                batch.push(pod);
            }
        }
        pods = rest;
        match into_batch(place, &batch, unread).await {
            Ok(observations) => {
                let observations = Arc::new(observations);
                let each = batch.iter().map(PodRef::of);
                seen.extend(each.map(|name| (name, Arc::clone(&observations))));
            }
            Err(e) => unread.extend(batch.iter().map(|pod| Unread {
                what: format!("pod {} from inside", PodRef::of(pod)),
                why: e.to_string(),
            })),
        }
    }
    seen
}

async fn into_batch(
    place: Place<'_>,
    pods: &[Pod],
    unread: &mut Vec<Unread>,
) -> Result<Observations> {
    let nodes = place.cluster.nodes().await?;
    let running: Vec<(PodRef, bool)> = pods
        .iter()
        .map(|pod| (PodRef::of(pod), host_network(pod)))
        .collect();
    let fleet = Fleet::start(Arc::clone(place.cluster), &nodes, &running, None).await?;
    for (at, why) in &fleet.lost {
        unread.push(Unread {
            what: match at {
                Endpoint::Pod(name) => format!("pod {name} from inside"),
                Endpoint::Node(name) => format!("node {name} from inside"),
                Endpoint::Outside(name) => name.clone(),
            },
            why: why.clone(),
        });
    }
    let scope = Scope {
        cluster: place.cluster,
        pods,
        denied: &[],
        exposed: None,
        transports: &TRANSPORTS,
        pod_network: &[],
        cni: "",
    };
    everything(&Arc::new(fleet), nodes, &scope).await
}
