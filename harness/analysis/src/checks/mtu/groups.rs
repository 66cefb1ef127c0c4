//! Paths on which a size fares as it should not, by whom they have in common.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::PodRef;
use flatnet_model::evidence::{Direction, PodAt, Subject};
use flatnet_model::follow::{Fate, Wanted};
use flatnet_model::observations::{Endpoint, MtuRun};

use super::run::Fault;
use crate::checks::followed;
use crate::checks::topology::{Topology, at};

/// Paths with one explanation.
pub(super) struct Group<'a> {
    pub(super) fault: Fault,
    /// A pod that all of them have in common, while another pod of its node is well; and which of its paths they are.
    pub(super) pod: Option<(&'a PodRef, Direction)>,
    pub(super) runs: Vec<&'a MtuRun>,
}

impl<'a> Group<'a> {
    /// The pod that all paths have in common, as evidence has it.
    pub(super) fn common_pod(&self, topology: &Topology<'_>) -> Option<(PodAt, Direction)> {
        let (pod, direction) = self.pod?;
        Some((at(topology.pod(pod)?), direction))
    }

    /// Directions between nodes, as evidence has them.
    pub(super) fn between(&self, topology: &Topology<'_>) -> Vec<(String, String)> {
        let between = directions(topology, &self.runs).into_iter();
        between
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .collect()
    }

    /// Whom evidence is about: the common pod, or pairs of nodes.
    pub(super) fn subjects(&self, topology: &Topology<'_>) -> Vec<Subject> {
        match self.common_pod(topology) {
            Some((pod, _)) => vec![Subject::Pod(pod)],
            None => {
                let pairs = self.between(topology).into_iter();
                pairs.map(|(from, to)| Subject::Pair { from, to }).collect()
            }
        }
    }

    /// One path of each direction between two nodes; where not all paths have a node in common, also of other nodes.
    pub(super) fn representatives(&self, topology: &Topology<'a>) -> Vec<&'a MtuRun> {
        let mut chosen = Vec::new();
        let mut followed: Vec<BTreeSet<&str>> = Vec::new();
        for run in &self.runs {
            let here = ends(topology, run);
            // One node more than those that are followed: a node to blame for paths of both is told from one that is not.
            let is_new = followed.iter().all(|others| !here.is_subset(others));
            let many = self.pod.is_none() && !self.is_of_one_node(topology);
            let most = if many { MOST_FOLLOWED } else { 1 };
            if followed.len() == most || !is_new {
                continue;
            }
            followed.push(here);
            chosen.push(*run);
            chosen.extend(self.back(topology, run));
        }
        chosen
    }

    /// The path of the other direction: between the same pods on one node, else between the same nodes.
    fn back(&self, topology: &Topology<'a>, first: &MtuRun) -> Option<&'a MtuRun> {
        let nodes = |run: &MtuRun| (topology.node_of(&run.from), topology.node_of(&run.to));
        let (from, to) = nodes(first);
        let mut runs = self.runs.iter().copied();
        match from == to {
            true => runs.find(|run| (&run.to, &run.from) == (&first.from, &first.to)),
            false => runs.find(|run| nodes(run) == (to, from)),
        }
    }

    fn is_of_one_node(&self, topology: &Topology<'a>) -> bool {
        let mut runs = self.runs.iter().map(|run| ends(topology, run));
        let Some(mut common) = runs.next() else {
            return true;
        };
        runs.for_each(|here| common.retain(|node| here.contains(node)));
        !common.is_empty()
    }
}

/// Pairs of nodes of which a path is followed, at most, where paths have no node in common.
const MOST_FOLLOWED: usize = 3;

fn ends<'a>(topology: &Topology<'a>, run: &MtuRun) -> BTreeSet<&'a str> {
    [&run.from, &run.to]
        .into_iter()
        .filter_map(|end| topology.node_of(end))
        .collect()
}

/// Red runs and all of one pod or node in one direction.
#[derive(Clone, Copy, Default)]
struct Cell {
    red: usize,
    all: usize,
}

impl Cell {
    fn is_red(self) -> bool {
        self.red > 0 && self.red == self.all
    }
}

/// Runs out of and into each pod or node.
struct Cells<K> {
    out: BTreeMap<K, Cell>,
    into: BTreeMap<K, Cell>,
}

impl<K: Ord + Copy> Cells<K> {
    /// Of runs with two ends, and whether each is red.
    fn of(runs: impl Iterator<Item = ((Option<K>, Option<K>), bool)>) -> Self {
        let (mut out, mut into) = (BTreeMap::new(), BTreeMap::new());
        let count = |cells: &mut BTreeMap<K, Cell>, end: Option<K>, is_red: bool| {
            let cell = end.map(|end| cells.entry(end).or_default());
            if let Some(cell) = cell {
                cell.all += 1;
                cell.red += usize::from(is_red);
            }
        };
        for ((from, to), is_red) in runs {
            count(&mut out, from, is_red);
            count(&mut into, to, is_red);
        }
        Cells { out, into }
    }

    /// Those of which every run in a direction is red, where one of their peers has one in that direction that is not.
    fn singled(&self, are_peers: impl Fn(K, K) -> bool) -> Vec<(K, Direction)> {
        let red = |cells: &BTreeMap<K, Cell>| -> BTreeSet<K> {
            let is_well = |of: K| {
                let mut others = cells.iter().filter(|(other, _)| are_peers(**other, of));
                others.any(|(_, cell)| !cell.is_red())
            };
            let red = cells
                .iter()
                .filter(|(of, cell)| cell.is_red() && is_well(**of));
            red.map(|(of, _)| *of).collect()
        };
        let (out, into) = (red(&self.out), red(&self.into));
        let direction = |of: &K| match (out.contains(of), into.contains(of)) {
            (true, true) => Direction::Both,
            (true, false) => Direction::Out,
            _ => Direction::In,
        };
        let both = out.union(&into);
        both.map(|of| (*of, direction(of))).collect()
    }
}

/// Whether one of a run's two ends is meant.
fn touches<K: PartialEq>(direction: Direction, of: &K, (from, to): (Option<K>, Option<K>)) -> bool {
    let is = |end: Option<K>| end.as_ref() == Some(of);
    match direction {
        Direction::Out => is(from),
        Direction::In => is(to),
        Direction::Both => is(from) || is(to),
    }
}

/// Groups `red` runs of one fault: those of pods that stand out among the pods of their node, those of nodes that stand out among the
/// nodes, then the others.
pub(super) fn groups<'a>(
    topology: &Topology<'a>,
    fault: Fault,
    mut red: Vec<&'a MtuRun>,
) -> Vec<Group<'a>> {
    let is_red: BTreeSet<*const MtuRun> = red.iter().map(|run| std::ptr::from_ref(*run)).collect();
    let is_red = |run: &MtuRun| is_red.contains(&std::ptr::from_ref(run));
    let pod = |end: &'a Endpoint| match end {
        Endpoint::Pod(pod) => Some(pod),
        _ => None,
    };
    let pods = |run: &'a MtuRun| (pod(&run.from), pod(&run.to));
    let nodes = |run: &MtuRun| (topology.node_of(&run.from), topology.node_of(&run.to));
    let all = || {
        let runs = topology.observations.mtu.iter();
        runs.filter(|run| fault.was_tried(run))
    };
    let mut groups = Vec::new();
    let node = |pod: &PodRef| topology.pod(pod).map(|pod| pod.object.node.as_str());
    let of_pods = Cells::of(all().map(|run| (pods(run), is_red(run))));
    let single_pods = of_pods.singled(|one, other| node(one) == node(other));
    for (pod, direction) in &single_pods {
        let (runs, rest) = red
            .into_iter()
            .partition(|run| touches(*direction, pod, pods(run)));
        red = rest;
        groups.push(Group {
            fault,
            pod: Some((pod, *direction)),
            runs,
        });
    }
    // What a pod has to itself says nothing of its node, and what stays on a node says nothing of the paths between nodes.
    let others = all().filter(|run| {
        let (from, to) = nodes(run);
        let mut single = single_pods.iter();
        from != to && !single.any(|(pod, direction)| touches(*direction, pod, pods(run)))
    });
    let of_nodes = Cells::of(others.map(|run| (nodes(run), is_red(run))));
    let single_nodes = of_nodes.singled(|_, _| true);
    let of_single = |end: Option<&str>| single_nodes.iter().any(|(node, _)| Some(*node) == end);
    for (node, direction) in &single_nodes {
        let (mut runs, rest): (Vec<_>, Vec<_>) = red
            .into_iter()
            .partition(|run| touches(*direction, node, nodes(run)));
        red = rest;
        // What is followed first is a path to a node that is well.
        runs.sort_by_key(|run| {
            let (from, to) = nodes(run);
            of_single(from) && of_single(to)
        });
        groups.push(Group {
            fault,
            pod: None,
            runs,
        });
    }
    groups.push(Group {
        fault,
        pod: None,
        runs: red,
    });
    groups.retain(|group| !group.runs.is_empty());
    groups
}

/// Directions between nodes, each once.
pub(super) fn directions<'a>(topology: &Topology<'a>, runs: &[&MtuRun]) -> Vec<(&'a str, &'a str)> {
    let nodes = |run: &&MtuRun| Some((topology.node_of(&run.from)?, topology.node_of(&run.to)?));
    let directions: BTreeSet<(&str, &str)> = runs.iter().filter_map(nodes).collect();
    directions.into_iter().collect()
}

/// A path of these that was followed with packets that show the fault, and where those ended.
pub(super) fn ended<'a>(
    topology: &Topology<'a>,
    runs: &[&MtuRun],
    fault: Fault,
) -> Option<(&'a Wanted, &'a Fate)> {
    let is_ours = |from: &_, to: &_| {
        let mut runs = runs.iter();
        runs.any(|run| run.from == *from && run.to == *to)
    };
    let seen = followed::of_burst(topology, fault.burst(), is_ours);
    followed::fate(&seen)
}
