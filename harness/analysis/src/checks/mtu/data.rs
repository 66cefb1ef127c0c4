//! Full segments of TCP: a rule or a path may treat them otherwise than datagrams of the same size.
use std::collections::BTreeSet;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, Found, State, Subject, Symptom, Talk};
use flatnet_model::observations::{Endpoint, MtuRun};
use flatnet_model::probe::{TRANSFER_BYTES, Transfer, TransferCut};

use super::explain::{common_pod, directions, ended};
use super::groups::Group;
use super::run::{Fault, judge_run};
use super::{Lossy, learned};
use crate::checks::Deviation;
use crate::checks::findings::{Findings, count, listed, some};
use crate::checks::followed;
use crate::checks::topology::Topology;

/// Transfers of all paths.
#[derive(Default)]
pub(super) struct Data<'a> {
    passed: Vec<&'a MtuRun>,
    cut: Vec<(&'a MtuRun, TransferCut)>,
    /// Of paths that lose packets, whatever is in them.
    lossy: usize,
    failed: Vec<(&'a MtuRun, &'a str)>,
}

impl<'a> Data<'a> {
    pub(super) fn of(topology: &Topology<'a>, lossy: &[Lossy<'_>]) -> Self {
        let mut data = Data::default();
        for run in topology.observations.mtu.iter().filter(|run| is_well(run)) {
            let Some(last) = run.transfers.last() else {
                continue;
            };
            match last {
                Ok(Transfer::Passed) => data.passed.push(run),
                Ok(Transfer::TransferCut(_))
                    if lossy.iter().any(|lossy| lossy.loses(&run.from, &run.to)) =>
                {
                    data.lossy += 1;
                }
                Ok(Transfer::TransferCut(cut)) => data.cut.push((run, *cut)),
                Ok(Transfer::Failed { detail }) => data.failed.push((run, detail)),
                Err(why) => data.failed.push((run, why)),
            }
        }
        data
    }

    /// Paths that are red. What servers send in one direction is told only where what clients send in it passes.
    pub(super) fn red(&self, topology: &Topology<'a>) -> Vec<(Fault, &'a MtuRun)> {
        let nodes = |from: &Endpoint, to: &Endpoint| (topology.node_of(from), topology.node_of(to));
        let there = self.cut.iter().filter(|(_, cut)| !cut.back);
        let there: BTreeSet<_> = there.map(|(run, _)| nodes(&run.from, &run.to)).collect();
        let red = self
            .cut
            .iter()
            .filter(|(run, cut)| !cut.back || !there.contains(&nodes(&run.to, &run.from)));
        let fault = |cut: &TransferCut| Fault::DataCut {
            back: cut.back,
            altered: cut.altered,
        };
        red.map(|(run, cut)| (fault(cut), *run)).collect()
    }

    /// What was sent and what came of it, apart from what is red.
    pub(super) fn tell(&self, topology: &Topology<'_>, findings: &mut Findings) {
        let Data {
            passed,
            cut,
            lossy,
            failed,
        } = self;
        if let Some((_, why)) = failed.first() {
            let paths: Vec<String> = failed
                .iter()
                .map(|(run, _)| {
                    let (from, to) = (topology.end_name(&run.from), topology.end_name(&run.to));
                    format!("{from} → {to}")
                })
                .collect();
            findings.unmeasured(format!(
                "whether full segments of TCP pass on {}: {why} ({})",
                count(failed.len(), "path"),
                listed(&paths, 4)
            ));
        }
        if *lossy > 0 {
            findings.fact(format!(
                "full segments of TCP are not judged on {} that lose packets of any size",
                count(*lossy, "path")
            ));
        }
        if passed.is_empty() && cut.is_empty() && failed.is_empty() {
            findings.fact(
                "full segments of TCP were not sent: on no path was every TCP dial answered at once",
            );
            return;
        }
        let from: BTreeSet<&Endpoint> = passed.iter().map(|run| &run.from).collect();
        let to: BTreeSet<&Endpoint> = passed.iter().map(|run| &run.to).collect();
        let between = directions(topology, passed);
        findings.fact(format!(
            "{TRANSFER_BYTES} bytes pass each way over TCP on {} of {} tried, from {} and to {} of {}, of {} of nodes",
            passed.len(),
            count(passed.len() + cut.len() + lossy + failed.len(), "path"),
            from.len(),
            to.len(),
            count(topology.networked().count(), "pod"),
            count(between.len(), "ordered pair")
        ));
    }
}

/// Whether datagrams of the interface's MTU pass: what does not explains data as well.
fn is_well(run: &MtuRun) -> bool {
    judge_run(run).is_ok() && !learned::is_below(run)
}

/// One of these paths on which data did not come through in that way.
fn cut(run: &MtuRun) -> Option<TransferCut> {
    match run.transfers.last() {
        Some(Ok(Transfer::TransferCut(cut))) => Some(*cut),
        _ => None,
    }
}

pub(super) fn evidence(
    topology: &Topology<'_>,
    group: &Group<'_>,
    (back, altered): (bool, bool),
) -> Deviation {
    let between = directions(topology, &group.runs);
    let between: Vec<(String, String)> = between
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect();
    let pod = common_pod(topology, group);
    let subjects = match &pod {
        Some((pod, _)) => vec![Subject::Pod(pod.clone())],
        None => {
            let pairs = between.iter().cloned();
            pairs.map(|(from, to)| Subject::Pair { from, to }).collect()
        }
    };
    let fate = ended(topology, &group.runs, group.fault).map(|(_, fate)| fate);
    let found = fate.and_then(|fate| fate.cause.clone());
    let culprits = fate.map(|fate| followed::blamed(topology, fate));
    let culprits = culprits.unwrap_or_default();
    let cause = found.unwrap_or_else(|| {
        Found::inferred(Cause::LengthDropped {
            at: culprits.clone(),
        })
    });
    let mut observed: Vec<State> = fate.cloned().map(State::Followed).into_iter().collect();
    let cuts = group.runs.iter().filter_map(|run| {
        let (from, to) = (run.from.clone(), run.to.clone());
        let cut = cut(run)?;
        Some(State::from(Talk::DataCut { from, to, cut }))
    });
    observed.extend(some(cuts.collect(), 4));
    observed.extend(followed::withheld(topology));
    let first = group.runs[0];
    // A ping of that size passes: what is looked at is what the kernel has to send again.
    let look = crate::look::at(&cause.cause, &topology.observations.pods)
        .unwrap_or_else(|| crate::look::in_end(&first.from, "netstat -s"));
    Deviation {
        subjects,
        culprits,
        finding: Finding::of(
            Symptom::DataCut {
                bytes: TRANSFER_BYTES,
                back,
                altered,
                between,
                pod,
            },
            cause,
        ),
        expected: Talk::DataPasses {
            bytes: TRANSFER_BYTES,
        }
        .into(),
        observed,
        look,
    }
}
