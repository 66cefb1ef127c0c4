//! Follows what died: dials that failed or were rewritten are made once more under watch.
use std::sync::Arc;

use flatnet_analysis::follow::{Ground, wanted};
use flatnet_cluster::Cluster;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::follow::Follower;
use flatnet_model::follow::{Followed, KernelRoute, Wanted};
use flatnet_model::observations::Observations;

use crate::consent::Consent;

/// Dials that are followed, at most: each takes about half a second.
const MOST: usize = 6;
/// Each answer of a kernel may lead to a namespace that was not on the path before, no more of them than this.
const MOST_ROUNDS: usize = 16;

/// Follows one dial of each class, and says in the observations what that came to. Healthy observations stay as they are, and
/// cost nothing.
pub async fn follow(
    cluster: &Arc<dyn Cluster>,
    fleet: &Arc<Fleet>,
    consent: &Consent,
    run: &str,
    observations: &mut Observations,
) {
    let mut chosen = wanted(observations, MOST);
    if chosen.dials.is_empty() {
        return;
    }
    if let Consent::Withheld(why) = consent {
        observations.following.withheld = Some(why.clone());
        return;
    }
    let follower = Follower::start(cluster, Arc::clone(fleet), run).await;
    observations.following.wire = follower.wire().await;
    let ground = Ground::of(observations);
    while !chosen.dials.is_empty() {
        for dial in chosen.dials {
            let followed = one(&follower, &ground, dial).await;
            observations.following.followed.push(followed);
        }
        chosen = wanted(observations, MOST - observations.following.followed.len());
    }
    observations.following.left_out = chosen.left_out;
}

/// Follows one dial, and says what that came to.
pub(crate) async fn one(follower: &Follower, ground: &Ground, dial: Wanted) -> Followed {
    let places = ground.places(&dial);
    let mut followed = follower.burst(dial, &places).await;
    ask_kernels(follower, ground, &mut followed).await;
    followed.found = Some(ground.judge(&followed));
    followed
}

/// Asks the kernels on the way, until none is left that was not asked. One that does not answer leaves its tables to decide.
async fn ask_kernels(follower: &Follower, ground: &Ground, followed: &mut Followed) {
    let mut silent = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let mut questions = ground.questions(followed);
        questions.retain(|question| !silent.contains(question));
        if questions.is_empty() {
            return;
        }
        for (netns, flow) in questions {
            match follower.route(&netns, flow).await {
                Ok(outcome) => followed.routes.push(KernelRoute {
                    netns,
                    flow,
                    outcome,
                }),
                Err(_) => silent.push((netns, flow)),
            }
        }
    }
}
