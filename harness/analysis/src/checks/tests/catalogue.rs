//! The catalogue itself: ids, look-up, and the generated page.
use rstest::rstest;

use crate::checks::{all, find};

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
            "first-packet",
            "duplicates",
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
