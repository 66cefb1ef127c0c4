//! Packets that nodes split or joined while pods sent with DF.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, State, Subject, Symptom, Talk};
use flatnet_model::observations::ObservedNode;

use crate::checks::Deviation;
use crate::checks::findings::{Findings, count, not_allowed, some};
use crate::checks::topology::Topology;

/// Counters of RFC 4293 that move when a node splits or joins packets: outer packets, because pods send with DF.
pub const FRAGMENT_COUNTERS: [&str; 6] = [
    "Ip.FragCreates",
    "Ip.FragOKs",
    "Ip.ReasmReqds",
    "Ip6.FragCreates",
    "Ip6.FragOKs",
    "Ip6.ReasmReqds",
];

pub(super) fn fragments(topology: &Topology<'_>, findings: &mut Findings) {
    if let Some(denied) = topology.nodes_forbidden() {
        findings.fact(format!(
            "fragment counters of nodes not read: {}",
            not_allowed(denied)
        ));
        return;
    }
    let mut clean = 0;
    let mut split: Vec<(&str, Vec<(&str, u64)>)> = Vec::new();
    for node in topology.nodes() {
        match moved(node) {
            Ok(moved) if moved.is_empty() => clean += 1,
            Ok(moved) => split.push((&node.object.name, moved)),
            Err(why) => {
                findings.unmeasured_for(format!("fragment counters of {}", node.object.name), why);
            }
        }
    }
    if clean > 0 {
        findings.fact(format!(
            "no packet was fragmented on {}",
            count(clean, "node")
        ));
    }
    if split.is_empty() {
        return;
    }
    let counters = split.iter().map(|(node, moved)| {
        let moved = moved.iter().map(|(name, by)| ((*name).to_owned(), *by));
        State::from(Talk::Counters {
            node: (*node).to_owned(),
            moved: moved.collect(),
        })
    });
    let names: Vec<String> = split.iter().map(|(node, _)| (*node).to_owned()).collect();
    let cause = Cause::OuterFragments {
        nodes: names.clone(),
    };
    findings.fail(Deviation {
        subjects: names.iter().map(Subject::node_of).collect(),
        // Who splits or joins packets does what an MTU elsewhere asks of it.
        culprits: Vec::new(),
        expected: Talk::CountersStay.into(),
        observed: some(counters.collect(), 6),
        look: Command::on(&names[0], "cat /proc/net/snmp"),
        finding: Finding::of(Symptom::Fragmented { nodes: names }, Found::inferred(cause)),
    });
}

/// Counters that grew, by how much.
fn moved(node: &ObservedNode) -> Result<Vec<(&'static str, u64)>, String> {
    let after = &node.inside.facts().map_err(str::to_owned)?.counters;
    let known: Vec<&'static str> = FRAGMENT_COUNTERS
        .into_iter()
        .filter(|name| after.contains_key(*name))
        .collect();
    if known.is_empty() {
        return Err("not readable".to_owned());
    }
    let mut moved = Vec::new();
    for name in known {
        let before = node
            .counters_before
            .get(name)
            .ok_or_else(|| format!("{name} was not read before the run"))?;
        let by = after[name].saturating_sub(*before);
        if by > 0 {
            moved.push((name, by));
        }
    }
    Ok(moved)
}
