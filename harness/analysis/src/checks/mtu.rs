//! `mtu`: what pods are told fits, one byte more does not, and nothing is fragmented on the way.
use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, count, joined, listed, look};
use super::topology::Topology;
use super::{Evidence, Verdict};
use flatnet_model::observations::{Endpoint, MtuRun, Observations, ObservedNode};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    if topology.networked().count() < 2 {
        return match topology.idle().next() {
            Some(_) => Verdict::Broken {
                error: "fewer than two pods run, see pod-ip-present".to_owned(),
            },
            None => Verdict::Skip {
                reason: "a packet needs two pods: raise --nodes or --pods-per-node".to_owned(),
            },
        };
    }
    let mut wrong: BTreeMap<Fault, Vec<&MtuRun>> = BTreeMap::new();
    let mut told: BTreeMap<u32, usize> = BTreeMap::new();
    let mut silent: Vec<&MtuRun> = Vec::new();
    for run in &observations.mtu {
        // A packet to an address of one's own never leaves the pod: no path was measured.
        if topology.addresses(&run.from).contains(&run.address) {
            findings.unmeasured(format!(
                "mtu from {} to {}: both have {}, see pod-ip-unique",
                topology.end_name(&run.from),
                topology.end_name(&run.to),
                run.address
            ));
            continue;
        }
        match judge_run(run) {
            Ok(()) => *told.entry(run.told).or_default() += 1,
            Err(Outcome::Fault(fault)) => wrong.entry(fault).or_default().push(run),
            Err(Outcome::Silent) => silent.push(run),
            Err(Outcome::Unmeasured(why)) => findings.unmeasured(format!(
                "mtu from {} to {}: {why}",
                topology.end_name(&run.from),
                topology.end_name(&run.to)
            )),
        }
    }
    if let Some(first) = silent.first() {
        let paths: Vec<String> = silent
            .iter()
            .map(|run| {
                format!(
                    "{} → {}",
                    topology.end_name(&run.from),
                    topology.end_name(&run.to)
                )
            })
            .collect();
        findings.unmeasured(format!(
            "mtu of {} on which no size passed{}: {}; see same-node and cross-node",
            count(silent.len(), "path"),
            detail(first, first.told),
            listed(&paths, 4)
        ));
    }
    for (fault, runs) in &wrong {
        findings.fail(evidence(fault, runs, &topology));
    }
    unasked(&topology, &mut findings);
    fragments(&topology, &mut findings);
    for (mtu, runs) in told {
        findings.headline(format!(
            "{mtu} bytes pass with DF and {} do not, on {}",
            mtu + 1,
            count(runs, "path")
        ));
    }
    interfaces(&topology, &mut findings);
    findings.mention_idle(&topology);
    findings.verdict()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// `told` does not pass, something smaller does.
    TooMuchPromised { told: u32 },
    /// `told + 1` passes.
    MorePasses { told: u32 },
}

enum Outcome {
    Fault(Fault),
    /// Nothing of any size passed: that is no matter of MTU.
    Silent,
    Unmeasured(String),
}

fn judge_run(run: &MtuRun) -> Result<(), Outcome> {
    let trials = run
        .trials
        .as_ref()
        .map_err(|error| Outcome::Unmeasured(error.clone()))?;
    let arrived = |size: u32| {
        trials
            .iter()
            .find(|trial| trial.size == size)
            .map(|trial| trial.arrived)
    };
    let told = run.told;
    match (arrived(told), arrived(told + 1)) {
        (_, Some(true)) => Err(Outcome::Fault(Fault::MorePasses { told })),
        (Some(true), Some(false)) => Ok(()),
        (Some(true), None) => Err(Outcome::Unmeasured(format!(
            "{} bytes were not tried",
            told + 1
        ))),
        (Some(false), _) if largest(run).is_some() => {
            Err(Outcome::Fault(Fault::TooMuchPromised { told }))
        }
        (Some(false), _) => Err(Outcome::Silent),
        (None, _) => Err(Outcome::Unmeasured(format!("{told} bytes were not tried"))),
    }
}

/// The largest size that passed.
fn largest(run: &MtuRun) -> Option<u32> {
    let passed = run.trials.iter().flatten().filter(|trial| trial.arrived);
    passed.map(|trial| trial.size).max()
}

fn nodes_of<'a>(run: &MtuRun, topology: &Topology<'a>) -> Option<(&'a str, &'a str)> {
    Some((topology.node_of(&run.from)?, topology.node_of(&run.to)?))
}

fn evidence(fault: &Fault, runs: &[&MtuRun], topology: &Topology<'_>) -> Evidence {
    let ways: Vec<(&str, &str)> =
        BTreeSet::from_iter(runs.iter().filter_map(|run| nodes_of(run, topology)))
            .into_iter()
            .collect();
    let shown: Vec<String> = ways
        .iter()
        .map(|(a, b)| {
            if a == b {
                format!("within {a}")
            } else {
                format!("{a} → {b}")
            }
        })
        .collect();
    let all: BTreeSet<&str> = observed_nodes(topology);
    let culprit = common(&ways, &all);
    let first = runs[0];
    let (what, expected, observed, cause, size) = match fault {
        Fault::TooMuchPromised { told } => (
            format!(
                "packets of {told} bytes, which pods are told fit, do not pass: {}",
                listed(&shown, 6)
            ),
            format!("{told} bytes pass with DF"),
            limits(runs, topology, *told),
            match culprit {
                Some(node) => format!("the underlay MTU at {node} is below what pods were told"),
                None => "the underlay MTU is below what pods were told".to_owned(),
            },
            *told,
        ),
        Fault::MorePasses { told } => (
            format!(
                "packets of {} bytes pass although pods are told {told}: {}",
                told + 1,
                listed(&shown, 6)
            ),
            format!("{} bytes are refused with DF", told + 1),
            format!("{} bytes arrived in one piece", told + 1),
            "the interface lets more through than its MTU says, or the MTU changed during the run"
                .to_owned(),
            told + 1,
        ),
    };
    // ping's -s counts the payload: 20 bytes IPv4 or 40 bytes IPv6 header and 8 bytes ICMP header come on top.
    let header = if first.address.is_ipv4() { 28 } else { 48 };
    Evidence {
        what,
        expected,
        observed,
        culprit: culprit.map(str::to_owned),
        cause: Some(cause),
        look: look(
            topology.end_name(&first.from),
            format!(
                "ping -c 1 -W 1 -s {} {}",
                size.saturating_sub(header),
                first.address
            ),
        ),
    }
}

/// How much does pass, and where: both directions of a way may differ.
fn limits(runs: &[&MtuRun], topology: &Topology<'_>, told: u32) -> String {
    let mut limits: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for run in runs {
        let way =
            nodes_of(run, topology).map_or_else(String::new, |(from, to)| format!("{from} → {to}"));
        limits
            .entry(largest(run).unwrap_or(0))
            .or_default()
            .push(way);
    }
    let single = limits.len() == 1;
    let shown: Vec<String> = limits
        .iter()
        .map(|(size, ways)| match single {
            true => format!("{size} bytes"),
            false => format!("{size} bytes ({})", listed(ways, 4)),
        })
        .collect();
    format!(
        "the largest that passed: {}{}",
        listed(&shown, 4),
        detail(runs[0], told)
    )
}

fn detail(run: &MtuRun, size: u32) -> String {
    let trial = run.trials.iter().flatten().find(|trial| trial.size == size);
    trial
        .and_then(|trial| trial.detail.as_ref())
        .map_or_else(String::new, |detail| format!(" ({size} bytes: {detail})"))
}

fn observed_nodes<'a>(topology: &Topology<'a>) -> BTreeSet<&'a str> {
    topology
        .observations
        .mtu
        .iter()
        .filter_map(|run| nodes_of(run, topology))
        .flat_map(|(a, b)| [a, b])
        .collect()
}

/// The node that every bad way has in common, where there is exactly one; with two nodes no way singles one out.
fn common<'a>(ways: &[(&'a str, &'a str)], nodes: &BTreeSet<&'a str>) -> Option<&'a str> {
    let mut common = nodes
        .iter()
        .copied()
        .filter(|node| ways.iter().all(|(a, b)| a == node || b == node));
    common.next().filter(|_| common.next().is_none())
}

/// Every node with pods must have sent and received: otherwise something is untested.
fn unasked(topology: &Topology<'_>, findings: &mut Findings) {
    let took_part = |node: &str, end: fn(&MtuRun) -> &Endpoint| {
        topology
            .observations
            .mtu
            .iter()
            .any(|run| topology.node_of(end(run)) == Some(node))
    };
    let nodes = BTreeSet::from_iter(topology.networked().map(|pod| pod.object.node.as_str()));
    for node in nodes {
        if !took_part(node, |run| &run.from) {
            findings.unmeasured(format!("no packet size was tried from {node}"));
        } else if !took_part(node, |run| &run.to) {
            findings.unmeasured(format!("no packet size was tried to {node}"));
        }
    }
}

/// Counters of RFC 4293 that move when a node splits or joins packets: outer packets, because pods send with DF.
const FRAGMENT_COUNTERS: [&str; 6] = [
    "Ip.FragCreates",
    "Ip.FragOKs",
    "Ip.ReasmReqds",
    "Ip6.FragCreates",
    "Ip6.FragOKs",
    "Ip6.ReasmReqds",
];

fn fragments(topology: &Topology<'_>, findings: &mut Findings) {
    if let Some(why) = topology.nodes_forbidden() {
        findings.fact(format!("fragment counters of nodes not read: {why}"));
        return;
    }
    let mut clean = 0;
    let mut split: Vec<(&str, Vec<(&str, u64)>)> = Vec::new();
    for node in topology.nodes() {
        match moved(node) {
            Ok(moved) if moved.is_empty() => clean += 1,
            Ok(moved) => split.push((&node.object.name, moved)),
            Err(why) => {
                findings.unmeasured(format!("fragment counters of {}: {why}", node.object.name))
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
    let creates =
        |moved: &[(&str, u64)]| moved.iter().any(|(name, _)| !name.ends_with("ReasmReqds"));
    let mut senders = split
        .iter()
        .filter(|(_, moved)| creates(moved))
        .map(|(node, _)| *node);
    let culprit = senders.next().filter(|_| senders.next().is_none());
    let told: Vec<String> = split
        .iter()
        .map(|(node, moved)| {
            let counters: Vec<String> = moved
                .iter()
                .map(|(name, by)| format!("{name} +{by}"))
                .collect();
            format!("{node}: {}", counters.join(", "))
        })
        .collect();
    let names: Vec<&str> = split.iter().map(|(node, _)| *node).collect();
    findings.fail(Evidence {
        what: format!("packets between pods were fragmented on {}", listed(&names, 6)),
        expected: "fragment counters stay where they were".to_owned(),
        observed: joined(&told, "; ", 6),
        culprit: culprit.map(str::to_owned),
        cause: Some("the underlay MTU is below the pods' MTU plus what the tunnel adds, so outer packets are split".to_owned()),
        look: look(names[0], "cat /proc/net/snmp"),
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

/// The MTUs of pod interfaces, which are what `told` comes from.
fn interfaces(topology: &Topology<'_>, findings: &mut Findings) {
    let mut mtus: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for pod in topology.networked() {
        let link = pod
            .facts
            .as_ref()
            .ok()
            .and_then(|facts| super::veth::interface(pod, facts));
        if let Some(link) = link {
            mtus.entry(link.mtu).or_default().insert(&pod.object.node);
        }
    }
    for (mtu, nodes) in mtus {
        findings.fact(format!(
            "pods on {} have an interface MTU of {mtu}",
            listed(&Vec::from_iter(nodes), 6)
        ));
    }
}
