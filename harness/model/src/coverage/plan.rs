//! The pairs, as places in the list of ends.
use std::collections::{BTreeMap, BTreeSet};

use super::{Covering, End};

/// Peers on its own node that a pod dials at most: with up to five pods on each node, all of them.
const NEAR: usize = 4;
/// Other nodes of which a node or hostNetwork pod dials a pod, and a pod of which dials it; a node dials those nodes too.
const FAR: usize = 4;

/// Whether a pair is dialled at all: in the pod network, a pod's hairpin included, or between two nodes.
fn belongs(from: &End, to: &End) -> bool {
    let nodes = || from.is_node() && to.is_node() && from.node != to.node;
    !(from.on_host && to.on_host) || nodes()
}

/// Number of pairs with [`Covering::Full`], hairpins included.
pub fn count(ends: &[End]) -> usize {
    let on_host = ends.iter().filter(|end| end.on_host).count();
    let nodes = ends.iter().filter(|end| end.is_node()).count();
    ends.len() * ends.len() - on_host * on_host + nodes * nodes.saturating_sub(1)
}

/// Whom each end dials, in ascending order. Whatever the covering, every pod with a network of its own dials itself.
pub fn pairs(ends: &[End], covering: Covering) -> Vec<Vec<usize>> {
    match covering {
        Covering::Full => {
            let row = |from: &End| {
                let peers = ends.iter().enumerate();
                let peers = peers.filter(|(_, to)| belongs(from, to));
                peers.map(|(to, _)| to).collect()
            };
            ends.iter().map(row).collect()
        }
        Covering::Nodes { seed } => by_nodes(ends, seed),
        Covering::Sampled { seed, pairs } => sampled(ends, seed, pairs),
    }
}

/// Rows under construction.
struct Rows(Vec<BTreeSet<usize>>);

impl Rows {
    /// With the hairpins.
    fn of(ends: &[End]) -> Self {
        let own = |(place, end): (usize, &End)| (!end.on_host).then_some(place);
        let rows = ends.iter().enumerate().map(|end| own(end).into_iter());
        Rows(rows.map(Iterator::collect).collect())
    }

    fn add(&mut self, from: usize, to: usize) -> bool {
        self.0[from].insert(to)
    }

    fn both_ways(&mut self, a: usize, b: usize) {
        self.add(a, b);
        self.add(b, a);
    }

    fn done(self) -> Vec<Vec<usize>> {
        self.0.into_iter().map(Vec::from_iter).collect()
    }
}

/// The ends of one node, in random order.
#[derive(Default)]
struct OnNode {
    pods: Vec<usize>,
    hosts: Vec<usize>,
}

fn by_nodes(ends: &[End], seed: u64) -> Vec<Vec<usize>> {
    let mut random = Random(seed);
    let mut nodes: BTreeMap<usize, OnNode> = BTreeMap::new();
    for (place, end) in ends.iter().enumerate() {
        let node = nodes.entry(end.node).or_default();
        match end.on_host {
            true => node.hosts.push(place),
            false => node.pods.push(place),
        }
    }
    let mut nodes: Vec<OnNode> = nodes.into_values().collect();
    for node in &mut nodes {
        random.shuffle(&mut node.pods);
        random.shuffle(&mut node.hosts);
    }
    let mut rows = Rows::of(ends);
    for node in &nodes {
        within(node, &mut rows);
    }
    // Pods of each node that were dialled from other nodes: each time another one.
    let mut dialled = vec![0; nodes.len()];
    let mut with_hosts = vec![0; nodes.len()];
    let shift = random.below(nodes.len().max(1));
    for (own, node) in nodes.iter().enumerate() {
        // From the next node on, so that the first few of everyone's list are not the same few.
        let after: Vec<usize> = (1..nodes.len())
            .map(|step| (own + step) % nodes.len())
            .collect();
        let is_node = |place: &&usize| ends[**place].is_node();
        for (number, host) in node.hosts.iter().enumerate().filter(|(_, h)| is_node(h)) {
            for turn in 0..FAR.min(after.len()) {
                let other = after[(shift + number * FAR + turn) % after.len()];
                if let Some(peer) = nodes[other].hosts.iter().find(is_node) {
                    rows.add(*host, *peer);
                }
            }
        }
        let has_pods = |other: &usize| !nodes[*other].pods.is_empty();
        let ring: Vec<usize> = after.into_iter().filter(has_pods).collect();
        if ring.is_empty() {
            continue;
        }
        let mut others = ring.clone();
        random.shuffle(&mut others);
        // Every other node once, and every pod of this one once.
        for turn in 0..(others.len().max(node.pods.len())) {
            let Some(client) = cyclic(&node.pods, turn) else {
                break;
            };
            let other = others[turn % others.len()];
            let pods = &nodes[other].pods;
            rows.add(client, pods[dialled[other] % pods.len()]);
            dialled[other] += 1;
        }
        for (number, host) in node.hosts.iter().enumerate() {
            for turn in 0..FAR.min(ring.len()) {
                let other = ring[(shift + number * FAR + turn) % ring.len()];
                if let Some(peer) = cyclic(&nodes[other].pods, with_hosts[other]) {
                    rows.both_ways(*host, peer);
                    with_hosts[other] += 1;
                }
            }
        }
    }
    // Nodes with more pods than were dialled.
    for (own, node) in nodes.iter().enumerate() {
        let others: Vec<&OnNode> = nodes
            .iter()
            .enumerate()
            .filter(|(other, node)| *other != own && !node.pods.is_empty())
            .map(|(_, node)| node)
            .collect();
        for (turn, server) in node.pods.iter().enumerate().skip(dialled[own]) {
            let other = cyclic(&others, turn);
            let client = other.and_then(|node| cyclic(&node.pods, turn / others.len()));
            if let Some(client) = client {
                rows.add(client, *server);
            }
        }
    }
    rows.done()
}

/// The pairs on one node: a ring of its pods, each with the next [`NEAR`] of them, and each pod and each host end with one of the
/// other kind.
fn within(node: &OnNode, rows: &mut Rows) {
    let (pods, hosts) = (&node.pods, &node.hosts);
    for (number, pod) in pods.iter().enumerate() {
        for step in 1..=NEAR.min(pods.len() - 1) {
            rows.add(*pod, pods[(number + step) % pods.len()]);
        }
    }
    for turn in 0..pods.len().max(hosts.len()) {
        if let (Some(pod), Some(host)) = (cyclic(pods, turn), cyclic(hosts, turn)) {
            rows.both_ways(pod, host);
        }
    }
}

fn cyclic<T: Copy>(items: &[T], turn: usize) -> Option<T> {
    items.get(turn.checked_rem(items.len())?).copied()
}

fn sampled(ends: &[End], seed: u64, wanted: usize) -> Vec<Vec<usize>> {
    let hairpins = ends.iter().filter(|end| !end.on_host).count();
    if wanted >= count(ends) - hairpins {
        return pairs(ends, Covering::Full);
    }
    let mut random = Random(seed);
    let mut rows = Rows::of(ends);
    let mut left = wanted;
    while left > 0 {
        let (from, to) = (random.below(ends.len()), random.below(ends.len()));
        if from != to && belongs(&ends[from], &ends[to]) && rows.add(from, to) {
            left -= 1;
        }
    }
    rows.done()
}

/// The pairs to dial on top of `planned` where some of those failed: all pairs between the nodes of each failed one, in both
/// directions, so that a fault of one pod is told from one of its node. With many of them, up to `most` pairs, as many of each.
pub fn widened(
    ends: &[End],
    planned: &[Vec<usize>],
    failed: &[(usize, usize)],
    most: usize,
) -> Vec<Vec<usize>> {
    let cells: BTreeSet<(usize, usize)> = failed
        .iter()
        .map(|(from, to)| (ends[*from].node, ends[*to].node))
        .flat_map(|(a, b)| [(a, b), (b, a)])
        .collect();
    let mut on_node: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, end) in ends.iter().enumerate() {
        on_node.entry(end.node).or_default().push(place);
    }
    let mut rows = vec![Vec::new(); ends.len()];
    let (mut left, mut cells_left) = (most, cells.len());
    for (a, b) in cells {
        let (clients, servers) = (&on_node[&a], &on_node[&b]);
        let all = clients
            .iter()
            .flat_map(|from| servers.iter().map(|to| (*from, *to)));
        let new = all.filter(|(from, to)| {
            from != to
                && belongs(&ends[*from], &ends[*to])
                && planned[*from].binary_search(to).is_err()
        });
        for (from, to) in new.take(left / cells_left) {
            rows[from].push(to);
            left -= 1;
        }
        cells_left -= 1;
    }
    rows
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is at least 1. Off by less than one in 2^32 for the numbers of ends there are.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
