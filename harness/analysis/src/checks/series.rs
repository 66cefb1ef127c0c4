//! What packets sent one after the other say about a path.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, Found, PathClass, Span, State, Subject, Symptom, Talk};
use flatnet_model::follow::{Burst, Fate as Ending, Wanted};
use flatnet_model::observations::{Dial, Endpoint, Fate, Observations, Occasion, SeriesRun};
use flatnet_model::probe::{PacketFate, Transport};

use super::Deviation;
use super::findings::{Problem, some};
use super::topology::{Topology, common};
use super::{followed, node_facts};

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

    pub(super) fn of_all(topology: &'a Topology<'a>) -> [Self; 2] {
        [Span::SameNode, Span::CrossNode].map(|span| Lossy::of(topology, span))
    }

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
        self.loses(&dial.from, &dial.to)
    }

    /// Whether at least one in ten packets between the nodes of these ends gets lost: then a few that are not answered say nothing else.
    pub(super) fn is_heavy(&self, from: &Endpoint, to: &Endpoint) -> bool {
        let runs = self.between(from, to).map(counts);
        let (lost, sent) = runs.fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
        lost > 0 && lost * 10 >= sent
    }

    /// Whether any packet between the nodes of these ends gets lost.
    pub(super) fn loses(&self, from: &Endpoint, to: &Endpoint) -> bool {
        self.between(from, to).next().is_some()
    }

    /// Paths that lose packets between the nodes of these ends, either way.
    fn between(&self, from: &Endpoint, to: &Endpoint) -> impl Iterator<Item = &'a SeriesRun> {
        let way = |from: &Endpoint, to: &Endpoint| {
            (self.topology.node_of(from), self.topology.node_of(to))
        };
        let here = way(from, to);
        let like = move |run: &&SeriesRun| {
            let there = way(&run.from, &run.to);
            there == here || (there.1, there.0) == here
        };
        self.runs.iter().copied().filter(like)
    }

    pub(super) fn evidence(&self) -> Option<Deviation> {
        let first = self.runs.first()?;
        let ends = self.runs.iter().map(|run| (&run.from, &run.to));
        let (between, common) = extent(self.topology, ends);
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
        let fate = self.fate();
        let (culprits, cause) = self.explain(fate, &between, common);
        let mut observed: Vec<State> = fate.cloned().map(State::Followed).into_iter().collect();
        observed.extend(some(each.into_values().flatten().collect(), 4));
        observed.extend(followed::withheld(self.topology));
        let ping = format!("ping -c 20 {}", first.request.address);
        let look = crate::look::at(&cause.cause, &self.topology.observations.pods);
        let pairs = between.iter().cloned();
        Some(Deviation {
            subjects: pairs.map(|(from, to)| Subject::Pair { from, to }).collect(),
            culprits,
            finding: Finding::of(
                Symptom::PartLost {
                    span: self.span,
                    lost,
                    sent,
                    over,
                    between,
                },
                cause,
            ),
            expected: Talk::EveryPacketAnswered.into(),
            observed,
            look: look.unwrap_or_else(|| crate::look::in_end(&first.from, &ping)),
        })
    }

    /// Where the packets of these paths that were sent once more and got lost ended.
    fn fate(&self) -> Option<&'a Ending> {
        let is_ours = |from: &Endpoint, to: &Endpoint| {
            let mut runs = self.runs.iter();
            runs.any(|run| run.from == *from && run.to == *to)
        };
        let seen = followed::of_burst(self.topology, Burst::Many, is_ours);
        followed::fate(&seen).map(|(_, fate)| fate)
    }

    /// Why, and who is to blame: what was seen of packets that got lost, what was read of the nodes, else the node that all paths
    /// have in common.
    fn explain(
        &self,
        fate: Option<&Ending>,
        between: &[(String, String)],
        common: Option<&str>,
    ) -> (Vec<Subject>, Found) {
        let seen = fate.and_then(|fate| fate.cause.as_ref());
        if let Some(problem) = self
            .shared(between)
            .filter(|_| seen.is_none_or(followed::is_outline))
            && let Some(found) = problem.deviation.finding.found()
        {
            return (problem.deviation.culprits.clone(), found.clone());
        }
        let culprits = match fate {
            Some(fate) => followed::blamed(self.topology, fate),
            None => common.map_or_else(Vec::new, |node| self.on(node)),
        };
        let concluded = || {
            let node = match culprits.first() {
                Some(Subject::Node { node }) => Some(node.clone()),
                _ => None,
            };
            Found::inferred(Cause::LossyPath { node })
        };
        let cause = seen.cloned().unwrap_or_else(concluded);
        (culprits, cause)
    }

    /// Who is to blame on the node that all paths have in common: a pod that all of them have in common, where another pod there loses
    /// nothing of as many packets; nobody, where no other was measured so.
    fn on(&self, node: &str) -> Vec<Subject> {
        let is_pod_here = |end: &Endpoint| {
            self.topology.node_of(end) == Some(node) && !self.topology.on_host(end)
        };
        let in_all = |end: &&'a Endpoint| {
            let mut runs = self.runs.iter();
            runs.all(|run| run.from == **end || run.to == **end)
        };
        let first = self.runs.first().map(|run| [&run.from, &run.to]);
        let shared: Vec<&Endpoint> = first.into_iter().flatten().filter(in_all).collect();
        let pod = match shared[..] {
            [pod] if is_pod_here(pod) => pod,
            _ => return vec![Subject::node_of(node)],
        };
        let fewest = self.runs.iter().map(|run| counts(run).1).min();
        let mut series = self.topology.observations.series.iter();
        let other_is_well = series.any(|run| {
            let ends = [&run.from, &run.to];
            !ends.contains(&pod)
                && ends.into_iter().any(is_pod_here)
                && pattern(run) == Some(Pattern::Whole)
                && Some(counts(run).1) >= fewest
        });
        match other_is_well {
            true => self.topology.subject(pod).into_iter().collect(),
            false => Vec::new(),
        }
    }

    /// Two nodes with one address or one Ethernet address, of which every lossy direction has one: what is for the one goes to the
    /// other now and then.
    fn shared(&self, between: &[(String, String)]) -> Option<Problem> {
        let pairs = || between.iter().map(|(from, to)| (&from[..], &to[..]));
        let problems = node_facts::problems(self.topology).into_iter();
        let mut shared = problems.filter(|problem| node_facts::is_shared_by(problem, pairs()));
        shared.next()
    }
}

/// Paths to send again under watch: per span, the one with the highest loss, and one in the reverse direction.
pub fn lossy(observations: &Observations) -> Vec<Wanted> {
    let part = |run: &SeriesRun| pattern(run) == Some(Pattern::Part);
    if !observations.series.iter().any(part) {
        return Vec::new();
    }
    let topology = Topology::of(observations);
    let spans = [Span::SameNode, Span::CrossNode];
    let chosen = spans.into_iter().flat_map(|span| {
        let mut runs = Lossy::of(&topology, span).runs;
        // Segments of TCP are sent again by the kernel.
        runs.sort_by_key(|run| {
            let (lost, sent) = counts(run);
            (
                run.request.transport == Transport::Tcp,
                std::cmp::Reverse(lost * 1000 / sent.max(1)),
            )
        });
        let ends = |run: &SeriesRun| (topology.node_of(&run.from), topology.node_of(&run.to));
        let first = runs.first().copied();
        let back = first.and_then(|first| {
            let (from, to) = ends(first);
            let mut rest = runs.iter().skip(1);
            rest.find(|run| ends(run) == (to, from)).copied()
        });
        first.into_iter().chain(back)
    });
    let wanted = |run: &SeriesRun| Wanted {
        from: run.from.clone(),
        to: run.to.clone(),
        request: run.request,
        burst: Burst::Many,
    };
    chosen.map(wanted).collect()
}

/// Packets lost, and sent.
fn counts(run: &SeriesRun) -> (usize, usize) {
    let fates = run.packets.as_deref().unwrap_or_default();
    (losses(fates), fates.len())
}
