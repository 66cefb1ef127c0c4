//! The catalogue itself: ids, look-up, and the generated page.
use std::path::Path;

use rstest::rstest;

use crate::checks::{all, catalogue, find};

#[test]
fn ids_are_the_documented_ones() {
    let ids: Vec<&str> = all().iter().map(|check| check.id).collect();
    assert_eq!(
        ids,
        [
            "pod-ip-present",
            "pod-ip-unique",
            "same-node",
            "cross-node",
            "no-nat",
            "subnet",
            "gateway",
            "node-routes",
            "bridge",
            "cni-config",
            "mtu",
            "hairpin",
            "service",
            "dns",
            "hostport",
            "nodeport",
            "egress",
            "daemonset"
        ]
    );
}

#[rstest]
#[case("same-nod", Some("same-node"))]
#[case("crossnode", Some("cross-node"))]
#[case("CNI_CONFIG", Some("cni-config"))]
#[case("nonat", Some("no-nat"))]
#[case("latency", None)]
fn an_unknown_check_is_answered_with_the_nearest_and_the_list(
    #[case] asked: &str,
    #[case] nearest: Option<&str>,
) {
    let error = find(asked).unwrap_err();
    assert_eq!(error.nearest, nearest);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("unknown check {asked:?}")),
        "{text}"
    );
    assert!(all().iter().all(|check| text.contains(check.id)), "{text}");
}

#[test]
fn every_check_but_the_one_that_reports_has_a_fault() {
    for check in all() {
        assert_eq!(
            check.faults().is_empty(),
            check.id == "subnet",
            "{}",
            check.id
        );
        assert!(
            !check.promise.ends_with('.')
                && !check.source.is_empty()
                && !check.observed_by.is_empty(),
            "{}",
            check.id
        );
    }
}

/// A misspelt id in a fault would prove nothing.
#[test]
fn faults_name_checks_that_exist() {
    for fault in crate::plant::all() {
        for id in fault.red.iter().chain(fault.follow) {
            find(id).unwrap();
        }
    }
}

/// The page that people read is the catalogue. `FLATNET_REGENERATE=1` writes it.
#[test]
fn docs_checks_md_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks.md");
    if std::env::var_os("FLATNET_REGENERATE").is_some() {
        std::fs::write(&path, catalogue::markdown()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == catalogue::markdown(),
        "docs/checks.md is not current: run FLATNET_REGENERATE=1 cargo test -p flatnet --lib catalogue"
    );
}
