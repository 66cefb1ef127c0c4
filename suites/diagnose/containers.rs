//! Containers that do not start or do not last.
use flatnet::report::diagnosis as report;
use flatnet_model::cause::CauseId;
use rstest::rstest;

use crate::ground::Ground;

#[rstest]
#[case::image(
    "containers: [{name: web, image: 'nginx:9.9'}]",
    "Failed",
    CauseId::ImagePull,
    &["nginx:9.9", "container web", "node1"]
)]
#[case::command(
    "containers: [{name: c, image: busybox, command: [no-such-program]}]",
    "Failed",
    CauseId::CommandNotFound,
    &["no-such-program", "executable file not found"]
)]
#[case::command_of_a_shell(
    "containers: [{name: c, image: busybox, command: [sh, -c, no-such-program]}]",
    "BackOff",
    CauseId::CommandNotFound,
    &["exit code 127", "no-such-program: not found"]
)]
#[case::crash_loop(
    "containers: [{name: c, image: busybox, command: [sh, -c, 'echo no database; exit 3']}]",
    "BackOff",
    CauseId::CrashLoop,
    &["exit code 3", "no database", "container c of pod default/app"]
)]
#[case::a_command_that_ends(
    "containers: [{name: c, image: busybox, command: ['true']}]",
    "BackOff",
    CauseId::CrashLoop,
    &["exit code 0", "has to last"]
)]
fn a_container_that_does_not_run(
    #[case] spec: &str,
    #[case] event: &str,
    #[case] cause: CauseId,
    #[case] names: &[&str],
) {
    let ground = Ground::new(&format!("c-{}", spec.len()), "flatnet");
    ground.apply(spec);
    ground.warned(event);

    ground.first_is(cause, names);
}

/// The pod's network outlives its containers: by an address a container knows that it ran before.
const FAILS_TWICE: &str = "containers: [{name: c, image: busybox, command: [sh, -c, 'for n in 1 2; do ip address add 127.0.1.$n/32 dev lo && exit 3; done; exec sleep infinity']}]";

#[test]
fn a_container_that_was_restarted_and_lasts_is_no_failure() {
    let ground = Ground::new("restarted", "flatnet");
    ground.apply(FAILS_TWICE);
    ground.warned("BackOff");

    // Until its run has lasted longer than the one before.
    let diagnosis = ground.well(&["app"]);

    let subject = &diagnosis.subjects[0];
    assert!(subject.healthy && subject.findings.is_empty());
    let [restarted] = &subject.restarted[..] else {
        panic!("{subject:#?}");
    };
    assert_eq!((restarted.container.as_str(), restarted.times), ("c", 2));
    let ended = restarted.ended.as_ref().expect("how it ended");
    assert_eq!((ended.exit_code, ended.reason.as_str()), (3, "Error"));
    assert!(ended.at.is_some());
    let printed = report::render(&diagnosis);
    assert!(
        printed.contains("container c was restarted 2 times; it last ended at "),
        "{printed}"
    );

    let (_, other) = ground.diagnose(&["busybox-1"]);
    assert!(other.subjects[0].restarted.is_empty(), "{other:#?}");
}
