//! Reads what the causes are drawn from, each thing once. What cannot be read is noted, and the rest is read all the same.
mod nodes;
mod pods;

use std::collections::BTreeSet;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;

use crate::status;
use crate::{Cluster, Error, PodRef, Result, Target};
use flatnet_model::advice::Advice;
use flatnet_model::diagnosis::Unread;
use flatnet_model::naming::Names;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::symptoms::{NodeSymptoms, PodSymptoms, Symptoms};

/// Who is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Every pod that is not healthy, and every node that is not Ready.
    Unhealthy,
    /// Pods and nodes as a person names them, see [`Names::find`].
    Named(&'a [String]),
    /// These.
    Pods(&'a [PodRef]),
}

impl Wanted<'_> {
    /// How many recent restarts a healthy pod may have: a restarted node causes one.
    fn tolerated(self) -> i32 {
        match self {
            Wanted::Unhealthy | Wanted::Named(_) => 1,
            Wanted::Pods(_) => 0,
        }
    }
}

/// What was read.
pub struct Look {
    /// Everything the causes are drawn from.
    pub symptoms: Symptoms,
    /// Those asked about, or all that are not healthy.
    pub pods: Vec<PodSymptoms>,
    /// Names of the nodes asked about; those that are not Ready, if none was named.
    pub nodes: Vec<String>,
}

/// Reads it all.
///
/// # Errors
/// Pods that cannot be listed, or a name that no pod has.
pub async fn look(cluster: &Arc<dyn Cluster>, wanted: Wanted<'_>) -> Result<Look> {
    let mut unread = Vec::new();
    // At the same time: a cluster that does not answer is waited for once.
    let (objects, everyone) = tokio::join!(cluster.nodes(), everyone(&**cluster));
    let everyone = everyone?;
    let (objects, unlisted) = match objects {
        Ok(objects) => (objects, None),
        Err(e) => (Vec::new(), Some(e)),
    };
    unread.extend(unlisted.as_ref().map(|e| note("nodes", e)));
    let names: Vec<String> = objects.iter().map(name_of).collect();
    let Chosen {
        pods: subjects,
        nodes: named,
    } = chosen(&everyone, wanted, &names).map_err(|unknown| match unlisted {
        // It may be one of the nodes that the cluster did not tell.
        Some(silent @ Error::Failed(_)) => silent,
        Some(why) => Error::Input(format!("{unknown}; nodes cannot be listed: {why}")),
        None => unknown,
    })?;
    let mut snapshots = Vec::new();
    for object in &objects {
        match status::node(object) {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(e) => unread.push(note(format!("node {}", name_of(object)), &e)),
        }
    }
    let not_ready: Vec<String> = snapshots
        .iter()
        .filter(|node| !node.is_ready())
        .map(|node| node.name.clone())
        .collect();
    // Whoever is well needs no look at the nodes; for all others theirs matters, and in a fresh cluster all nodes alike.
    let mut concerned: BTreeSet<String> = subjects
        .iter()
        .filter(|pod| !pod.is_healthy(wanted.tolerated()))
        .map(|pod| pod.node.clone())
        .filter(|node| !node.is_empty())
        .collect();
    let subject_nodes = match wanted {
        Wanted::Unhealthy => not_ready,
        Wanted::Named(_) | Wanted::Pods(_) => named,
    };
    concerned.extend(subject_nodes.iter().cloned());
    let nodes = nodes::read(cluster, &objects, snapshots, &concerned, &mut unread).await;
    // Whatever works may work without its agent, until something changes.
    let agents = if matches!(wanted, Wanted::Pods([])) {
        Ok(Vec::new())
    } else {
        let agents = cluster.agents(&everyone).await;
        agents.map_err(|e| {
            unread.push(note("the network add-on's agents", &e));
            e.to_string()
        })
    };
    let recorded = cluster.recorded_cni().await.unwrap_or_else(|e| {
        unread.push(note("the record of the network add-on", &e));
        None
    });
    let booted = cluster.booted().await.unwrap_or_else(|e| {
        unread.push(note("what the cluster was booted with", &e));
        None
    });
    let pods = pods::read(cluster, subjects, wanted.tolerated()).await;
    for pod in &pods {
        if let Err(why) = &pod.events {
            unread.push(Unread {
                what: format!("events of pod {}", pod.object.reference),
                why: why.clone(),
            });
        }
    }
    let mut symptoms = Symptoms {
        provider: cluster.provider().to_owned(),
        advice: Advice {
            cluster: Some(cluster.name().to_owned()),
            capabilities: cluster.capabilities().clone(),
            booted,
        },
        nodes,
        node_names: cluster
            .node_names()
            .await
            .ok()
            .filter(|all| !all.is_empty()),
        agents,
        recorded,
        everyone,
        unread,
    };
    let leaks = |node: &NodeSymptoms| symptoms.unheld(node).is_leak();
    if symptoms.nodes.iter().any(leaks) {
        // A pod may have got its address after the pods were listed, and before its node was read.
        let later = self::everyone(&**cluster).await?;
        symptoms.everyone = united(symptoms.everyone, later);
    }
    Ok(Look {
        symptoms,
        pods,
        nodes: subject_nodes,
    })
}

/// Pods of two lists, as the later has them where both do.
fn united(earlier: Vec<PodSnapshot>, later: Vec<PodSnapshot>) -> Vec<PodSnapshot> {
    let same = |a: &PodSnapshot, b: &PodSnapshot| a.reference == b.reference && a.uid == b.uid;
    let gone: Vec<PodSnapshot> = earlier
        .into_iter()
        .filter(|pod| !later.iter().any(|other| same(pod, other)))
        .collect();
    later.into_iter().chain(gone).collect()
}

/// Something that could not be read.
fn note(what: impl Into<String>, why: &Error) -> Unread {
    Unread {
        what: what.into(),
        why: why.to_string(),
    }
}

fn name_of(node: &Node) -> String {
    node.metadata.name.clone().unwrap_or_default()
}

/// Every pod, in every namespace.
async fn everyone(cluster: &dyn Cluster) -> Result<Vec<PodSnapshot>> {
    cluster.pods().await?.iter().map(status::pod).collect()
}

/// Who is looked at.
#[derive(Default)]
struct Chosen {
    pods: Vec<PodSnapshot>,
    nodes: Vec<String>,
}

fn chosen(everyone: &[PodSnapshot], wanted: Wanted<'_>, nodes: &[String]) -> Result<Chosen> {
    let mut meant = Vec::new();
    let mut chosen = Chosen::default();
    match wanted {
        Wanted::Unhealthy => {
            let unhealthy = everyone
                .iter()
                .filter(|pod| !pod.is_healthy(wanted.tolerated()));
            chosen.pods.extend(unhealthy.cloned());
            return Ok(chosen);
        }
        Wanted::Named(texts) => {
            let refs: Vec<PodRef> = everyone.iter().map(|pod| pod.reference.clone()).collect();
            let names = Names { nodes, pods: &refs };
            for text in texts {
                match names.find(&format!("{text:?}"), text)? {
                    Target::Pod(pod) => meant.push(pod),
                    Target::Node(node) => chosen.nodes.push(node),
                }
            }
        }
        Wanted::Pods(pods) => meant.extend_from_slice(pods),
    }
    let is_meant = |pod: &&PodSnapshot| meant.contains(&pod.reference);
    chosen
        .pods
        .extend(everyone.iter().filter(is_meant).cloned());
    Ok(chosen)
}
