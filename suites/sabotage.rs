//! Every check is shown failing: each planted fault turns its checks red, names the culprit, and reddens nothing unrelated.
//! The checks that need a real cluster are shown failing in `suites/kind`.
use std::collections::BTreeMap;
use std::sync::Arc;

use flatnet::config::{Provider, RunArgs};
use flatnet::plant;
use flatnet::session::conduct;
use flatnet_analysis::checks::{Evidence, catalogue};
use flatnet_model::verdict::Verdict;
use rstest::rstest;

/// Verdicts of one run with the fault planted.
fn verdicts(fault: &'static plant::Fault) -> BTreeMap<&'static str, Verdict> {
    let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
    args.pods_per_node = Some(2);
    let runtime = flatnet::session::runtime().expect("a runtime");
    let run = conduct(&args, Some(fault), Arc::new(|_| {}));
    let outcome = runtime.block_on(run).expect("a run with the fault planted");
    catalogue::all()
        .iter()
        .map(|check| (check.id, (check.judge)(&outcome.observations)))
        .collect()
}

/// Whether a piece of evidence names what is broken.
fn names(evidence: &Evidence, culprit: &str) -> bool {
    evidence
        .culprit
        .as_deref()
        .is_some_and(|c| c.contains(culprit))
        || evidence.what.contains(culprit)
}

#[rstest]
#[case::pod_address_changed("pod-address-changed")]
#[case::equal_pod_cidr("equal-pod-cidr")]
#[case::same_ip("same-ip")]
#[case::same_node_drop("same-node-drop")]
#[case::forward_drop("forward-drop")]
#[case::udp_drop("udp-drop")]
#[case::masquerade("masquerade")]
#[case::dnat("dnat")]
#[case::reply_source("reply-source")]
#[case::default_route_missing("default-route-missing")]
#[case::gateway_missing("gateway-missing")]
#[case::route_missing("route-missing")]
#[case::stale_route("stale-route")]
#[case::wrong_vtep_mac("wrong-vtep-mac")]
#[case::host_end_off_bridge("host-end-off-bridge")]
#[case::second_conflist("second-conflist")]
#[case::plugin_missing("plugin-missing")]
#[case::underlay_mtu("underlay-mtu")]
#[case::loopback_down("loopback-down")]
fn the_fault_is_seen_and_nothing_else(#[case] id: &str) {
    let fault = plant::find(id).unwrap();

    let verdicts = verdicts(fault);

    for (check, verdict) in &verdicts {
        let red = fault.red.contains(check);
        match verdict {
            Verdict::Fail { evidence } => {
                assert!(
                    red || fault.follow.contains(check),
                    "{id} reddens {check}, which it should not: {evidence:#?}"
                );
                let named = evidence.iter().any(|e| names(e, fault.culprit));
                assert!(
                    !red || named,
                    "{id}: the evidence of {check} does not name {}: {evidence:#?}",
                    fault.culprit
                );
            }
            other => assert!(!red, "{id} leaves {check} as {other:?}"),
        }
    }
}

#[test]
fn every_fault_is_sabotaged_and_every_check_has_one() {
    let source = include_str!("sabotage.rs");
    // Those of a real cluster have a suite of their own, which insists likewise.
    for fault in plant::all().filter(|fault| fault.provider() == Provider::Lab) {
        assert!(
            source.contains(&format!("(\"{}\")]", fault.id)),
            "no case for {}",
            fault.id
        );
    }
    // `subnet` reports facts and cannot fail.
    for check in catalogue::all().iter().filter(|check| check.id != "subnet") {
        assert!(
            plant::all().any(|fault| fault.red.contains(&check.id)),
            "no fault reddens {}",
            check.id
        );
    }
}
