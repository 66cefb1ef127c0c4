//! Follows packets of one pair on a running cluster, by hand.
use std::sync::Arc;

use flatnet_analysis::follow::Ground;
use flatnet_analysis::follow::picture::Live;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::follow::Follower;
use flatnet_cluster::status;
use flatnet_model::follow::{Burst, Wanted};
use flatnet_model::network::Transport;
use flatnet_model::probe::DialRequest;
use flatnet_model::reference::{Endpoint, Netns};
use flatnet_model::snapshot::PodSnapshot;

use crate::follow;
use crate::route::Looked;
use crate::run_id::run_id;
use crate::session::attach::Attached;
use crate::{Error, Result};

/// Sends a burst over each transport, and says what became of it.
///
/// # Errors
/// [`Error::Input`] for a destination that no probe can answer for, or several can; when no probe runs at one of the two ends.
pub async fn lives(
    attached: &Attached,
    looked: Looked,
    transports: &[Transport],
) -> Result<Vec<Live>> {
    let (from, to) = ends(&looked)?;
    let mut pods: Vec<PodSnapshot> = Vec::new();
    for pod in &attached.cluster.pods().await? {
        let pod = status::pod(pod)?;
        let end = Endpoint::Pod(pod.reference.clone());
        if end == from || end == to {
            pods.push(pod);
        }
    }
    let pods: Vec<&PodSnapshot> = pods.iter().collect();
    let nodes = attached.cluster.nodes().await?;
    let cluster = Arc::clone(&attached.cluster);
    let fleet = Arc::new(Fleet::start(cluster, &nodes, &pods, None).await?);
    let port = |end: &Endpoint| {
        fleet.port(end).ok_or_else(|| {
            let why = fleet.lost.get(end).cloned().unwrap_or_default();
            Error::Failed(format!("--live: no probe runs at {end}: {why}"))
        })
    };
    port(&from)?;
    let port = port(&to)?;
    let follower = Follower::start(&attached.cluster, Arc::clone(&fleet), &run_id()).await;
    let ground = Ground::new(looked.network);
    let mut lives = Vec::new();
    for transport in transports {
        let dial = Wanted {
            from: from.clone(),
            to: to.clone(),
            request: DialRequest {
                address: looked.address,
                transport: *transport,
                port,
            },
            burst: Burst::Few,
        };
        let followed = follow::one(&follower, &ground, dial).await;
        lives.push(ground.live(&followed));
    }
    Ok(lives)
}

/// Sender and receiver. An address is that of the pod or node that has it.
fn ends(looked: &Looked) -> Result<(Endpoint, Endpoint)> {
    let (from, to) = &looked.ends;
    let address = looked.address;
    let to = match to {
        Some(to) => to.endpoint(),
        None => match looked.network.owners(address).as_slice() {
            [] => None,
            [owner] => owner.endpoint(),
            several => {
                let names: Vec<String> = several.iter().map(Netns::to_string).collect();
                return Err(Error::Input(format!(
                    "--live: {address} is an address of {}; give one of them as --to",
                    names.join(" and ")
                )));
            }
        },
    };
    match (from.endpoint(), to) {
        (Some(from), Some(to)) => Ok((from, to)),
        _ => Err(Error::Input(format!(
            "--live: no pod or node has {address}, and what is sent is answered by a probe there; give a pod or a node as --to"
        ))),
    }
}
