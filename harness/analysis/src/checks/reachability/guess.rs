//! The likely cause of a group of red pairs that no configuration problem explains.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::{Cause, Loss};
use flatnet_model::evidence::Subject;
use flatnet_model::observations::{Dial, Endpoint, Fate};
use flatnet_model::probe::{DialOutcome, Failure};

use super::blame::{Group, Scope};
use super::pairs::Pair;
use super::seen::{Arrivals, Over};
use crate::checks::topology::Topology;

pub(super) fn guess(
    topology: &Topology<'_>,
    group: &Group<'_, '_>,
    over: &Over,
    arrivals: &Arrivals<'_>,
    at: Vec<Subject>,
) -> Cause {
    if let Some(cause) = diverted(topology, &group.red) {
        return cause;
    }
    if !over.passing.is_empty() {
        return Cause::TransportFiltered {
            failing: over.failing.clone(),
            passing: over.passing.clone(),
            family: over.family,
            at,
        };
    }
    if let Some(family) = over.family {
        return Cause::FamilyUnrouted { family, at };
    }
    let failed = group.red.iter().flat_map(|pair| &pair.failed);
    let kinds: BTreeSet<Kind> = failed.map(|dial| kind(dial)).collect();
    match Vec::from_iter(kinds)[..] {
        [Kind::Refused] => Cause::Rejected { at },
        [Kind::Unreachable] => Cause::NoRouteInTransit { at },
        // A stream socket says "unreachable" of the same answer.
        [Kind::Prohibited] | [Kind::Unreachable, Kind::Prohibited] => Cause::Prohibited { at },
        _ => Cause::PacketsLost {
            loss: loss(group.scope, arrivals),
            at,
        },
    }
}

/// A dial that another end answered than the one it was for.
pub(super) struct Diversion<'a> {
    pub(super) dial: &'a Dial,
    /// The name that end gave.
    pub(super) by: &'a str,
}

impl<'a> Diversion<'a> {
    /// The first of a group.
    pub(super) fn of(topology: &Topology<'a>, group: &Group<'_, 'a>) -> Option<Self> {
        let mut failed = group.red.iter().flat_map(|pair| &pair.failed);
        failed.find_map(|dial| match topology.observations.fate(dial) {
            Fate::Diverted(by) => Some(Diversion { dial, by }),
            _ => None,
        })
    }

    pub(super) fn cause(&self) -> Cause {
        Cause::Dnat {
            address: self.dial.request.address,
            target: self.dial.to.clone(),
        }
    }
}

/// When others are answered by the client itself where they dial the server, the client's own requests come back to it
/// with its own source address, and its kernel drops them.
fn diverted(topology: &Topology<'_>, red: &[&Pair<'_>]) -> Option<Cause> {
    let pair = red[0];
    let by_client = |dial: &&Dial| {
        dial.to == *pair.to
            && matches!(&dial.result, DialOutcome::Answered { responder: Some(text), .. } if pair.from.is_called(text))
    };
    topology
        .observations
        .dials
        .iter()
        .find(by_client)
        .filter(|_| red.len() == 1)?;
    Some(Cause::Diverted {
        to: pair.to.clone(),
        by: pair.from.clone(),
    })
}

/// Two nodes of the scope whose own addresses do not answer each other over any transport, in a family in which the group
/// fails: below the pod network.
pub(super) fn underlay_cut(
    topology: &Topology<'_>,
    group: &Group<'_, '_>,
) -> Option<(String, String)> {
    let concerned = |a: &str, b: &str| match group.scope {
        Scope::Everyone => true,
        Scope::Pod(..) => false,
        Scope::Node(node, _) => a == node || b == node,
        Scope::Between(x, y) | Scope::OneWay(x, y) => (a == x && b == y) || (a == y && b == x),
    };
    let mut failed = group.red.iter().flat_map(|pair| &pair.failed);
    let families: BTreeSet<bool> = failed
        .by_ref()
        .map(|dial| dial.request.address.is_ipv4())
        .collect();
    let mut reached: BTreeMap<(&str, &str, bool), bool> = BTreeMap::new();
    for dial in &topology.observations.dials {
        let (Endpoint::Node(a), Endpoint::Node(b)) = (&dial.from, &dial.to) else {
            continue;
        };
        let v4 = dial.request.address.is_ipv4();
        if a != b
            && concerned(a, b)
            && families.contains(&v4)
            && let Some(answered) = topology.observations.fate(dial).reached()
        {
            *reached.entry((a, b, v4)).or_default() |= answered;
        }
    }
    // A node that its own pods do not reach either is cut off by itself, and not by what joins the nodes.
    let cut_off: BTreeSet<&str> = topology
        .observations
        .dials
        .iter()
        .filter(|dial| {
            topology.on_host(&dial.from) != topology.on_host(&dial.to)
                && families.contains(&dial.request.address.is_ipv4())
                && topology.observations.fate(dial).reached() == Some(false)
        })
        .filter_map(|dial| {
            let node = topology.node_of(&dial.from)?;
            (topology.node_of(&dial.to) == Some(node)).then_some(node)
        })
        .collect();
    let mut cut = reached.into_iter().filter(|(_, answered)| !answered);
    let ((a, b, _), _) = cut.find(|((a, b, _), _)| !cut_off.contains(a) && !cut_off.contains(b))?;
    Some((a.to_owned(), b.to_owned()))
}

/// What the far ends' records of requests say about where packets get lost.
fn loss(scope: Scope<'_>, arrivals: &Arrivals<'_>) -> Loss {
    let fates = |wanted: &dyn Fn(&str, &str) -> bool| {
        let chosen: Vec<_> = arrivals
            .iter()
            .filter(|((from, to), _)| wanted(from, to))
            .map(|(_, counts)| *counts)
            .collect();
        let lost = !chosen.is_empty() && chosen.iter().all(|(arrived, _)| *arrived == 0);
        let came = !chosen.is_empty() && chosen.iter().all(|(arrived, known)| arrived == known);
        (lost, came)
    };
    if arrivals.is_empty() {
        return Loss::Unrecorded;
    }
    if let Scope::Node(name, _) = scope {
        let (into_lost, _) = fates(&|_, to| to == name);
        let (out_lost, out_came) = fates(&|from, _| from == name);
        let node = name.to_owned();
        match (into_lost, out_lost, out_came) {
            (true, _, true) => return Loss::OnTheWayIn { node },
            (true, true, _) => return Loss::BothWays { node },
            (true, false, _) => return Loss::OnTheWayTo { node },
            _ => {}
        }
    }
    match fates(&|_, _| true) {
        (_, true) => Loss::Answers,
        (true, _) => Loss::Requests,
        _ if one_direction(arrivals) => Loss::OneDirection,
        _ => Loss::Partly,
    }
}

/// Whether, between two nodes, the requests of one direction all arrive and those of the other do not: an answer goes the way of
/// the other's requests.
fn one_direction(arrivals: &Arrivals<'_>) -> bool {
    arrivals.iter().all(|((from, to), (arrived, known))| {
        let back = arrivals.get(&(*to, *from));
        let (lost, came) = (*arrived == 0, arrived == known);
        from != to
            && (lost || came)
            && back.is_none_or(|(arrived, known)| match lost {
                true => arrived == known,
                false => *arrived == 0,
            })
    })
}

/// What became of a dial that failed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Refused,
    Unreachable,
    Prohibited,
    Lost,
}

fn kind(dial: &Dial) -> Kind {
    match &dial.result {
        DialOutcome::Failed {
            kind: Failure::Refused,
            ..
        } => Kind::Refused,
        DialOutcome::Failed {
            kind: Failure::Unreachable,
            ..
        } => Kind::Unreachable,
        DialOutcome::Failed {
            kind: Failure::Prohibited,
            ..
        } => Kind::Prohibited,
        _ => Kind::Lost,
    }
}
