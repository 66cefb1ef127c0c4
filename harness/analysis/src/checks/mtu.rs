//! `mtu`: a packet of the pods' interface MTU passes, one byte more does not, and nothing is fragmented on the path.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, State, Subject, Symptom, Talk};

use super::findings::{Findings, Seen, count, listed, not_allowed, some};
use super::topology::{Topology, common};
use super::{Deviation, Verdict};
use flatnet_model::observations::{Endpoint, MtuRun, Observations, ObservedNode};
use flatnet_model::skip::SkipReason;

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    if topology.networked().count() < 2 {
        return match topology.idle().next() {
            Some(_) => Verdict::broken("fewer than two pods run, see pod-ip-present"),
            None => Verdict::Skip {
                reason: SkipReason::OnePod,
            },
        };
    }
    let mut wrong: BTreeMap<Fault, Vec<&MtuRun>> = BTreeMap::new();
    let mut as_configured: BTreeMap<u32, usize> = BTreeMap::new();
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
            Ok(()) => *as_configured.entry(run.interface_mtu).or_default() += 1,
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
        let said = detail(first, first.interface_mtu);
        let said = said.map(|said| format!(" ({} bytes: {said})", first.interface_mtu));
        findings.unmeasured(format!(
            "mtu of {} on which no size passed{}: {}; see same-node and cross-node",
            count(silent.len(), "path"),
            said.unwrap_or_default(),
            listed(&paths, 4)
        ));
    }
    for (fault, runs) in &wrong {
        findings.fail(evidence(fault, runs, &topology));
    }
    unasked(&topology, &mut findings);
    fragments(&topology, &mut findings);
    for (mtu, runs) in as_configured {
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
    /// `mtu` does not pass, something smaller does.
    TooLarge { mtu: u32 },
    /// `mtu + 1` passes.
    MorePasses { mtu: u32 },
}

enum Outcome {
    Fault(Fault),
    /// Nothing of any size passed: that is not a matter of MTU.
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
    let mtu = run.interface_mtu;
    match (arrived(mtu), arrived(mtu + 1)) {
        (_, Some(true)) => Err(Outcome::Fault(Fault::MorePasses { mtu })),
        (Some(true), Some(false)) => Ok(()),
        (Some(true), None) => Err(Outcome::Unmeasured(format!(
            "{} bytes were not tried",
            mtu + 1
        ))),
        (Some(false), _) if largest(run).is_some() => Err(Outcome::Fault(Fault::TooLarge { mtu })),
        (Some(false), _) => Err(Outcome::Silent),
        (None, _) => Err(Outcome::Unmeasured(format!("{mtu} bytes were not tried"))),
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

fn evidence(fault: &Fault, runs: &[&MtuRun], topology: &Topology<'_>) -> Deviation {
    let directions: Vec<(&str, &str)> =
        BTreeSet::from_iter(runs.iter().filter_map(|run| nodes_of(run, topology)))
            .into_iter()
            .collect();
    let shown: Vec<(String, String)> = directions
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect();
    let all: BTreeSet<&str> = observed_nodes(topology);
    let culprit = common(&directions, &all);
    let subjects = shown.iter().cloned();
    let subjects = subjects
        .map(|(from, to)| Subject::Pair { from, to })
        .collect();
    let (symptom, expected, observed, found, size) = match *fault {
        Fault::TooLarge { mtu } => {
            let cause = Cause::UnderlayMtu {
                node: culprit.map(str::to_owned),
            };
            (
                Symptom::TooLarge {
                    bytes: mtu,
                    between: shown,
                },
                Talk::Passes { bytes: mtu },
                limits(runs, topology, mtu),
                Found::inferred(cause),
                mtu,
            )
        }
        Fault::MorePasses { mtu } => {
            let bytes = mtu + 1;
            (
                Symptom::LargerPasses {
                    bytes,
                    interface_mtu: mtu,
                    between: shown,
                },
                Talk::Refused { bytes },
                Talk::PassedWhole { bytes },
                Found::inferred(Cause::MtuIgnored { interface_mtu: mtu }),
                bytes,
            )
        }
    };
    let first = runs[0];
    // ping's -s counts the payload: 20 bytes IPv4 or 40 bytes IPv6 header and 8 bytes ICMP header come on top.
    let header = if first.address.is_ipv4() { 28 } else { 48 };
    let payload = size.saturating_sub(header);
    let ping = format!("ping -c 1 -W 1 -s {payload} {}", first.address);
    Seen::new(expected, observed, topology.in_end(&first.from, &ping)).deviation(
        subjects,
        culprit.map(Subject::node_of).into_iter().collect(),
        Finding::of(symptom, found),
    )
}

/// How much does pass, and where: both directions of a path may differ.
fn limits(runs: &[&MtuRun], topology: &Topology<'_>, mtu: u32) -> Talk {
    let mut limits: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for run in runs {
        let direction =
            nodes_of(run, topology).map_or_else(String::new, |(from, to)| format!("{from} → {to}"));
        limits
            .entry(largest(run).unwrap_or(0))
            .or_default()
            .push(direction);
    }
    Talk::LargestPassed {
        limits: limits.into_iter().collect(),
        interface_mtu: mtu,
        said: detail(runs[0], mtu).cloned(),
    }
}

fn detail(run: &MtuRun, size: u32) -> Option<&String> {
    let trial = run.trials.iter().flatten().find(|trial| trial.size == size);
    trial.and_then(|trial| trial.detail.as_ref())
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

/// Every node with pods must have sent and received: otherwise something is untested.
fn unasked(topology: &Topology<'_>, findings: &mut Findings) {
    let nodes_of = |end: fn(&MtuRun) -> &Endpoint| {
        let ends: BTreeSet<&Endpoint> = topology.observations.mtu.iter().map(end).collect();
        BTreeSet::from_iter(ends.into_iter().filter_map(|end| topology.node_of(end)))
    };
    let (senders, receivers) = (nodes_of(|run| &run.from), nodes_of(|run| &run.to));
    let nodes = BTreeSet::from_iter(topology.networked().map(|pod| pod.object.node.as_str()));
    for node in nodes {
        if !senders.contains(node) {
            findings.unmeasured(format!("no packet size was tried from {node}"));
        } else if !receivers.contains(node) {
            findings.unmeasured(format!("no packet size was tried to {node}"));
        }
    }
}

/// Counters of RFC 4293 that move when a node splits or joins packets: outer packets, because pods send with DF.
pub const FRAGMENT_COUNTERS: [&str; 6] = [
    "Ip.FragCreates",
    "Ip.FragOKs",
    "Ip.ReasmReqds",
    "Ip6.FragCreates",
    "Ip6.FragOKs",
    "Ip6.ReasmReqds",
];

fn fragments(topology: &Topology<'_>, findings: &mut Findings) {
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
    let creates =
        |moved: &[(&str, u64)]| moved.iter().any(|(name, _)| !name.ends_with("ReasmReqds"));
    let mut senders = split
        .iter()
        .filter(|(_, moved)| creates(moved))
        .map(|(node, _)| *node);
    let culprit = senders.next().filter(|_| senders.next().is_none());
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
        culprits: culprit.map(Subject::node_of).into_iter().collect(),
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

/// The MTUs of pod interfaces.
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
