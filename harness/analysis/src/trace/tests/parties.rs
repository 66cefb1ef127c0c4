//! Names and addresses as people give them.
use rstest::rstest;

use super::super::parties::{Parties, address};
use super::*;
use flatnet_model::Error;

fn find(observed: &ObservedNetwork, text: &str) -> Result<String, String> {
    let parties = Parties {
        nodes: &observed.nodes,
        pods: &observed.pods,
    };
    match parties.find("--from", text) {
        Ok(party) => Ok(format!("{} in {}", party.name, party.netns)),
        Err(Error::Input(words)) => Err(words),
        Err(other) => panic!("{other:?}"),
    }
}

#[rstest]
#[case("node1", "node/node1 in node/node1")]
#[case("node/node2", "node/node2 in node/node2")]
#[case("busybox-3", "pod/busybox-3 in pod/busybox-3")]
#[case("pod/busybox-3", "pod/busybox-3 in pod/busybox-3")]
#[case("default/busybox-3", "pod/busybox-3 in pod/busybox-3")]
#[case("host-2", "pod/host-2 in node/node2")]
fn a_name_is_found(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(
        find(&observed(Style::Direct), text).as_deref(),
        Ok(expected)
    );
}

#[test]
fn a_name_that_nobody_has_is_told_with_those_there_are() {
    let words = find(&observed(Style::Direct), "nobody").unwrap_err();
    assert!(
        words.starts_with("--from nobody: no pod or node"),
        "{words}"
    );
    assert_contains(&words, "node1, node2, node3; pods: default/busybox-1");
}

#[test]
fn a_name_that_two_pods_have_needs_its_namespace() {
    let mut observed = observed(Style::Direct);
    let mut other = observed.pods[0].clone();
    other.object.reference.namespace = "other".to_owned();
    observed.pods.push(other);

    let words = find(&observed, "busybox-1").unwrap_err();

    assert_contains(&words, "default/busybox-1, other/busybox-1");
    assert_eq!(
        find(&observed, "other/busybox-1").as_deref(),
        Ok("pod/other/busybox-1 in pod/other/busybox-1")
    );
}

#[test]
fn a_pod_that_does_not_run_sends_nothing() {
    let mut observed = observed(Style::Direct);
    observed.pods[0].status = "ContainerCreating".to_owned();
    let words = find(&observed, "busybox-1").unwrap_err();
    assert_contains(&words, "it is ContainerCreating");
}

#[rstest]
#[case("10.0.0.1", Some("10.0.0.1"))]
#[case("::ffff:10.0.0.1", Some("10.0.0.1"))]
#[case("fd00::1", Some("fd00::1"))]
#[case("10.0.0.1/24", None)]
#[case("node1", None)]
fn an_address_is_told_from_a_name(#[case] text: &str, #[case] expected: Option<&str>) {
    assert_eq!(address("--to", text).unwrap(), expected.map(ip));
}

#[rstest]
#[case("224.0.0.1", "multicast")]
#[case("ff02::1", "multicast")]
#[case("0.0.0.0", "unspecified")]
#[case("fe80::1", "link-local")]
#[case("255.255.255.255", "broadcast")]
fn an_address_of_many_is_refused(#[case] text: &str, #[case] says: &str) {
    let error = address("--to", text).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_contains(&error.to_string(), says);
}
