//! What packets sent one after the other say about a path.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, Found, PathClass, Span, State, Subject, Symptom, Talk};
use flatnet_model::observations::{Dial, Endpoint, Fate, Occasion, SeriesRun};
use flatnet_model::probe::{PacketFate, Transport};

use super::Deviation;
use super::findings::some;
use super::topology::{Topology, common};

/// How the packets of a series fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// All were answered.
    Whole,
    /// The first was lost, and those after it answered.
    FirstLost,
    /// Some were lost.
    Part,
    /// None came through.
    Dead,
}

/// Nothing for a series that could not be sent.
pub(super) fn pattern(run: &SeriesRun) -> Option<Pattern> {
    let fates = run.packets.as_ref().ok()?;
    let (first, following) = fates.split_first()?;
    let (lost, lost_later) = (losses(fates), losses(following));
    // Every connection has a first packet of its own, which TCP sends again.
    let again = |fate: &PacketFate| matches!(fate, PacketFate::Retransmitted { .. });
    Some(if lost == 0 {
        Pattern::Whole
    } else if fates.iter().all(again) {
        Pattern::FirstLost
    } else if lost == fates.len() {
        Pattern::Dead
    } else if first.is_lost() && lost_later == 0 {
        Pattern::FirstLost
    } else {
        Pattern::Part
    })
}

/// Packets that did not come through at once.
pub(super) fn losses(fates: &[PacketFate]) -> usize {
    fates.iter().filter(|fate| fate.is_lost()).count()
}

/// Which paths are compared with each other.
pub(super) fn class(topology: &Topology<'_>, run: &SeriesRun) -> Option<PathClass> {
    if !topology.takes_part(&run.from) || !topology.takes_part(&run.to) {
        return None;
    }
    let nodes = (topology.node_of(&run.from)?, topology.node_of(&run.to)?);
    Some(match nodes {
        _ if topology.on_host(&run.from) || topology.on_host(&run.to) => PathClass::Node,
        (a, b) if a == b => PathClass::SameNode,
        _ => PathClass::CrossNode,
    })
}

/// Directions between nodes, each once, and the node that all of them have in common.
pub(super) fn extent<'a>(
    topology: &Topology<'a>,
    ends: impl Iterator<Item = (&'a Endpoint, &'a Endpoint)>,
) -> (Vec<(String, String)>, Option<&'a str>) {
    let directions = ends.filter_map(|(from, to)| {
        let nodes = (topology.node_of(from)?, topology.node_of(to)?);
        Some(nodes)
    });
    let directions = Vec::from_iter(BTreeSet::from_iter(directions));
    let nodes = topology.nodes().map(|node| node.object.name.as_str());
    let culprit = common(&directions, &nodes.collect());
    let between = directions
        .iter()
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
    (between.collect(), culprit)
}

/// Paths of one span that lose part of the packets.
pub(super) struct Lossy<'a> {
    topology: &'a Topology<'a>,
    span: Span,
    runs: Vec<&'a SeriesRun>,
}

impl<'a> Lossy<'a> {
    /// Packets that must have got lost: a single one says nothing.
    pub(super) const FEWEST: usize = 2;

    pub(super) fn of(topology: &'a Topology<'a>, span: Span) -> Self {
        let in_span = |run: &&SeriesRun| {
            let nodes = (topology.node_of(&run.from), topology.node_of(&run.to));
            (nodes.0 == nodes.1) == (span == Span::SameNode)
        };
        let part = |run: &&SeriesRun| pattern(run) == Some(Pattern::Part);
        let all = topology.observations.series.iter();
        let mut runs: Vec<&SeriesRun> = all.filter(in_span).filter(part).collect();
        let lost: usize = runs.iter().map(|run| counts(run).0).sum();
        if lost < Self::FEWEST {
            runs.clear();
        }
        Lossy {
            topology,
            span,
            runs,
        }
    }

    /// Whether a dial that failed is one of those that fail some of the time.
    pub(super) fn explains(&self, dial: &Dial) -> bool {
        let fate = self.topology.observations.fate(dial);
        if self.runs.is_empty() || !matches!(fate, Fate::Failed { .. }) {
            return false;
        }
        let way = |from: &Endpoint, to: &Endpoint| {
            (self.topology.node_of(from), self.topology.node_of(to))
        };
        let here = way(&dial.from, &dial.to);
        // A path on which nothing came through when it was measured at length is dead; few packets say less.
        let mut series = self.topology.observations.series.iter();
        let dead = series.any(|run| {
            run.occasion == Occasion::Suspicion
                && (&run.from, &run.to, run.request) == (&dial.from, &dial.to, dial.request)
                && pattern(run) == Some(Pattern::Dead)
        });
        if dead {
            return false;
        }
        // Over another transport, or the way back, the same packets may be lost.
        let like = |run: &&SeriesRun| {
            let there = way(&run.from, &run.to);
            there == here || (there.1, there.0) == here
        };
        self.runs.iter().any(like)
    }

    pub(super) fn evidence(&self) -> Option<Deviation> {
        let first = self.runs.first()?;
        let ends = self.runs.iter().map(|run| (&run.from, &run.to));
        let (between, culprit) = extent(self.topology, ends);
        let (mut lost, mut sent) = (0, 0);
        let mut each: BTreeMap<_, Vec<State>> = BTreeMap::new();
        for run in &self.runs {
            let (of_run, all) = counts(run);
            lost += of_run;
            sent += all;
            let state = Talk::SeriesLost {
                from: run.from.clone(),
                to: run.to.clone(),
                over: run.request.transport,
                lost: of_run,
                sent: all,
            };
            // What was measured most comes first.
            let states = each.entry(std::cmp::Reverse(all)).or_default();
            states.push(state.into());
        }
        let over: BTreeSet<Transport> = self.runs.iter().map(|run| run.request.transport).collect();
        let pairs = between.iter().cloned();
        let ping = format!("ping -c 20 {}", first.request.address);
        Some(Deviation {
            subjects: pairs.map(|(from, to)| Subject::Pair { from, to }).collect(),
            culprits: culprit.map(Subject::node_of).into_iter().collect(),
            finding: Finding::of(
                Symptom::PartLost {
                    span: self.span,
                    lost,
                    sent,
                    over,
                    between,
                },
                Found::inferred(Cause::LossyPath {
                    node: culprit.map(str::to_owned),
                }),
            ),
            expected: Talk::EveryPacketAnswered.into(),
            observed: some(each.into_values().flatten().collect(), 4),
            look: self.topology.in_end(&first.from, &ping),
        })
    }
}

/// Packets lost, and sent.
fn counts(run: &SeriesRun) -> (usize, usize) {
    let fates = run.packets.as_deref().unwrap_or_default();
    (losses(fates), fates.len())
}
