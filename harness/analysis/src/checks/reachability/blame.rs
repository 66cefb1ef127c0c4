//! Groups red pairs by who they have in common: a pod, a node, two nodes, everyone.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::evidence;
pub(super) use flatnet_model::evidence::Direction;

use super::Span;
use super::pairs::Pair;
use crate::checks::topology::Topology;
use flatnet_model::PodRef;
use flatnet_model::network::Transport;
use flatnet_model::observations::{Dial, Endpoint};

/// Whom the red pairs of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope<'a> {
    /// Nearly every pair is red.
    Everyone,
    /// One pod, while its neighbours on the node are fine.
    Pod(&'a PodRef, Direction),
    /// One node: its row, its column or both.
    Node(&'a str, Direction),
    /// Both directions between two nodes, or within one node.
    Between(&'a str, &'a str),
    /// From the first node to the second.
    OneWay(&'a str, &'a str),
}

impl<'a> Scope<'a> {
    /// The scope that evidence names.
    pub(super) fn of(told: &'a evidence::Scope) -> Self {
        match told {
            evidence::Scope::Everyone => Scope::Everyone,
            evidence::Scope::Pod { pod, direction } => Scope::Pod(&pod.pod, *direction),
            evidence::Scope::Node { node, direction } => Scope::Node(node, *direction),
            evidence::Scope::Between { nodes: (a, b) } => Scope::Between(a, b),
            evidence::Scope::OneWay { from, to } => Scope::OneWay(from, to),
        }
    }
}

/// Red pairs with one explanation.
pub(super) struct Group<'g, 'a> {
    pub(super) scope: Scope<'a>,
    pub(super) red: Vec<&'g Pair<'a>>,
    /// All measured pairs of the same scope, red ones included.
    pub(super) all: usize,
}

impl<'a> Group<'_, 'a> {
    /// One failed dial for each direction between nodes that is red, two directions at most. Of the transports that fail it is
    /// the one whose every packet can be told apart: UDP, ICMP, then TCP.
    pub(super) fn representatives(&self) -> Vec<&'a Dial> {
        let rank = |dial: &&Dial| match dial.request.transport {
            Transport::Udp => 0,
            Transport::Icmp => 1,
            Transport::Tcp => 2,
        };
        let mut red: Vec<&&Pair<'a>> = self.red.iter().collect();
        red.sort_by_key(|pair| !pair.pods_only);
        let mut directions = BTreeSet::new();
        let mut chosen: Vec<&'a Dial> = Vec::new();
        for pair in red {
            let reverse = (pair.to_node, pair.from_node);
            let first = directions.is_empty();
            if (first || directions.contains(&reverse))
                && directions.insert((pair.from_node, pair.to_node))
            {
                chosen.extend(pair.failed.iter().copied().min_by_key(rank));
            }
        }
        chosen
    }
}

/// Counts of one cell of a matrix.
#[derive(Clone, Copy, Default)]
pub(super) struct Cell {
    measured: usize,
    red: usize,
}

impl Cell {
    fn add(&mut self, pair: &Pair<'_>) {
        self.measured += 1;
        self.red += usize::from(!pair.failed.is_empty());
    }

    /// Nine in ten: one lucky retry must not hide a row.
    pub(super) fn is_red(self) -> bool {
        self.red > 0 && self.red * 10 >= self.measured * 9
    }

    /// The pairs of a scope.
    pub(super) fn of(pairs: &[&Pair<'_>], scope: Scope<'_>) -> Self {
        let mut cell = Cell::default();
        let covered = pairs.iter().filter(|pair| covers(scope, pair));
        covered.for_each(|pair| cell.add(pair));
        cell
    }
}

/// Groups the red pairs; those of `known` scopes are taken out of the picture first, as they have their explanation. The picture is
/// not to single out pods that are `cleared`.
pub(super) fn groups<'g, 'a>(
    pairs: &'g [Pair<'a>],
    span: Span,
    topology: &Topology<'a>,
    known: &BTreeSet<Scope<'a>>,
    cleared: &BTreeSet<&'a PodRef>,
) -> Vec<Group<'g, 'a>> {
    let measured: Vec<&Pair<'a>> = pairs.iter().collect();
    let mut red: Vec<&Pair<'a>> = measured
        .iter()
        .copied()
        .filter(|pair| !pair.failed.is_empty())
        .collect();
    let mut groups: Vec<Group<'g, 'a>> = Vec::new();
    let mut take = |scope: Scope<'a>, red: &mut Vec<&'g Pair<'a>>| {
        let (mine, rest): (Vec<_>, Vec<_>) = red.iter().partition(|pair| covers(scope, pair));
        *red = rest;
        if !mine.is_empty() {
            let all = measured.iter().filter(|pair| covers(scope, pair)).count();
            groups.push(Group {
                scope,
                red: mine,
                all,
            });
        }
    };
    let mut singled = singled_pods(&measured, topology);
    singled.retain(|scope| !matches!(scope, Scope::Pod(pod, _) if cleared.contains(pod)));
    let more = known.iter().filter(|scope| !singled.contains(scope));
    singled.extend(more.copied().collect::<Vec<_>>());
    for scope in &singled {
        take(*scope, &mut red);
    }
    let touches_singled = |pair: &Pair<'_>| singled.iter().any(|scope| covers(*scope, pair));
    // Pods first: what a node or hostNetwork pod cannot reach usually follows from the same fault, and part of it stays
    // green (a FORWARD rule does not see what the node itself sends), which would blur the picture.
    for pods_only in [true, false] {
        while red.iter().any(|pair| pair.pods_only || !pods_only) {
            let class: Vec<&Pair<'a>> = measured
                .iter()
                .copied()
                .filter(|pair| (pair.pods_only || !pods_only) && !touches_singled(pair))
                .collect();
            let before = red.len();
            for scope in node_scopes(&class, &red, span) {
                take(scope, &mut red);
            }
            if red.len() == before {
                break;
            }
        }
    }
    for pair in red.clone() {
        take(Scope::OneWay(pair.from_node, pair.to_node), &mut red);
    }
    groups
}

/// Whether a pair belongs to a scope.
pub(super) fn covers(scope: Scope<'_>, pair: &Pair<'_>) -> bool {
    let ends = |is_from: bool, is_to: bool, direction: Direction| match direction {
        Direction::Both => is_from || is_to,
        Direction::Out => is_from,
        Direction::In => is_to,
    };
    match scope {
        Scope::Everyone => true,
        Scope::Pod(pod, direction) => ends(is_pod(pair.from, pod), is_pod(pair.to, pod), direction),
        Scope::Node(node, direction) => {
            ends(pair.from_node == node, pair.to_node == node, direction)
        }
        Scope::Between(a, b) => {
            (pair.from_node == a && pair.to_node == b) || (pair.from_node == b && pair.to_node == a)
        }
        Scope::OneWay(a, b) => pair.from_node == a && pair.to_node == b,
    }
}

fn is_pod(endpoint: &Endpoint, pod: &PodRef) -> bool {
    matches!(endpoint, Endpoint::Pod(other) if other == pod)
}

/// Pods whose row or column is red although another pod of the same node has green pairs of its own.
fn singled_pods<'a>(measured: &[&Pair<'a>], topology: &Topology<'a>) -> Vec<Scope<'a>> {
    type Cells<'a> = BTreeMap<&'a PodRef, Cell>;
    let (mut out, mut into) = (Cells::new(), Cells::new());
    for pair in measured {
        for (end, cells) in [(pair.from, &mut out), (pair.to, &mut into)] {
            if let Endpoint::Pod(pod) = end {
                cells.entry(pod).or_default().add(pair);
            }
        }
    }
    let is_red = |cells: &Cells<'_>, pod: &PodRef| cells.get(pod).is_some_and(|cell| cell.is_red());
    let any_red = |cells: &Cells<'_>, pod: &PodRef| cells.get(pod).is_some_and(|cell| cell.red > 0);
    // One direction dead and part of the other red has one cause (without a default route a pod still answers its gateway).
    let dead = |pod: &PodRef| match (is_red(&out, pod), is_red(&into, pod)) {
        (true, true) => Some(Direction::Both),
        (true, false) if any_red(&into, pod) => Some(Direction::Both),
        (false, true) if any_red(&out, pod) => Some(Direction::Both),
        (true, false) => Some(Direction::Out),
        (false, true) => Some(Direction::In),
        (false, false) => None,
    };
    let dead: BTreeMap<&'a PodRef, Direction> = topology
        .networked()
        .filter_map(|pod| Some((pod.reference(), dead(pod.reference())?)))
        .collect();
    // A pod that is not dead itself has green pairs; it vouches for its node.
    let vouches: BTreeSet<&str> = measured
        .iter()
        .filter(|pair| pair.failed.is_empty())
        .flat_map(|pair| [(pair.from, pair.from_node), (pair.to, pair.to_node)])
        .filter(|(end, _)| !topology.on_host(end))
        .filter(|(end, _)| !matches!(end, Endpoint::Pod(pod) if dead.contains_key(pod)))
        .map(|(_, node)| node)
        .collect();
    dead.iter()
        .filter(|(pod, _)| {
            topology
                .pod(pod)
                .is_some_and(|pod| vouches.contains(pod.object.node.as_str()))
        })
        .map(|(pod, direction)| Scope::Pod(pod, *direction))
        .collect()
}

/// Scopes at node granularity that the red pairs call for, the widest first.
fn node_scopes<'a>(class: &[&Pair<'a>], red: &[&Pair<'a>], span: Span) -> Vec<Scope<'a>> {
    let mut cells: BTreeMap<(&'a str, &'a str), Cell> = BTreeMap::new();
    for pair in class {
        cells
            .entry((pair.from_node, pair.to_node))
            .or_default()
            .add(pair);
    }
    let nodes: BTreeSet<&'a str> = cells.keys().flat_map(|(a, b)| [*a, *b]).collect();
    let enough = nodes.len() >= 3 || (span == Span::SameNode && nodes.len() >= 2);
    if enough && cells.values().all(|cell| cell.is_red()) {
        return vec![Scope::Everyone];
    }
    let mut scopes = Vec::new();
    if span == Span::CrossNode && nodes.len() >= 3 {
        scopes.extend(nodes.iter().filter_map(|node| node_scope(node, &cells)));
        // A node that is red in both directions explains more than one that is red in one direction.
        scopes.sort_by_key(|scope| !matches!(scope, Scope::Node(_, Direction::Both)));
    }
    let left = red.iter().filter(|pair| {
        !scopes.iter().any(|scope| covers(*scope, pair))
            && cells.contains_key(&(pair.from_node, pair.to_node))
    });
    let directions: BTreeSet<(&'a str, &'a str)> =
        left.map(|pair| (pair.from_node, pair.to_node)).collect();
    for (a, b) in &directions {
        if directions.contains(&(b, a)) {
            scopes.extend((a <= b).then_some(Scope::Between(a, b)));
        } else {
            scopes.push(Scope::OneWay(a, b));
        }
    }
    scopes
}

/// A node whose whole row or column is red.
fn node_scope<'a>(node: &'a str, cells: &BTreeMap<(&'a str, &'a str), Cell>) -> Option<Scope<'a>> {
    let all_red = |mut cells: Box<dyn Iterator<Item = &Cell> + '_>| {
        let mut any = false;
        cells.all(|cell| {
            any = true;
            cell.is_red()
        }) && any
    };
    let row = all_red(Box::new(
        cells
            .iter()
            .filter(|((from, _), _)| *from == node)
            .map(|(_, cell)| cell),
    ));
    let column = all_red(Box::new(
        cells
            .iter()
            .filter(|((_, to), _)| *to == node)
            .map(|(_, cell)| cell),
    ));
    match (row, column) {
        (true, true) => Some(Scope::Node(node, Direction::Both)),
        (true, false) => Some(Scope::Node(node, Direction::Out)),
        (false, true) => Some(Scope::Node(node, Direction::In)),
        (false, false) => None,
    }
}
