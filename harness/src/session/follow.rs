//! Follows what died: dials that failed or were rewritten are made once more under watch.
use std::sync::Arc;

use flatnet_analysis::follow::{Ground, wanted};
use flatnet_cluster::Cluster;
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::follow::{Beside, Follower};
use flatnet_model::follow::{Followed, KernelRoute};
use flatnet_model::observations::Observations;

use super::attach::Which;

/// Dials that are followed, at most: each takes about half a second.
const MOST: usize = 6;
/// Each answer of a kernel may lead to a namespace that was not on the path before, no more of them than this.
const MOST_ROUNDS: usize = 16;

/// Whether a run may add a table to nodes for the time of a burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The cluster is flatnet's, or its owner said so.
    Given,
    /// It was not asked for; why that matters.
    Withheld(String),
}

impl Consent {
    /// A cluster that flatnet did not boot gets a table on its nodes only where its owner says so.
    pub fn of(booted_by_flatnet: bool, trace: bool) -> Self {
        match booted_by_flatnet || trace {
            true => Consent::Given,
            false => Consent::Withheld(NOT_FOLLOWED.to_owned()),
        }
    }

    /// On a running cluster.
    pub fn on(which: &Which, trace: bool) -> Self {
        Consent::of(!matches!(which, Which::Kubeconfig(_)), trace)
    }
}

/// What failures on a cluster of somebody else's say.
const NOT_FOLLOWED: &str = "packets were not followed: --trace would name the hop and the rule that ends them, with a table of flatnet's own on the nodes for less than a second";

/// Follows one dial of each class, and says in the observations what that came to. Healthy observations stay as they are, and
/// cost nothing.
pub async fn follow(
    cluster: &Arc<dyn Cluster>,
    fleet: &Arc<Fleet>,
    consent: &Consent,
    name: &str,
    observations: &mut Observations,
) {
    let chosen = wanted(observations, MOST);
    if chosen.dials.is_empty() {
        return;
    }
    if let Consent::Withheld(why) = consent {
        observations.following.withheld = Some(why.clone());
        return;
    }
    let beside = Beside {
        name: format!("flatnet-follow-{name}"),
        rules: true,
        drops: true,
    };
    let follower = Follower::start(cluster, Arc::clone(fleet), beside).await;
    observations.following.left_out = chosen.left_out;
    observations.following.wire = follower.wire().await;
    let ground = Ground::of(observations);
    for dial in chosen.dials {
        let places = ground.places(&dial);
        let mut followed = follower.burst(dial, &places).await;
        ask_kernels(&follower, &ground, &mut followed).await;
        followed.found = Some(ground.judge(&followed));
        observations.following.followed.push(followed);
    }
}

/// Asks the kernels on the way, until none is left that was not asked. One that does not answer leaves its tables to decide.
pub(crate) async fn ask_kernels(follower: &Follower, ground: &Ground, followed: &mut Followed) {
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
