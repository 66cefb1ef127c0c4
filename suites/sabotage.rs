//! Every check is shown failing: each planted fault turns its checks red, names the culprit, and reddens nothing unrelated.
//! The checks that need a real cluster are shown failing in `suites/kind`.
use std::collections::BTreeMap;
use std::sync::Arc;

use flatnet::config::{Provider, RunArgs};
use flatnet::plant;
use flatnet::session::conduct;
use flatnet_analysis::checks::catalogue;
use flatnet_analysis::words::{Names, Text, Words};
use flatnet_model::advice::Advice;
use flatnet_model::coverage::Coverage;
use flatnet_model::evidence::Evidence;
use flatnet_model::verdict::Verdict;
use rstest::rstest;

/// What a run is asked for, beside a fault.
fn args() -> RunArgs {
    RunArgs::from_env().expect("FLATNET_* variables that fit")
}

/// Verdicts of one run, with the fault planted.
fn verdicts(
    args: &RunArgs,
    fault: Option<&'static plant::Fault>,
) -> BTreeMap<&'static str, Verdict> {
    let runtime = flatnet::session::runtime().expect("a runtime");
    let run = conduct(args, fault, Arc::new(|_| {}));
    let outcome = runtime.block_on(run).expect("a run");
    catalogue::all()
        .iter()
        .map(|check| (check.id, check.judge(&outcome.observations)))
        .collect()
}

/// In words, every pod with its namespace.
fn text(evidence: &Evidence) -> Text {
    let words = Words {
        advice: Advice::brief(),
        names: Names::Full,
    };
    words.text(evidence)
}

/// Whether a piece of evidence names what is broken.
fn names(evidence: &Evidence, culprit: &str) -> bool {
    let text = text(evidence);
    text.culprit.is_some_and(|c| c.contains(culprit)) || text.what.contains(culprit)
}

/// Whether a piece of evidence names the cause that was planted, as data.
fn explains(evidence: &Evidence, fault: &plant::Fault) -> bool {
    let cause = evidence.cause();
    cause.is_some_and(|cause| fault.causes.contains(&cause.id()))
}

#[rstest]
#[case::pod_address_changed("pod-address-changed")]
#[case::equal_pod_cidr("equal-pod-cidr")]
#[case::same_ip("same-ip")]
#[case::same_node_drop("same-node-drop")]
#[case::forward_drop("forward-drop")]
#[case::udp_drop("udp-drop")]
#[case::random_loss("random-loss")]
#[case::first_packet_lost("first-packet-lost")]
#[case::packets_doubled("packets-doubled")]
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
#[case::underlay_cut("underlay-cut")]
#[case::underlay_mtu("underlay-mtu")]
#[case::length_drop("length-drop")]
#[case::pod_mtu("pod-mtu")]
#[case::loopback_down("loopback-down")]
fn the_fault_is_seen_and_nothing_else(#[case] id: &str) {
    let mut args = args();
    args.pods_per_node = Some(2);
    assert_seen(&args, id);
}

#[rstest]
#[case("pod-address-changed")]
#[case("same-node-drop")]
#[case("forward-drop")]
#[case("udp-drop")]
#[case("masquerade")]
#[case("reply-source")]
#[case("default-route-missing")]
#[case("route-missing")]
#[case("host-end-off-bridge")]
fn the_fault_is_seen_without_dialling_every_pair(#[case] id: &str) {
    let mut args = args();
    args.nodes = Some(6);
    args.pods_per_node = Some(4);
    args.coverage = Coverage::Nodes;
    assert_seen(&args, id);
}

#[track_caller]
fn assert_seen(args: &RunArgs, id: &str) {
    let fault = plant::find(id).expect("a planted fault");
    let verdicts = verdicts(args, Some(fault));

    for (check, verdict) in &verdicts {
        let red = fault.must_fail.contains(check);
        match verdict {
            Verdict::Fail { evidence } => {
                assert!(
                    red || fault.may_fail.contains(check),
                    "{id} reddens {check}, which it should not: {evidence:#?}"
                );
                let named = evidence.iter().any(|e| names(e, fault.culprit));
                assert!(
                    !red || named,
                    "{id}: the evidence of {check} does not name {}: {evidence:#?}",
                    fault.culprit
                );
                let explained = evidence.iter().any(|e| explains(e, fault));
                assert!(
                    !red || explained,
                    "{id}: no evidence of {check} names a cause of {:?}: {evidence:#?}",
                    fault.causes
                );
            }
            other => assert!(!red, "{id} leaves {check} as {other:?}"),
        }
    }
}

/// `web` of the namespace `blue` on node1 and `web` of `green` on node2, each with a neighbour.
fn twins() -> RunArgs {
    let pod = |namespace: &str, name: &str, node: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             nodeName: {node}\n  containers: [{{name: c, image: busybox:1.36, command: [sleep, infinity]}}]\n---\n"
        )
    };
    let manifest = [
        ("blue", "web", "node1"),
        ("green", "web", "node2"),
        ("blue", "other", "node1"),
        ("green", "another", "node2"),
    ];
    let text: String = manifest
        .map(|(ns, name, node)| pod(ns, name, node))
        .concat();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("twins-{}.yaml", std::process::id()));
    std::fs::write(&path, text).expect("a manifest");
    let mut args = args();
    args.nodes = Some(2);
    args.manifest = Some(path);
    args
}

#[test]
fn two_pods_of_one_name_in_two_namespaces_are_well() {
    for (check, verdict) in verdicts(&twins(), None) {
        let fine = matches!(
            verdict,
            Verdict::Pass { .. } | Verdict::Report { .. } | Verdict::Skip { .. }
        );
        assert!(fine, "{check}: {verdict:#?}");
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
            plant::all().any(|fault| fault.must_fail.contains(&check.id)),
            "no fault reddens {}",
            check.id
        );
    }
}
