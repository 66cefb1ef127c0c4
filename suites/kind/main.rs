//! The checks that need a real cluster, each shown failing on one: a fault turns its check red, names the culprit, and
//! nothing else; without a fault all is green. `FLATNET_CLUSTER` names the kind cluster, which runs already
//! (`flatnet up --provider kind --name NAME`); the other `FLATNET_*` variables choose the CNI and so on.
mod continuity;
mod foreign;
#[path = "../sabotage/heard.rs"]
mod heard;
mod reaper;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flatnet::config::{Provider, RunArgs};
use flatnet::plant::{self, Fault};
use flatnet::session::conduct;
use flatnet_model::verdict::Verdict;
use heard::{Variables, Verdicts};
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
fn judged(fault: Option<&'static Fault>) -> Verdicts {
    let args = on_cluster();
    let runtime = flatnet::session::runtime().expect("a runtime");
    let run = conduct(&args, fault, Arc::new(|_| {}));
    let outcome = runtime.block_on(run).expect("a run on the cluster");
    heard::verdicts(&outcome.observations)
}

#[test]
fn without_a_fault_everything_is_green() {
    let _turn = turn();
    all_green();
}

#[track_caller]
fn all_green() {
    for (check, verdict) in judged(None) {
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

    let said = heard::exactly(fault, &judged(Some(fault)), &Variables::new());

    if let Err(why) = said {
        panic!("{id}: {why}");
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
