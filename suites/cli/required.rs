//! Checks that must not be skipped, and runs that judge nothing.
use rstest::rstest;

use super::started::tells;
use super::{flatnet, words};

/// A lab has no control plane, so nobody can dial a node port there.
#[rstest]
#[case::one(&["--only", "pod-ip-present,nodeport", "--require", "nodeport"], "nodeport was required and was skipped: ")]
#[case::all(&["--only", "nodeport,egress", "--require", "all"], "nodeport, egress were required and were skipped: ")]
fn a_required_check_that_is_skipped_fails_the_run(#[case] options: &[&str], #[case] says: &str) {
    let output = flatnet(&[&["test", "--quiet", "--nodes", "2"], options].concat());

    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(says), "{text}");
}

#[rstest]
#[case::skipped("nodeport,egress", 4, "nothing was judged: every check was skipped")]
#[case::facts(
    "subnet",
    0,
    "1 check: 0 passed, 0 failed, 0 skipped, 0 broken, 1 reported"
)]
#[case::one_node(
    "cross-node,pod-ip-present",
    0,
    "1 passed, 0 failed, 1 skipped, 0 broken"
)]
fn a_run_that_judges_nothing_says_so(#[case] only: &str, #[case] code: i32, #[case] says: &str) {
    let output = flatnet(&[
        "test",
        "--quiet",
        "--nodes=1",
        "--pods-per-node=1",
        "--only",
        only,
    ]);

    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    assert!(text.contains(says), "{text}");
}

#[test]
fn a_variable_requires_as_the_option_does() {
    let command = &mut std::process::Command::new(env!("CARGO_BIN_EXE_flatnet"));
    let output = command
        .args(["test", "--quiet", "--nodes=2", "--only=mtu,egress"])
        .env("FLATNET_REQUIRE", "egress")
        .output()
        .expect("flatnet");

    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(
        text.contains("egress was required and was skipped"),
        "{text}"
    );
}

#[rstest]
#[case(&["--require", "nodeprt"], &["--require: unknown check \"nodeprt\", did you mean \"nodeport\"?"])]
#[case(&["--only", "mtu", "--require", "mtu,no-nat"], &["--require no-nat: --only leaves it out"])]
fn what_cannot_be_required_is_refused_before_anything_boots(
    #[case] options: &[&str],
    #[case] says: &[&str],
) {
    tells(&flatnet(&[&["test"], options].concat()), 2, says);
}
