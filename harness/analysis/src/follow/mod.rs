//! What became of a dial that was made again under watch: a pure function of what was seen of its packets in every namespace.
//!
//! [`wanted`] chooses the dials, [`ends`] knows the namespaces on their way, [`passage`] strings what was seen of one packet,
//! [`fate`] finds where packets ended and [`reason`] what ended them there, [`rewrite`] what was changed on the way;
//! [`picture`] draws it beside what is expected.
pub mod answer;
mod astray;
mod counters;
mod down;
mod drops;
mod ends;
mod fate;
mod filters;
mod legacy;
mod local;
mod lookup;
mod narrow;
mod passage;
mod path_mtu;
pub mod picture;
mod reason;
mod rewrite;
mod ttl;
mod walked;
mod wanted;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use flatnet_model::follow::{Followed, FollowedTo, Wanted};
use flatnet_model::kernel::Flow;
use flatnet_model::observations::Observations;
use flatnet_model::reference::Netns;

use crate::look;
use crate::trace::{Kernels, ObservedNetwork, Request, Trace, trace};
use ends::Ends;
use picture::{Live, Picture};

pub use wanted::{Chosen, wanted};

/// What following a dial needs beside what was seen of it: the observations as a network.
pub struct Ground {
    network: ObservedNetwork,
}

impl Ground {
    /// Of what was looked at for a trace.
    pub fn new(network: ObservedNetwork) -> Self {
        Ground { network }
    }

    /// Of one run.
    pub fn of(observations: &Observations) -> Self {
        let network = ObservedNetwork {
            nodes: observations.nodes.clone(),
            pods: observations
                .pods
                .iter()
                .filter(|pod| pod.runs())
                .cloned()
                .collect(),
            wire: observations.following.wire.clone(),
        };
        Ground { network }
    }

    /// The namespaces that are to be watched while a dial is followed: those of its ends and every node, as a packet may go astray.
    pub fn places(&self, dial: &Wanted) -> Vec<Netns> {
        let ends = Ends::of(&self.network, dial);
        let nodes = self.network.nodes.iter();
        let others = nodes
            .map(|node| Netns::Node(node.object.name.clone()))
            .filter(|netns| !ends.way().contains(netns))
            .take(MOST_BYSTANDERS);
        ends.way().iter().cloned().chain(others).collect()
    }

    /// What kernels on the way of a dial and of its answer have not been asked yet.
    pub fn questions(&self, followed: &Followed) -> Vec<(Netns, Flow)> {
        let (there, back) = self.walks(followed);
        let mut questions = there.1;
        questions.extend(back.map(|back| back.1).unwrap_or_default());
        questions
    }

    /// What was found by following a dial.
    pub fn judge(&self, followed: &Followed) -> FollowedTo {
        let ends = Ends::of(&self.network, &followed.dial);
        let attempts = passage::attempts(followed, &ends);
        let (there, back) = self.walks(followed);
        let walks = reason::Walks {
            there: &there.0,
            back: back.as_ref().map(|back| &back.0),
        };
        let rewrites = rewrite::rewrites(followed, &ends, &attempts);
        let mut fates = fate::fates(followed, &ends, &attempts)
            .into_iter()
            .filter_map(|ended| {
                let cause =
                    reason::reason(followed, &ends, &self.network, &ended, &walks, &rewrites);
                // What only came late ended nowhere.
                (!ended.unheard || cause.is_some()).then(|| ended.with(cause))
            });
        let fate = fates.next();
        FollowedTo { fate, rewrites }
    }

    /// Expected beside seen.
    pub fn live(&self, followed: &Followed) -> Live {
        let ends = Ends::of(&self.network, &followed.dial);
        let attempts = passage::attempts(followed, &ends);
        let legs = passage::legs(followed.dial.request.transport);
        let (there, back) = self.walks(followed);
        let drawn = |leg, walk: &Trace| Picture::of(followed, &attempts, leg, walk, &self.network);
        let found = followed.found.clone().unwrap_or_default();
        let cause = found.fate.as_ref().and_then(|fate| fate.cause.as_ref());
        Live {
            dial: followed.dial.clone(),
            outcomes: followed.outcomes.clone(),
            there: drawn(legs[0], &there.0),
            back: back.map(|(back, _)| drawn(legs[1], &back)),
            blind: picture::blind(followed),
            look: cause.and_then(|cause| look::at(&cause.cause, &self.network.pods)),
            found,
        }
    }

    /// The way of a dial's packets as routes, neighbours and bridges lead it, without a kernel's answers.
    pub fn walk(&self, dial: &Wanted) -> Trace {
        let ends = Ends::of(&self.network, dial);
        let request = there(&ends, dial, Default::default());
        trace(&self.network, &Kernels::default(), &request).0
    }

    fn walks(&self, followed: &Followed) -> (Walk, Option<Walk>) {
        let ends = Ends::of(&self.network, &followed.dial);
        let kernels: Kernels = followed
            .routes
            .iter()
            .map(|route| ((route.netns.clone(), route.flow), route.outcome.clone()))
            .collect();
        let marks = lookup::marks(followed, followed.dial.request.address);
        let there = trace(
            &self.network,
            &kernels,
            &there(&ends, &followed.dial, marks),
        );
        let back = there.0.source.map(|source| {
            trace(
                &self.network,
                &kernels,
                &Request {
                    from: ends.server.clone(),
                    destination: source,
                    wanted: Some(ends.client.clone()),
                    rewrite: None,
                    carries: Some(lookup::carries(&followed.dial.request, true)),
                    marks: lookup::marks(followed, source),
                },
            )
        });
        (there, back)
    }
}

/// What a dial sends first, with the firewall marks that it is known to have.
fn there(ends: &Ends, dial: &Wanted, marks: BTreeMap<Netns, u32>) -> Request {
    Request {
        from: ends.client.clone(),
        destination: dial.request.address,
        wanted: Some(ends.server.clone()),
        rewrite: None,
        carries: Some(lookup::carries(&dial.request, false)),
        marks,
    }
}

/// Where a packet should go, and what kernels on the way were not asked.
type Walk = (Trace, Vec<(Netns, Flow)>);

/// Nodes besides those of the two ends that are watched, at most.
const MOST_BYSTANDERS: usize = 6;
