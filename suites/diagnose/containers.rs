//! Containers that do not start or do not last.
use flatnet_model::cause::Cause;
use rstest::rstest;

use crate::ground::Ground;

#[rstest]
#[case::image(
    "containers: [{name: web, image: 'nginx:9.9'}]",
    "Failed",
    Cause::ImagePull,
    &["nginx:9.9", "container web", "node1"]
)]
#[case::command(
    "containers: [{name: c, image: busybox, command: [no-such-program]}]",
    "Failed",
    Cause::CommandNotFound,
    &["no-such-program", "executable file not found"]
)]
#[case::command_of_a_shell(
    "containers: [{name: c, image: busybox, command: [sh, -c, no-such-program]}]",
    "BackOff",
    Cause::CommandNotFound,
    &["exit code 127", "no-such-program: not found"]
)]
#[case::crash_loop(
    "containers: [{name: c, image: busybox, command: [sh, -c, 'echo no database; exit 3']}]",
    "BackOff",
    Cause::CrashLoop,
    &["exit code 3", "no database", "container c of pod default/app"]
)]
#[case::a_command_that_ends(
    "containers: [{name: c, image: busybox, command: ['true']}]",
    "BackOff",
    Cause::CrashLoop,
    &["exit code 0", "has to last"]
)]
fn a_container_that_does_not_run(
    #[case] spec: &str,
    #[case] event: &str,
    #[case] cause: Cause,
    #[case] names: &[&str],
) {
    let ground = Ground::new(&format!("c-{}", spec.len()), "flatnet");
    ground.apply(spec);
    ground.warned(event);

    ground.first_is(cause, names);
}
