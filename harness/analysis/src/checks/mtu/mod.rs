//! `mtu`: a packet of the pods' interface MTU passes, one byte more does not, nothing is fragmented on the path, and full segments of TCP
//! pass.
mod data;
mod explain;
mod fragments;
mod groups;
mod learned;
mod oversized;
mod run;

use std::collections::{BTreeMap, BTreeSet};

pub use fragments::FRAGMENT_COUNTERS;
pub use oversized::oversized;

use data::Data;
use explain::{evidence, parts};
use fragments::fragments;
use groups::groups;
use run::{Fault, Outcome, detail, judge_run};

use super::findings::{Findings, count, listed};
use super::series::Lossy;
use super::topology::Topology;
use super::veth::own_interface;
use super::{Deviation, Verdict};
use flatnet_model::cause::Cause;
use flatnet_model::observations::{Endpoint, MtuRun, Observations};
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
    let mut as_configured: BTreeMap<u32, Well<'_>> = BTreeMap::new();
    let mut silent: Vec<&MtuRun> = Vec::new();
    let mut held_back: Vec<&MtuRun> = Vec::new();
    for run in &observations.mtu {
        // A packet to an address of one's own never leaves the pod: no path was measured.
        if topology.has(&run.from, run.address) {
            findings.unmeasured(format!(
                "mtu from {} to {}: both have {}, see pod-ip-unique",
                topology.end_name(&run.from),
                topology.end_name(&run.to),
                run.address
            ));
            continue;
        }
        match judge_run(run) {
            Ok(()) if learned::is_below(run) => held_back.push(run),
            Ok(()) => as_configured.entry(run.interface_mtu).or_default().add(run),
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
    let lossy = Lossy::of_all(&topology);
    let data = Data::of(&topology, &lossy);
    for (fault, run) in data.red(&topology) {
        wrong.entry(fault).or_default().push(run);
    }
    for (fault, runs) in wrong {
        let groups = groups(&topology, fault, runs);
        for part in groups.into_iter().flat_map(|group| parts(&topology, group)) {
            let evidence = evidence(&topology, &part);
            let by_chance = |run: &&MtuRun| {
                let mut lossy = lossy.iter();
                lossy.any(|lossy| lossy.is_heavy(&run.from, &run.to))
            };
            match is_open(&evidence) && part.runs.iter().all(by_chance) {
                true => findings.unmeasured(format!(
                    "mtu of {}: packets of any size get lost there, see same-node and cross-node",
                    count(part.runs.len(), "path")
                )),
                false => findings.fail(evidence),
            }
        }
    }
    for evidence in learned::evidence(&topology, &held_back) {
        findings.fail(evidence);
    }
    unasked(&topology, &mut findings);
    fragments(&topology, &mut findings);
    for (mtu, paths) in as_configured {
        findings.headline(paths.words(mtu, &topology));
    }
    data.tell(&topology, &mut findings);
    interfaces(&topology, &mut findings);
    findings.mention_idle(&topology);
    findings.verdict()
}

/// Whether nothing but the size that did not arrive speaks for an MTU.
fn is_open(evidence: &Deviation) -> bool {
    let cause = evidence.finding.found().map(|found| &found.cause);
    matches!(
        cause,
        Some(Cause::UnderlayMtu { .. } | Cause::LengthDropped { .. })
    )
}

/// Paths on which sizes fare as the sender's interface says.
#[derive(Default)]
struct Well<'a> {
    senders: BTreeSet<&'a Endpoint>,
    receivers: BTreeSet<&'a Endpoint>,
    pairs: BTreeSet<(&'a Endpoint, &'a Endpoint)>,
}

impl<'a> Well<'a> {
    fn add(&mut self, run: &'a MtuRun) {
        self.senders.insert(&run.from);
        self.receivers.insert(&run.to);
        self.pairs.insert((&run.from, &run.to));
    }

    fn words(&self, mtu: u32, topology: &Topology<'_>) -> String {
        let pods = topology.networked().count();
        let (from, to) = (self.senders.len(), self.receivers.len());
        format!(
            "{mtu} bytes pass with DF and {} do not, from {from} and to {to} of {}, on {}",
            mtu + 1,
            count(pods, "pod"),
            count(self.pairs.len(), "ordered pair")
        )
    }
}

/// Every pod must have sent and received: otherwise something is untested.
fn unasked(topology: &Topology<'_>, findings: &mut Findings) {
    let runs = &topology.observations.mtu;
    let senders: BTreeSet<&Endpoint> = runs.iter().map(|run| &run.from).collect();
    let receivers: BTreeSet<&Endpoint> = runs.iter().map(|run| &run.to).collect();
    let without = |tried: &BTreeSet<&Endpoint>| -> Vec<String> {
        let pods = topology.networked();
        let missing = pods.filter(|pod| !tried.contains(&pod.endpoint()));
        missing.map(|pod| topology.who(pod)).collect()
    };
    for (way, tried) in [("from", senders), ("to", receivers)] {
        let missing = without(&tried);
        if !missing.is_empty() {
            findings.unmeasured(format!(
                "no packet size was tried {way} {}: no datagram came through there, see same-node and cross-node",
                listed(&missing, 6)
            ));
        }
    }
}

/// The MTUs of pod interfaces.
fn interfaces(topology: &Topology<'_>, findings: &mut Findings) {
    let mut mtus: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for pod in topology.networked() {
        if let Some(link) = own_interface(pod) {
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
