//! Why a pod does not run, or is not reached; why a node is not Ready: looks at the cluster and has the causes ranked.
mod peers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flatnet_analysis::diagnose as causes;
use flatnet_cluster::diagnose::{Look, Wanted, look};
use flatnet_cluster::observe::changes::look_again;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::gather::everything;
use flatnet_cluster::observe::scope::Scope;
use flatnet_cluster::status;
use flatnet_cluster::{Cluster, PodRef};
use flatnet_model::cause::Cause;
use flatnet_model::coverage::Coverage;
use flatnet_model::diagnosis::{Diagnosis, Finding, SCHEMA, Subject, Unread};
use flatnet_model::observations::{Endpoint, Observations};
use flatnet_model::probe::Transport;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::{PodSymptoms, Symptoms};

use crate::Result;
use crate::consent::Consent;
use crate::follow::follow;
use crate::run_id::run_id;

/// Transports by which nodes and pod are asked to reach each other.
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Icmp];

/// Observes the cluster and finds what is wrong: [`look`], and then [`explain`].
///
/// # Errors
/// Pods that cannot be listed, or a name that no pod has. What else cannot be read is said in [`Diagnosis::unread`].
pub async fn diagnose(
    cluster: &Arc<dyn Cluster>,
    wanted: Wanted<'_>,
    consent: &Consent,
) -> Result<Diagnosis> {
    let look = look(cluster, wanted).await?;
    Ok(explain(cluster, wanted, look, consent).await)
}

/// The pods that [`explain`] tries: those that run, and only where they are named.
pub fn tried(wanted: Wanted<'_>, look: &Look) -> Vec<PodRef> {
    match wanted {
        Wanted::Named(_) => look
            .pods
            .iter()
            .map(|pod| &pod.object)
            .filter(|pod| pod.is_running())
            .map(|pod| pod.reference.clone())
            .collect(),
        Wanted::Unhealthy | Wanted::Pods(_) => Vec::new(),
    }
}

/// Finds what is wrong in what a [`look`] saw. To try running pods puts the probe into them for a moment, and starts a pod on
/// every node that has none to be their peer.
pub async fn explain(
    cluster: &Arc<dyn Cluster>,
    wanted: Wanted<'_>,
    look: Look,
    consent: &Consent,
) -> Diagnosis {
    let running = tried(wanted, &look);
    let Look {
        mut symptoms,
        pods,
        nodes,
    } = look;
    let running = objects(cluster, running, &mut symptoms.unread).await;
    let seen = match running.is_empty() {
        true => None,
        false => into_pods(cluster, &running, consent, &mut symptoms.unread).await,
    };
    let looked_into: BTreeSet<PodRef> = running.iter().map(|pod| pod.reference.clone()).collect();
    let mut subjects = Vec::new();
    for name in &nodes {
        subjects.extend(
            symptoms
                .node(name)
                .map(|node| causes::node(&symptoms, node)),
        );
    }
    for pod in &pods {
        let inside = looked_into.contains(&pod.object.reference);
        subjects.push(causes::pod(
            &symptoms,
            pod,
            seen.as_ref().filter(|_| inside),
        ));
    }
    let served: BTreeSet<&str> = match wanted {
        Wanted::Unhealthy => {
            let all = symptoms.nodes.iter();
            all.map(|node| node.object.name.as_str()).collect()
        }
        Wanted::Named(_) => {
            let named = nodes.iter().map(String::as_str);
            named
                .chain(pods.iter().filter_map(PodSymptoms::node))
                .collect()
        }
        Wanted::Pods(_) => BTreeSet::new(),
    };
    for name in served {
        add_ended_agent(&symptoms, name, &mut subjects);
    }
    Diagnosis {
        schema: SCHEMA.to_owned(),
        provider: symptoms.provider,
        cluster: cluster.name().to_owned(),
        capabilities: symptoms.advice.capabilities,
        subjects,
        unread: symptoms.unread,
    }
}

/// Says of a node that is Ready that its agent does not work, unless that is said already.
fn add_ended_agent(symptoms: &Symptoms, node: &str, subjects: &mut Vec<Subject>) {
    let tells = |finding: &Finding| {
        let cause = finding.evidence.cause();
        matches!(cause, Some(Cause::AgentDown { node: of, .. }) if of == node)
    };
    if subjects.iter().any(|s| s.findings.iter().any(tells)) {
        return;
    }
    let node = symptoms.node(node);
    let Some(found) = node.and_then(|node| causes::without_agent(symptoms, node)) else {
        return;
    };
    let is_same = |subject: &&mut Subject| subject.kind == found.kind && subject.name == found.name;
    match subjects.iter_mut().find(is_same) {
        Some(subject) => {
            subject.healthy = false;
            subject.findings.extend(found.findings);
        }
        None => subjects.push(found),
    }
}

/// The pods as they are now.
async fn objects(
    cluster: &Arc<dyn Cluster>,
    pods: Vec<PodRef>,
    unread: &mut Vec<Unread>,
) -> Vec<PodSnapshot> {
    let mut found = Vec::new();
    for pod in pods {
        let now = cluster.wait_pod(&pod, Duration::ZERO).await;
        match now.and_then(|object| status::pod(&object)) {
            Ok(object) if object.is_running() => found.push(object),
            Ok(_) => {}
            Err(e) => unread.push(Unread {
                what: format!("pod {pod}"),
                why: e.to_string(),
            }),
        }
    }
    found
}

/// What the probe sees in these pods, in their peers and from the nodes.
async fn into_pods(
    cluster: &Arc<dyn Cluster>,
    pods: &[PodSnapshot],
    consent: &Consent,
    unread: &mut Vec<Unread>,
) -> Option<Observations> {
    match observe(cluster, pods, consent, unread).await {
        Ok(observations) => Some(observations),
        Err(e) => {
            unread.extend(pods.iter().map(|pod| Unread {
                what: format!("pod {} from inside", pod.reference),
                why: e.to_string(),
            }));
            None
        }
    }
}

async fn observe(
    cluster: &Arc<dyn Cluster>,
    pods: &[PodSnapshot],
    consent: &Consent,
    unread: &mut Vec<Unread>,
) -> Result<Observations> {
    let nodes = cluster.nodes().await?;
    let peers = peers::of(cluster, pods, &nodes, unread).await?;
    let all = [pods, &peers].concat();
    let running: Vec<&PodSnapshot> = all.iter().collect();
    let fleet = Arc::new(Fleet::start(Arc::clone(cluster), &nodes, &running, None).await?);
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
    let run = run_id();
    let scope = Scope {
        cluster,
        pods: &all,
        denied: &[],
        before: None,
        translate: consent.is_given().then_some(run.as_str()),
        exposed: None,
        transports: &TRANSPORTS,
        coverage: Coverage::Auto,
        seed: 0,
        pod_network: &[],
        cni: "",
    };
    let mut observations = everything(&fleet, nodes, &scope).await?;
    follow(cluster, &fleet, consent, &run, &mut observations).await;
    look_again(&fleet, &mut observations).await;
    Ok(observations)
}
