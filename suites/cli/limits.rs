//! Limits of this process and of its user that are too low for the lab: named before anything boots.
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rstest::rstest;

use super::started::{tells, unchosen};

/// Runs flatnet in a user namespace of its own, after `set`, a line for the shell.
fn after(set: &str) -> Output {
    let mut command = Command::new("unshare");
    unchosen(&mut command);
    command
        .args(["--user", "--map-root-user", "sh", "-c"])
        .arg(format!(
            "{set} && exec $FLATNET test --nodes 6 --pods-per-node 1"
        ))
        .env("FLATNET", env!("CARGO_BIN_EXE_flatnet"))
        .output()
        .expect("unshare starts")
}

#[rstest]
#[case::descriptors(
    "ulimit -n 64",
    "open files (RLIMIT_NOFILE): 64 allowed, 400 needed for 18 nodes and pods",
    "`sudo prlimit --pid $$ --nofile=400:400`"
)]
#[case::inotify(
    "echo 6 > /proc/sys/user/max_inotify_instances",
    "inotify instances (user.max_inotify_instances): 6 allowed, 7 needed for 18 nodes and pods",
    "`sysctl -w user.max_inotify_instances=14`"
)]
#[case::namespaces(
    "echo 20 > /proc/sys/user/max_net_namespaces",
    "network namespaces (user.max_net_namespaces): 20 allowed, 26 needed",
    "`sysctl -w user.max_net_namespaces=52`"
)]
fn a_limit_that_is_too_low_is_named_before_anything_boots(
    #[case] set: &str,
    #[case] says: &str,
    #[case] remedy: &str,
) {
    let start = Instant::now();
    let output = after(set);
    tells(&output, 3, &[says, remedy]);
    assert!(start.elapsed() < Duration::from_secs(10));
}
