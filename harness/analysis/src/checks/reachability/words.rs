//! The words of reachability evidence: who, how many, over what, and examples.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::{Dialled, Transport};

use super::Span;
use super::blame::{Direction, Group, Scope};
use super::pairs::Pair;
use crate::checks::findings::{joined, transports};
use crate::checks::topology::Topology;
use flatnet_model::observations::Dial;

/// Requests that failed, by direction between nodes: how many are known to have arrived, of how many that could be known.
pub(super) type Arrivals<'a> = BTreeMap<(&'a str, &'a str), (usize, usize)>;

/// Over which transports and families a group fails.
pub(super) struct Over {
    pub(super) failing: BTreeSet<Transport>,
    /// Measured on the same pairs, and never failed.
    pub(super) passing: BTreeSet<Transport>,
    pub(super) one_family: bool,
    pub(super) family: &'static str,
}

impl Over {
    pub(super) fn of(red: &[&Pair<'_>]) -> Self {
        let of =
            |dials: &mut dyn Iterator<Item = &&Dial>| -> (BTreeSet<Transport>, BTreeSet<bool>) {
                let dials: Vec<&&Dial> = dials.collect();
                (
                    dials.iter().map(|dial| dial.transport).collect(),
                    dials.iter().map(|dial| dial.address.is_ipv4()).collect(),
                )
            };
        let (failing, failing_families) = of(&mut red.iter().flat_map(|pair| &pair.failed));
        let (measured, families) = of(&mut red.iter().flat_map(|pair| &pair.measured));
        Over {
            passing: measured.difference(&failing).copied().collect(),
            failing,
            one_family: failing_families.len() < families.len(),
            family: if failing_families.contains(&true) {
                "IPv4"
            } else {
                "IPv6"
            },
        }
    }

    pub(super) fn failing(&self) -> String {
        let family = if self.one_family {
            format!(" ({} only)", self.family)
        } else {
            String::new()
        };
        format!("{}{family}", transports(self.failing.iter().copied()))
    }

    pub(super) fn measured(&self) -> String {
        transports(self.failing.union(&self.passing).copied())
    }
}

pub(super) fn headline(scope: Scope<'_>, topology: &Topology<'_>, span: Span) -> String {
    let others = if span == Span::SameNode {
        "its neighbours on the node"
    } else {
        "other nodes"
    };
    match scope {
        Scope::Everyone if span == Span::SameNode => {
            "no pod reaches another on its node".to_owned()
        }
        Scope::Everyone => "no node's pods reach another node's".to_owned(),
        Scope::Pod(pod, direction) => {
            let node = topology
                .pod(pod)
                .map_or("?", |pod| pod.object.node.as_str());
            let pod = topology.pod_name(pod);
            match direction {
                Direction::Both => {
                    format!("pod {pod} on {node} and {others} do not reach each other")
                }
                Direction::Out => format!("pod {pod} on {node} does not reach {others}"),
                Direction::In => format!("pod {pod} on {node} is not reached from {others}"),
            }
        }
        Scope::Node(node, Direction::Both) => {
            format!("{node} and {others} do not reach each other")
        }
        Scope::Node(node, Direction::Out) => format!("{node} does not reach {others}"),
        Scope::Node(node, Direction::In) => format!("{node} is not reached from {others}"),
        Scope::Between(a, b) | Scope::OneWay(a, b) if a == b => {
            format!("pods within {a} do not reach each other")
        }
        Scope::Between(a, b) => format!("{a} and {b} do not reach each other"),
        Scope::OneWay(a, b) => format!("{a} does not reach {b}"),
    }
}

pub(super) fn counts(group: &Group<'_, '_>) -> String {
    let host = group.red.iter().filter(|pair| !pair.pods_only).count();
    let among = if host > 0 {
        format!(" ({host} of them with a node or hostNetwork pod)")
    } else {
        String::new()
    };
    format!("{} of {} pairs{among}", group.red.len(), group.all)
}

pub(super) fn observed(
    group: &Group<'_, '_>,
    arrivals: &Arrivals<'_>,
    topology: &Topology<'_>,
) -> String {
    let mut pairs: Vec<&&Pair<'_>> = group.red.iter().collect();
    pairs.sort_by_key(|pair| !pair.pods_only);
    let examples: Vec<String> = pairs
        .iter()
        .take(3)
        .map(|pair| example(pair, topology))
        .collect();
    let mut text = joined(&examples, "; ", 3);
    if pairs.len() > examples.len() {
        text.push_str(&format!(
            "; and {} more pairs",
            pairs.len() - examples.len()
        ));
    }
    let told: Vec<String> = arrivals
        .iter()
        .map(|((from, to), (arrived, known))| {
            let (requests, at) = if from == to {
                (format!("requests within {from}"), String::new())
            } else {
                (format!("requests from {from}"), format!(" at {to}"))
            };
            match arrived {
                0 => format!("{requests} do not arrive{at}"),
                _ if arrived == known => format!("{requests} arrive{at}, answers do not come back"),
                _ => {
                    format!("{arrived} of {known} {requests} arrive{at}, answers do not come back")
                }
            }
        })
        .collect();
    if !told.is_empty() {
        text.push_str(&format!("; {}", joined(&told, "; ", 4)));
    }
    text
}

fn example(pair: &Pair<'_>, topology: &Topology<'_>) -> String {
    let mut said: BTreeMap<(IpAddr, &str), Vec<Transport>> = BTreeMap::new();
    for dial in &pair.failed {
        if let Dialled::Failed { detail, .. } = &dial.result {
            said.entry((dial.address, detail))
                .or_default()
                .push(dial.transport);
        }
    }
    let said: Vec<String> = said
        .iter()
        .map(|((address, detail), over)| {
            format!("{address} {}: {detail}", transports(over.iter().copied()))
        })
        .collect();
    format!(
        "{} → {} {}",
        topology.end_name(pair.from),
        topology.end_name(pair.to),
        said.join(", ")
    )
}
