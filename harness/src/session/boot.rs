//! Boots the cluster and installs the CNI on it.
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_lab::Lab;
use k8s_openapi::api::core::v1::Node;

use super::events::{Event, Observer};
use super::plan::Plan;
use crate::cluster::Cluster;
use crate::cluster::lab::LabCluster;
use crate::cni::{self, Cni};
use crate::{Error, Result};

/// How long a CNI may take to make every node Ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A cluster without a network yet.
pub struct Booted {
    /// The seam.
    pub cluster: Arc<dyn Cluster>,
    /// The lab behind it, where faults are planted.
    pub lab: LabCluster,
    /// What will network its pods.
    pub cni: Box<dyn Cni>,
}

/// Boots the lab.
///
/// # Errors
/// What the lab says.
pub async fn cluster(plan: &Plan, observer: &Observer) -> Result<Booted> {
    for note in &plan.notes {
        observer(&Event::Note(note.clone()));
    }
    let (program, spec, keep) = (plan.programs.lab.clone(), plan.lab.clone(), plan.keep);
    let lab = tokio::task::spawn_blocking(move || Lab::boot(&program, &spec, keep))
        .await
        .map_err(|e| Error::failed("boot the lab", e))??;
    let lab = LabCluster::new(lab);
    let cni = cni::on_lab(&plan.cni, lab.clone(), plan).await?;
    Ok(Booted {
        cluster: Arc::new(lab.clone()),
        lab,
        cni,
    })
}

/// Installs the CNI and waits until every node is Ready for pods.
///
/// # Errors
/// When a node is not Ready in time: which, what its Ready condition says, and what the CNI says.
pub async fn install(cluster: &Arc<dyn Cluster>, cni: &dyn Cni, observer: &Observer) -> Result<()> {
    cni.install().await?;
    let start = Instant::now();
    let mut told = std::collections::BTreeSet::new();
    let mut pause = Duration::from_millis(2);
    loop {
        let nodes = cluster.nodes().await?;
        if told.is_empty() {
            observer(&Event::Expect(nodes.len()));
        }
        let mut waiting = Vec::new();
        for node in &nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            match not_ready(node) {
                Some(why) => waiting.push(format!("{name}: {why}")),
                None => {
                    if told.insert(name.clone()) {
                        observer(&Event::NodeReady(name));
                    }
                }
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let more = cni.trouble().await?;
        if start.elapsed() > READY_WITHIN || more.as_ref().is_some_and(|t| t.fatal) {
            let says = more.map(|t| format!("; {}", t.what)).unwrap_or_default();
            return Err(Error::Failed(format!(
                "nodes not Ready with CNI {}: {}{says}",
                cni.name(),
                waiting.join(", ")
            )));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Reason and message of a Ready condition that is not True; `None` for a Ready node.
pub fn not_ready(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    let Some(ready) = conditions.and_then(|c| c.iter().find(|c| c.type_ == "Ready")) else {
        return Some("no Ready condition yet".to_owned());
    };
    (ready.status != "True").then(|| {
        format!(
            "{}: {}",
            ready.reason.as_deref().unwrap_or("not Ready"),
            ready.message.as_deref().unwrap_or("no message")
        )
    })
}
