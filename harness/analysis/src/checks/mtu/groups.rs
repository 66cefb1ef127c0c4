//! Paths on which a size fares as it should not, by whom they have in common, and which of them are worth following.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::PodRef;
use flatnet_model::evidence::Direction;
use flatnet_model::follow::{Burst, Wanted};
use flatnet_model::observations::{Endpoint, MtuRun, Observations};
use flatnet_model::probe::{DialRequest, Transport};

use super::run::{Dead, Fault, Outcome, judge_run};
use crate::checks::topology::Topology;

/// Paths with one explanation.
pub(super) struct Group<'a> {
    pub(super) fault: Fault,
    /// A pod that all of them have in common, while another pod of its node is well; and which of its paths they are.
    pub(super) pod: Option<(&'a PodRef, Direction)>,
    pub(super) runs: Vec<&'a MtuRun>,
}

impl<'a> Group<'a> {
    /// One path of each direction between two nodes, two of them at most.
    fn representatives(&self, topology: &Topology<'a>) -> Vec<&'a MtuRun> {
        let Some(first) = self.runs.first() else {
            return Vec::new();
        };
        let nodes = |run: &MtuRun| (topology.node_of(&run.from), topology.node_of(&run.to));
        let pods = |run: &MtuRun| (run.from.clone(), run.to.clone());
        let (from, to) = nodes(first);
        let back = match from == to {
            true => self.runs.iter().find(|run| {
                let (from, to) = pods(run);
                (to, from) == pods(first)
            }),
            false => self.runs.iter().find(|run| nodes(run) == (to, from)),
        };
        [*first].into_iter().chain(back.copied()).collect()
    }
}

/// What is tried again under watch: packets that should pass whole and do not.
pub fn oversized(observations: &Observations) -> Vec<Wanted> {
    let mut red: BTreeMap<Fault, Vec<&MtuRun>> = BTreeMap::new();
    let dead = Dead::of(observations);
    for run in &observations.mtu {
        if let Err(Outcome::Fault(fault @ Fault::TooLarge { .. })) = judge_run(run, &dead) {
            red.entry(fault).or_default().push(run);
        }
    }
    if red.is_empty() {
        return Vec::new();
    }
    let topology = Topology::of(observations);
    let groups = red
        .into_iter()
        .flat_map(|(fault, runs)| groups(&topology, fault, runs));
    let chosen = groups.flat_map(|group| group.representatives(&topology));
    let wanted = |run: &MtuRun| Wanted {
        from: run.from.clone(),
        to: run.to.clone(),
        request: DialRequest {
            address: run.address,
            transport: Transport::Udp,
            port: run.port,
        },
        burst: Burst::Sized {
            bytes: run.interface_mtu,
        },
    };
    chosen.map(wanted).collect()
}

/// Red runs and all of one pod in one direction.
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

type Cells<'a> = BTreeMap<&'a PodRef, Cell>;

/// Groups `red` runs of one fault: those of pods that stand out among the pods of their node, then the others.
pub(super) fn groups<'a>(
    topology: &Topology<'a>,
    fault: Fault,
    mut red: Vec<&'a MtuRun>,
) -> Vec<Group<'a>> {
    let (mut out, mut into) = (Cells::new(), Cells::new());
    let count = |cells: &mut Cells<'a>, end: &'a Endpoint, is_red: bool| {
        if let Endpoint::Pod(pod) = end {
            let cell = cells.entry(pod).or_default();
            cell.all += 1;
            cell.red += usize::from(is_red);
        }
    };
    let all_red: BTreeSet<*const MtuRun> = red.iter().map(|run| std::ptr::from_ref(*run)).collect();
    for run in &topology.observations.mtu {
        let is_red = all_red.contains(&std::ptr::from_ref(run));
        count(&mut out, &run.from, is_red);
        count(&mut into, &run.to, is_red);
    }
    let mut groups = Vec::new();
    for (pod, direction) in singled(topology, &out, &into) {
        let (mine, rest): (Vec<_>, Vec<_>) = red.into_iter().partition(|run| {
            let is = |end: &Endpoint| matches!(end, Endpoint::Pod(end) if end == pod);
            match direction {
                Direction::Out => is(&run.from),
                Direction::In => is(&run.to),
                Direction::Both => is(&run.from) || is(&run.to),
            }
        });
        red = rest;
        groups.push(Group {
            fault,
            pod: Some((pod, direction)),
            runs: mine,
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

/// Pods of which every path in a direction is red, where a pod of the same node has one in that direction that is not.
fn singled<'a>(
    topology: &Topology<'a>,
    out: &Cells<'a>,
    into: &Cells<'a>,
) -> Vec<(&'a PodRef, Direction)> {
    let node = |pod: &PodRef| topology.pod(pod).map(|pod| pod.object.node.as_str());
    let red = |cells: &Cells<'a>| -> BTreeSet<&'a PodRef> {
        let is_well = |of: Option<&str>| {
            let mut others = cells.iter().filter(|(pod, _)| node(pod) == of);
            others.any(|(_, cell)| !cell.is_red())
        };
        let red = cells
            .iter()
            .filter(|(pod, cell)| cell.is_red() && is_well(node(pod)));
        red.map(|(pod, _)| *pod).collect()
    };
    let (out, into) = (red(out), red(into));
    let both: BTreeSet<&PodRef> = out.union(&into).copied().collect();
    let direction = |pod: &PodRef| match (out.contains(pod), into.contains(pod)) {
        (true, true) => Direction::Both,
        (true, false) => Direction::Out,
        _ => Direction::In,
    };
    both.into_iter().map(|pod| (pod, direction(pod))).collect()
}
