//! Ordered pairs, each with its dials.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_probe::{Dialled, Failure, Transport};

use super::Span;
use crate::checks::findings::{listed, transport};
use crate::checks::topology::{Topology, same_family};
use crate::observe::{Dial, Endpoint, PodView};

/// One ordered pair.
pub(super) struct Pair<'a> {
    pub(super) from: &'a Endpoint,
    pub(super) to: &'a Endpoint,
    pub(super) from_node: &'a str,
    pub(super) to_node: &'a str,
    /// Neither end is a node or a hostNetwork pod.
    pub(super) pods_only: bool,
    /// Dials that say something, over transports that can be used; at least one.
    pub(super) measured: Vec<&'a Dial>,
    /// Those of `measured` without an answer. The pair is red when there is one.
    pub(super) failed: Vec<&'a Dial>,
}

/// All pairs of one span that were measured.
pub(super) struct Seen<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    /// Dials that should have been made, in words.
    pub(super) missing: Vec<String>,
    /// Ends that may not send ICMP echo, in words; their other transports were measured.
    pub(super) no_icmp: Vec<String>,
}

pub(super) fn gather<'a>(topology: &Topology<'a>, span: Span) -> Seen<'a> {
    let mut pairs: BTreeMap<(&Endpoint, &Endpoint), Pair<'a>> = BTreeMap::new();
    let mut unsupported: BTreeMap<(&Endpoint, Transport), String> = BTreeMap::new();
    for dial in &topology.observations.dials {
        let Some((from_node, to_node)) = ends(topology, dial, span) else {
            continue;
        };
        let pair = pairs.entry((&dial.from, &dial.to)).or_insert_with(|| Pair {
            from: &dial.from,
            to: &dial.to,
            from_node,
            to_node,
            pods_only: !topology.on_host(&dial.from) && !topology.on_host(&dial.to),
            measured: Vec::new(),
            failed: Vec::new(),
        });
        match &dial.result {
            Dialled::Failed {
                kind: Failure::Unsupported,
                detail,
                ..
            } => {
                unsupported
                    .entry((&dial.from, dial.transport))
                    .or_insert_with(|| detail.clone());
            }
            Dialled::Failed { .. } => {
                pair.measured.push(dial);
                pair.failed.push(dial);
            }
            Dialled::Answered { .. } => pair.measured.push(dial),
        }
    }
    let mut missing = missing(topology, span);
    let mut no_icmp: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for ((from, over), detail) in unsupported {
        // Echo needs a privilege that a pod may lack; sockets need none, so without them the probe itself failed.
        let alone = !pairs
            .values()
            .any(|pair| pair.from == from && !pair.measured.is_empty());
        if over == Transport::Icmp && !alone {
            no_icmp.entry(detail).or_default().push(from.name());
        } else {
            missing.push(format!(
                "{} from {}: {detail}",
                transport(over),
                from.name()
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
        no_icmp,
    }
}

/// The nodes of a dial that belongs to the span. Not part of it: dials to oneself (`hairpin`), to an address the API does not
/// give the target (a pod's gateway, for `gateway`), between nodes (no pod network involved), and of pods that do not run.
fn ends<'a>(topology: &Topology<'a>, dial: &Dial, span: Span) -> Option<(&'a str, &'a str)> {
    let nodes_only = matches!(
        (&dial.from, &dial.to),
        (Endpoint::Node(_), Endpoint::Node(_))
    );
    if dial.from == dial.to
        || nodes_only
        || !topology.takes_part(&dial.from)
        || !topology.takes_part(&dial.to)
    {
        return None;
    }
    if !topology.addresses(&dial.to).contains(&dial.address) {
        return None;
    }
    let nodes = (topology.node_of(&dial.from)?, topology.node_of(&dial.to)?);
    ((nodes.0 == nodes.1) == (span == Span::SameNode)).then_some(nodes)
}

/// Pairs of pods that nobody dialled: a probe that died must not look like a cluster without pairs.
fn missing(topology: &Topology<'_>, span: Span) -> Vec<String> {
    let dials = &topology.observations.dials;
    let transports: BTreeSet<Transport> = dials.iter().map(|dial| dial.transport).collect();
    let made: BTreeSet<(&str, &str, IpAddr, Transport)> = dials
        .iter()
        .map(|dial| {
            (
                dial.from.name(),
                dial.to.name(),
                dial.address,
                dial.transport,
            )
        })
        .collect();
    let pods: Vec<&PodView> = topology.networked().collect();
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    for from in &pods {
        for to in pods
            .iter()
            .filter(|to| to.name != from.name && (to.node == from.node) == (span == Span::SameNode))
        {
            for address in to
                .ips
                .iter()
                .filter(|address| from.ips.iter().any(|own| same_family(*own, **address)))
            {
                let absent = |t: &&Transport| {
                    !made.contains(&(from.name.as_str(), to.name.as_str(), *address, **t))
                };
                let absent = if transports.is_empty() {
                    1
                } else {
                    transports.iter().filter(absent).count()
                };
                *missing.entry(&from.name).or_default() += absent;
            }
        }
    }
    missing.retain(|_, absent| *absent > 0);
    missing
        .into_iter()
        .map(|(pod, absent)| format!("pod {pod} did not make {absent} of its dials"))
        .collect()
}
