//! What was dialled of all there is, where that is not everything.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::PodRef;
use flatnet_model::coverage::Covering;
use flatnet_model::observations::{Dial, Endpoint, Fate};

use super::Span;
use crate::checks::findings::count;
use crate::checks::topology::Topology;

/// `every ordered pair of 250 nodes; 1000 of 1000 pods both ways; 65250 of 931500 pod pairs (coverage nodes, seed 7)`; within
/// nodes only the pairs. None where every pair was to be dialled.
pub(super) fn words(topology: &Topology<'_>, span: Span) -> Option<String> {
    let coverage = topology.observations.coverage;
    if coverage == Covering::Full {
        return None;
    }
    let covered = Covered::of(topology, span);
    let pairs = format!(
        "{} of {} pod pairs (coverage {coverage})",
        covered.pairs.len(),
        all_pairs(topology, span)
    );
    if span == Span::SameNode {
        return Some(pairs);
    }
    let nodes = BTreeSet::from_iter(topology.networked().map(|pod| pod.object.node.as_str())).len();
    let of_nodes = match (covered.node_pairs.len(), nodes * nodes.saturating_sub(1)) {
        (made, all) if made == all => format!("every ordered pair of {}", count(nodes, "node")),
        (made, all) => format!("{made} of {all} ordered pairs of nodes"),
    };
    let both = covered.clients.intersection(&covered.servers).count();
    let pods = count(topology.running().count(), "pod");
    Some(format!("{of_nodes}; {both} of {pods} both ways; {pairs}"))
}

/// What dials were made between different ends, whatever came of them.
#[derive(Default)]
struct Covered<'a> {
    /// Pairs of pods of the span.
    pairs: BTreeSet<(&'a PodRef, &'a PodRef)>,
    /// Pairs of different nodes by pods with networks of their own.
    node_pairs: BTreeSet<(&'a str, &'a str)>,
    clients: BTreeSet<&'a PodRef>,
    servers: BTreeSet<&'a PodRef>,
}

impl<'a> Covered<'a> {
    fn of(topology: &Topology<'a>, span: Span) -> Self {
        let mut covered = Covered::default();
        let same_pair = |a: &Dial, b: &Dial| a.from == b.from && a.to == b.to;
        for dials in topology.observations.dials.chunk_by(same_pair) {
            let Dial { from, to, .. } = &dials[0];
            let own = topology.addresses(to);
            let made = dials.iter().any(|dial| {
                own.contains(&dial.request.address)
                    && !matches!(topology.observations.fate(dial), Fate::NotMade(_))
            });
            if made && from != to {
                covered.add(topology, span, from, to);
            }
        }
        covered
    }

    fn add(&mut self, topology: &Topology<'a>, span: Span, from: &'a Endpoint, to: &'a Endpoint) {
        let (Some(from_node), Some(to_node)) = (topology.node_of(from), topology.node_of(to))
        else {
            return;
        };
        if let Endpoint::Pod(client) = from {
            self.clients.insert(client);
        }
        if let Endpoint::Pod(server) = to {
            self.servers.insert(server);
        }
        if let (Endpoint::Pod(client), Endpoint::Pod(server)) = (from, to) {
            if (from_node == to_node) == (span == Span::SameNode) {
                self.pairs.insert((client, server));
            }
            if from_node != to_node && !topology.on_host(from) && !topology.on_host(to) {
                self.node_pairs.insert((from_node, to_node));
            }
        }
    }
}

/// Ordered pairs of running pods in the span, without those of two hostNetwork pods.
fn all_pairs(topology: &Topology<'_>, span: Span) -> usize {
    let mut on_node: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for pod in topology.running() {
        let (own, host) = on_node.entry(&pod.object.node).or_default();
        match pod.object.host_network {
            true => *host += 1,
            false => *own += 1,
        }
    }
    let pairs = |(own, host): (usize, usize)| own * own.saturating_sub(1) + 2 * own * host;
    let within = on_node.values().copied().map(pairs).sum();
    let sum = |(a, b): (usize, usize), (c, d): &(usize, usize)| (a + c, b + d);
    let all = pairs(on_node.values().fold((0, 0), sum));
    match span {
        Span::SameNode => within,
        Span::CrossNode => all - within,
    }
}
