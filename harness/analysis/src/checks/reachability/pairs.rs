//! Ordered pairs, each with its dials.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::Transport;

use super::Span;
use crate::checks::findings::{Problem, listed};
use crate::checks::topology::{Topology, same_family};
use flatnet_model::coverage::{self, End};
use flatnet_model::observations::{Dial, Endpoint, Fate};

/// One ordered pair.
#[derive(Clone)]
pub(super) struct Pair<'a> {
    pub(super) from: &'a Endpoint,
    pub(super) to: &'a Endpoint,
    pub(super) from_node: &'a str,
    pub(super) to_node: &'a str,
    /// Neither end is a node or a hostNetwork pod.
    pub(super) pods_only: bool,
    /// Dials made, whatever came of them.
    made: usize,
    /// Dials that say something, over transports that can be used; at least one.
    pub(super) measured: Vec<&'a Dial>,
    /// Those of `measured` without an answer. The pair is red when there is one.
    pub(super) failed: Vec<&'a Dial>,
}

impl Pair<'_> {
    /// Without those failures.
    pub(super) fn without(&self, explained: impl Fn(&Dial) -> bool) -> Self {
        let mut pair = self.clone();
        pair.failed.retain(|dial| !explained(dial));
        pair
    }

    /// Whether the problem is one that can keep the pair from working: it is in a place that the pair has to do with.
    pub(super) fn suffers_from(&self, problem: &Problem, span: Span) -> bool {
        let ends = [self.from_node, self.to_node];
        let involved =
            |end: &Endpoint| matches!(end, Endpoint::Pod(pod) if problem.pods.contains(pod));
        match &problem.peer {
            _ if !problem.pods.is_empty() => involved(self.from) || involved(self.to),
            Some(peer) => {
                span == Span::CrossNode
                    && ends.contains(&problem.node.as_str())
                    && ends.contains(&peer.as_str())
            }
            None => ends.contains(&problem.node.as_str()),
        }
    }
}

/// All pairs of one span that were measured.
pub(super) struct Seen<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    /// Dials that should have been made, in words.
    pub(super) missing: Vec<String>,
    /// Ends whose dials were not made, in words, with what kept their probe from running.
    pub(super) absent: Vec<(String, &'a str)>,
    /// Ends that may not send ICMP echo, in words; their other transports were measured.
    pub(super) no_icmp: Vec<String>,
}

type Pairs<'a> = BTreeMap<(&'a Endpoint, &'a Endpoint), Pair<'a>>;

pub(super) fn gather<'a>(topology: &Topology<'a>, span: Span) -> Seen<'a> {
    let mut pairs: Pairs<'a> = BTreeMap::new();
    let mut unsupported: BTreeMap<(&Endpoint, Transport), String> = BTreeMap::new();
    let mut silent: BTreeMap<&Endpoint, &str> = BTreeMap::new();
    // Dials of a pair come one after the other, so who is who is looked up once for all of them.
    let same_pair = |a: &Dial, b: &Dial| a.from == b.from && a.to == b.to;
    for dials in topology.observations.dials.chunk_by(same_pair) {
        let Dial { from, to, .. } = &dials[0];
        let Some((from_node, to_node)) = ends(topology, from, to, span) else {
            continue;
        };
        // Others are to a pod's gateway, for `gateway`.
        let own = topology.addresses(to);
        let dials: Vec<&Dial> = dials
            .iter()
            .filter(|dial| own.contains(&dial.request.address))
            .collect();
        if dials.is_empty() {
            continue;
        }
        let pair = pairs.entry((from, to)).or_insert_with(|| Pair {
            from,
            to,
            from_node,
            to_node,
            pods_only: !topology.on_host(from) && !topology.on_host(to),
            made: 0,
            measured: Vec::new(),
            failed: Vec::new(),
        });
        for dial in dials {
            pair.made += 1;
            match topology.observations.fate(dial) {
                Fate::NotMade(detail) => {
                    unsupported
                        .entry((from, dial.request.transport))
                        .or_insert_with(|| detail.to_owned());
                }
                Fate::NobodyThere(why) => {
                    silent.entry(to).or_insert(why);
                }
                Fate::Failed { .. } | Fate::Diverted(_) => {
                    pair.measured.push(dial);
                    pair.failed.push(dial);
                }
                Fate::Reached => pair.measured.push(dial),
            }
        }
    }
    let Missing {
        words: mut missing,
        mut absent,
    } = missing(topology, span, &pairs);
    absent.extend(silent.into_iter().map(|(end, why)| {
        let (kind, name) = (end.kind(), topology.end_name(end));
        let what = format!("dials to {kind}/{name}, whose probe does not run any more");
        (what, why)
    }));
    let dialled: BTreeSet<&Endpoint> = pairs
        .values()
        .filter(|pair| !pair.measured.is_empty())
        .map(|pair| pair.from)
        .collect();
    let mut no_icmp: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((from, over), detail) in unsupported {
        // Echo needs a privilege that a pod may lack; sockets need none, so without them the probe itself failed.
        let alone = !dialled.contains(from);
        if over == Transport::Icmp && !alone {
            no_icmp
                .entry(detail)
                .or_default()
                .push(topology.end_name(from));
        } else {
            missing.push(format!(
                "{} from {}: {detail}",
                over,
                topology.end_name(from)
            ));
        }
    }
    let no_icmp = no_icmp
        .iter()
        .map(|(detail, from)| format!("icmp not measured from {}: {detail}", listed(from, 6)))
        .collect();
    let mut pairs: Vec<Pair<'a>> = pairs.into_values().collect();
    pairs.retain(|pair| !pair.measured.is_empty());
    Seen {
        pairs,
        missing,
        absent,
        no_icmp,
    }
}

/// The nodes of a pair that belongs to the span. Not part of it: an end and itself (`hairpin`), and pods that do not run.
fn ends<'a>(
    topology: &Topology<'a>,
    from: &Endpoint,
    to: &Endpoint,
    span: Span,
) -> Option<(&'a str, &'a str)> {
    if from == to || !topology.takes_part(from) || !topology.takes_part(to) {
        return None;
    }
    let nodes = (topology.node_of(from)?, topology.node_of(to)?);
    ((nodes.0 == nodes.1) == (span == Span::SameNode)).then_some(nodes)
}

/// Dials that were to be made and were not.
struct Missing<'a> {
    words: Vec<String>,
    absent: Vec<(String, &'a str)>,
}

/// A probe that did not run must look neither like a cluster without pairs nor like one that is whole. Ends that nobody may ask are
/// left out: the verdict says so elsewhere.
fn missing<'a>(topology: &Topology<'a>, span: Span, pairs: &Pairs<'_>) -> Missing<'a> {
    // Of pairs, because gateways are always pinged, whichever transports were asked for.
    let transports: BTreeSet<Transport> = pairs
        .values()
        .flat_map(|pair| &pair.measured)
        .map(|dial| dial.request.transport)
        .collect();
    let observations = topology.observations;
    let ends = coverage::ends(&observations.pods, &observations.nodes);
    let planned = coverage::pairs(&ends, observations.coverage);
    let mut not_made: BTreeMap<&Endpoint, usize> = BTreeMap::new();
    let mut absent: BTreeMap<&Endpoint, &'a str> = BTreeMap::new();
    let parties: Vec<Option<(&End, &[IpAddr])>> = ends
        .iter()
        .map(|end| {
            let asked = topology.within_reach(&end.endpoint);
            asked.then(|| (end, topology.addresses(&end.endpoint)))
        })
        .collect();
    for (place, row) in planned.iter().enumerate() {
        let Some((from, own)) = parties[place] else {
            continue;
        };
        for (to, addresses) in row.iter().filter_map(|place| parties[*place]) {
            let within = (from.node == to.node) == (span == Span::SameNode);
            if from == to || !within {
                continue;
            }
            let common = addresses
                .iter()
                .filter(|address| own.iter().any(|own| same_family(*own, **address)));
            let wanted = common.count() * transports.len().max(1);
            let made = pairs
                .get(&(&from.endpoint, &to.endpoint))
                .map_or(0, |pair| pair.made);
            if made >= wanted {
                continue;
            }
            let unseen = [from, to].map(|end| Some((end, topology.unseen(&end.endpoint)?)));
            match unseen.into_iter().flatten().next() {
                Some((end, why)) => drop(absent.insert(&end.endpoint, why)),
                None => *not_made.entry(&from.endpoint).or_default() += wanted - made,
            }
        }
    }
    let named = |end: &Endpoint| format!("{} {}", end.kind(), topology.end_name(end));
    let words = not_made.into_iter();
    let absent = absent.into_iter();
    Missing {
        words: words
            .map(|(end, dials)| format!("{} did not make {dials} of its dials", named(end)))
            .collect(),
        absent: absent
            .map(|(end, why)| (format!("dials from and to {}", named(end)), why))
            .collect(),
    }
}
