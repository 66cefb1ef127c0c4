//! The checks that need a real cluster, each shown failing on one: a fault turns its check red, names the culprit, and
//! nothing else; without a fault all is green. `FLATNET_CLUSTER` names the kind cluster, which runs already
//! (`flatnet up --provider kind --name NAME`); the other `FLATNET_*` variables choose the CNI and so on.
mod continuity;
mod foreign;
mod reaper;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flatnet::config::{Provider, RunArgs};
use flatnet::plant::{self, Fault};
use flatnet::session::conduct;
use flatnet_analysis::checks::catalogue;
use flatnet_analysis::words::Words;
use flatnet_model::evidence::Evidence;
use flatnet_model::verdict::Verdict;
use rstest::rstest;

/// One cluster for all tests: they take turns.
static CLUSTER: Mutex<()> = Mutex::new(());

/// A test that failed in its turn has left nothing that the next one could not take.
fn turn() -> MutexGuard<'static, ()> {
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a run on that cluster is told.
fn on_cluster() -> RunArgs {
    let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
    assert!(
        args.cluster.is_some(),
        "set FLATNET_CLUSTER to the name of a running kind cluster with a control plane and two workers (make test-kind does)"
    );
    args.provider = Some(Provider::Kind);
    args.pods_per_node = Some(2);
    args
}

/// Verdicts of one run, with the fault planted where there is one.
fn verdicts(fault: Option<&'static Fault>) -> BTreeMap<&'static str, Verdict> {
    let args = on_cluster();
    let runtime = flatnet::session::runtime().expect("a runtime");
    let run = conduct(&args, fault, Arc::new(|_| {}));
    let outcome = runtime.block_on(run).expect("a run on the cluster");
    catalogue::all()
        .iter()
        .map(|check| (check.id, check.judge(&outcome.observations)))
        .collect()
}

/// Whether a piece of evidence names what is broken.
fn names(evidence: &Evidence, culprit: &str) -> bool {
    let text = Words::of_report(None, None).text(evidence);
    text.culprit.is_some_and(|named| named.contains(culprit)) || text.what.contains(culprit)
}

#[test]
fn without_a_fault_everything_is_green() {
    let _turn = turn();
    all_green();
}

#[track_caller]
fn all_green() {
    for (check, verdict) in verdicts(None) {
        let about_users = ["service", "dns", "nodeport", "egress", "daemonset"].contains(&check);
        match verdict {
            Verdict::Pass { .. } | Verdict::Report { .. } => {}
            // Which of the others apply depends on the CNI; those above are what this suite is for.
            Verdict::Skip { .. } if !about_users => {}
            other => panic!("{check}: {other:#?}"),
        }
    }
}

#[rstest]
#[case::service_drop("service-drop")]
#[case::dns_drop("dns-drop")]
#[case::hostport_drop("hostport-drop")]
#[case::nodeport_drop("nodeport-drop")]
#[case::egress_drop("egress-drop")]
#[case::egress_source("egress-source")]
#[case::agent_missing("agent-missing")]
fn the_fault_is_seen_and_nothing_else(#[case] id: &str) {
    let fault = plant::find(id).unwrap();
    let _turn = turn();

    let verdicts = verdicts(Some(fault));

    for (check, verdict) in &verdicts {
        let red = fault.must_fail.contains(check);
        match verdict {
            Verdict::Fail { evidence } => {
                assert!(
                    red || fault.may_fail.contains(check),
                    "{id} reddens {check}, which it should not: {evidence:#?}"
                );
                let named = evidence.iter().all(|e| names(e, fault.culprit));
                assert!(
                    !red || named,
                    "{id}: the evidence of {check} does not name {}: {evidence:#?}",
                    fault.culprit
                );
                let mut causes = evidence.iter().filter_map(Evidence::cause);
                assert!(
                    !red || causes.any(|cause| fault.causes.contains(&cause.id())),
                    "{id}: the evidence of {check} names no cause of {:?}: {evidence:#?}",
                    fault.causes
                );
            }
            other => assert!(!red, "{id} leaves {check} as {other:?}"),
        }
    }
}

#[test]
fn every_fault_of_a_real_cluster_has_its_case() {
    let source = include_str!("main.rs");
    for fault in plant::all().filter(|fault| fault.provider() == Provider::Kind) {
        assert!(
            source.contains(&format!("(\"{}\")]", fault.id)),
            "no case for {}",
            fault.id
        );
    }
}
