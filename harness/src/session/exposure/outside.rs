//! Starts the peer outside the cluster, where there can be one.
use std::path::Path;

use flatnet_cluster::Cluster;
use flatnet_cluster::kind::engine::Engine;
use flatnet_cluster::kind::peer::{Peer, Start};
use flatnet_cluster::kube::KubeCluster;
use flatnet_model::observations::Availability;

use crate::Result;
use crate::programs::BUILD_OUTSIDE;
use crate::session::lifetime::Lifetime;
use crate::session::plan::Plan;
use crate::session::reaper::Reap;

/// Starts it where there can be one.
pub(super) async fn start(
    cluster: &KubeCluster,
    plan: &Plan,
    lifetime: &Lifetime,
) -> Availability<Peer> {
    match cluster.capabilities().outside_peer.why_absent() {
        Some(why) => Availability::Absent {
            why: why.to_owned(),
        },
        None => start_on_kind(cluster, plan, lifetime, cluster.name()).await,
    }
}

async fn start_on_kind(
    cluster: &KubeCluster,
    plan: &Plan,
    lifetime: &Lifetime,
    name: &str,
) -> Availability<Peer> {
    let Some(program) = &plan.programs.outside else {
        return Availability::Absent {
            why: format!("flatnet-outside is not in the directory of flatnet; {BUILD_OUTSIDE}"),
        };
    };
    let engine = match Engine::find().await {
        Ok(engine) => engine,
        Err(e) => return Err(e).into(),
    };
    if engine.name != "docker" {
        return Availability::Absent {
            why: format!(
                "the peer outside the cluster is started through docker's API, and the engine is {}",
                engine.name
            ),
        };
    }
    let started = start_beside(cluster, plan, lifetime, engine, name, program);
    started.await.into()
}

/// On the network of the cluster's nodes; the reaper knows of it before it exists, so that a killed run leaves nothing behind.
async fn start_beside(
    cluster: &KubeCluster,
    plan: &Plan,
    lifetime: &Lifetime,
    engine: Engine,
    name: &str,
    program: &Path,
) -> Result<Peer> {
    let [_, (label, run_id)] = cluster.labels();
    let container = format!("flatnet-outside-{run_id}");
    lifetime.add(Reap::Container {
        engine: engine.path().to_owned(),
        name: container.clone(),
    })?;
    let start = Start {
        kind_cluster: name,
        program,
        container: &container,
        label: &format!("{label}={run_id}"),
        probe: &plan.programs.probe,
    };
    Peer::start(engine, start).await
}
