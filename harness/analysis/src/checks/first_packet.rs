//! `first-packet`: the first packet of a path fares like those after it.
//!
//! Time alone does not make it fail on a busy machine: a first packet is late only where an echo, which kernels answer, was
//! away far longer than every echo after it, on most paths of a class.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::Endpoint;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, Found, PathClass, State, Subject, Symptom, Talk};
use flatnet_model::observations::{Observations, Occasion, SeriesRun};
use flatnet_model::probe::{DialOutcome, PacketFate, Transport};
use flatnet_model::skip::SkipReason;

use super::findings::{Findings, count, some, without_networked};
use super::series::{Lossy, Pattern, class, extent, losses, pattern};
use super::topology::Topology;
use super::{Deviation, Verdict};
use crate::words::{milliseconds, path_class};

/// A first echo that was away less than this is not late, microseconds: neighbour resolution takes a round trip, and its
/// retransmission a second (net.ipv4.neigh.default.retrans_time_ms).
const LATE_US: u64 = 100_000;
/// And it was away this many times as long as the slowest after it.
const TIMES_LATE: u64 = 20;

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skipped) = without_networked(&topology) {
        return skipped;
    }
    let mut findings = Findings::default();
    let mut classes: BTreeMap<PathClass, Paths<'_>> = BTreeMap::new();
    let mut unsent: BTreeSet<&str> = BTreeSet::new();
    for run in &observations.series {
        let Some(class) = class(&topology, run) else {
            continue;
        };
        match &run.packets {
            Ok(_) => classes.entry(class).or_default().add(run),
            Err(why) => drop(unsent.insert(why)),
        }
    }
    let measured: usize = classes.values().map(|paths| paths.measured).sum();
    if measured == 0 {
        let alone = observations.series.is_empty() && topology.networked().count() < 2;
        if alone && topology.idle().next().is_none() {
            return Verdict::Skip {
                reason: SkipReason::OnePod,
            };
        }
        let why = Vec::from_iter(unsent);
        findings.unmeasured(match why.is_empty() {
            true => "no path answered a series of packets, see same-node and cross-node".to_owned(),
            false => format!("no series of packets was sent: {}", why.join("; ")),
        });
    }
    let lost: usize = classes.values().map(|paths| paths.lost.len()).sum();
    if measured > 0 {
        let slowest = classes.values().map(|paths| paths.slowest.first_us).max();
        findings.fact(format!(
            "first packet lost on {lost} of {}, the slowest took {}",
            count(measured, "path"),
            milliseconds(slowest.unwrap_or_default())
        ));
    }
    for (class, paths) in &classes {
        if paths.measured > 0 {
            findings.fact(paths.figures(*class));
        }
        if paths.is_red(lost) {
            findings.fail(paths.evidence(*class, &topology));
        }
    }
    repeated(observations, &mut findings);
    findings.mention_idle(&topology);
    findings.verdict()
}

/// Paths of one class.
#[derive(Default)]
struct Paths<'a> {
    /// Of which packets came through.
    measured: usize,
    /// Packets that were lost on paths that lose some of them, first or not.
    strewn: usize,
    lost: Vec<&'a SeriesRun>,
    late: Vec<(&'a SeriesRun, Times)>,
    /// The slowest.
    slowest: Times,
}

/// How long echoes were away at least, microseconds.
#[derive(Clone, Copy, Default)]
struct Times {
    first_us: u64,
    following_us: u64,
}

impl Times {
    /// Of an echo's series that came through whole.
    fn of(run: &SeriesRun) -> Option<Self> {
        let fates = run.packets.as_ref().ok()?;
        let time = |fate: &PacketFate| match fate {
            PacketFate::Answered { at_least_us } => Some(*at_least_us),
            _ => None,
        };
        let (first, following) = fates.split_first()?;
        let following: Option<Vec<u64>> = following.iter().map(time).collect();
        (run.request.transport == Transport::Icmp).then_some(())?;
        Some(Times {
            first_us: time(first)?,
            following_us: following?.into_iter().max()?,
        })
    }

    fn is_late(self) -> bool {
        self.first_us >= LATE_US && self.first_us >= self.following_us.saturating_mul(TIMES_LATE)
    }
}

impl<'a> Paths<'a> {
    fn add(&mut self, run: &'a SeriesRun) {
        match pattern(run) {
            Some(Pattern::Whole) => self.measured += 1,
            Some(Pattern::FirstLost) => {
                self.measured += 1;
                self.lost.push(run);
            }
            // Paths that lose any packet, and those that are dead, are for `same-node` and `cross-node`.
            Some(Pattern::Part) => {
                self.strewn += losses(run.packets.as_deref().unwrap_or_default());
                return;
            }
            Some(Pattern::Dead) | None => return,
        }
        let Some(times) = Times::of(run).filter(|_| run.occasion == Occasion::First) else {
            return;
        };
        self.slowest.first_us = self.slowest.first_us.max(times.first_us);
        self.slowest.following_us = self.slowest.following_us.max(times.following_us);
        if times.is_late() {
            self.late.push((run, times));
        }
    }

    /// Lost twice in a row on one path (its dial, then its series), or on several paths of whatever class; late on most.
    fn is_red(&self, lost_in_all: usize) -> bool {
        let again = |run: &&SeriesRun| run.occasion == Occasion::Suspicion;
        let lost = self.strewn < Lossy::FEWEST
            && !self.lost.is_empty()
            && (lost_in_all >= 2 || self.lost.iter().any(again));
        let late = self.late.len() >= 2 && self.late.len() * 2 >= self.measured;
        lost || late
    }

    fn figures(&self, class: PathClass) -> String {
        let class = path_class(class);
        format!(
            "{class}: first packet lost on {} of {}; slowest {}, slowest after it {}",
            self.lost.len(),
            count(self.measured, "path"),
            milliseconds(self.slowest.first_us),
            milliseconds(self.slowest.following_us)
        )
    }

    fn evidence(&self, class: PathClass, topology: &Topology<'a>) -> Deviation {
        let late = self.late.iter().map(|(run, _)| *run);
        let all: Vec<&SeriesRun> = self.lost.iter().copied().chain(late).collect();
        let (between, culprit) = extent(topology, all.iter().map(|run| (&run.from, &run.to)));
        // Paths of one pod say as much of the pod as of its node.
        let has_one_end = |end: &Endpoint| all.iter().all(|run| run.from == *end || run.to == *end);
        let of_a_pod = |end: &Endpoint| matches!(end, Endpoint::Pod(_)) && has_one_end(end);
        let culprit = culprit.filter(|_| !of_a_pod(&all[0].from) && !of_a_pod(&all[0].to));
        let unanswered = self.lost.iter().map(|run| Talk::FirstUnanswered {
            from: run.from.clone(),
            to: run.to.clone(),
            over: run.request.transport,
            following: run
                .packets
                .as_deref()
                .map_or(0, <[_]>::len)
                .saturating_sub(1),
        });
        let slow = self.late.iter().map(|(run, times)| Talk::FirstLate {
            from: run.from.clone(),
            to: run.to.clone(),
            over: run.request.transport,
            first_us: times.first_us,
            following_us: times.following_us,
        });
        let observed: Vec<State> = unanswered.chain(slow).map(State::from).collect();
        let pairs = between.iter().cloned();
        let ping = format!("ping -c 4 {}", all[0].request.address);
        Deviation {
            subjects: pairs.map(|(from, to)| Subject::Pair { from, to }).collect(),
            culprits: culprit.map(Subject::node_of).into_iter().collect(),
            finding: Finding::of(
                Symptom::FirstLost {
                    class,
                    lost: self.lost.len(),
                    late: self.late.len(),
                    paths: self.measured,
                    over: all.iter().map(|run| run.request.transport).collect(),
                    between,
                },
                Found::inferred(Cause::FirstPacketLost {
                    node: culprit.map(str::to_owned),
                }),
            ),
            expected: Talk::FirstAnswered.into(),
            observed: some(observed, 4),
            look: crate::look::in_end(&all[0].from, &ping),
        }
    }
}

/// Dials that took more than one packet for one: said even where it did not happen again.
fn repeated(observations: &Observations, findings: &mut Findings) {
    let dials = observations.dials.iter();
    let repeated = dials.filter(|dial| {
        matches!(
            dial.result,
            DialOutcome::Answered {
                attempts,
                retransmits,
                ..
            } if attempts > 1 || retransmits > 0
        )
    });
    let repeated = repeated.count();
    if repeated > 0 {
        findings.fact(format!(
            "{} answered only after packets were sent again",
            count(repeated, "dial")
        ));
    }
}
