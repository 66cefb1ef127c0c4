//! Containers that do not start or do not last.
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
