//! A test in its own network namespace.
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// Says to the child of [`in_own_network`] that it is the child.
const INSIDE: &str = "FLATNET_TEST_INSIDE";

/// Runs `body` in a process with its own network namespace: this test binary, started again for the one test `name`
/// (`module::function`). An ordinary user gets a user namespace besides.
#[track_caller]
pub(crate) fn in_own_network(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1");
    let (user, group) = (geteuid(), getegid());
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(move || {
            if user.is_root() {
                unshare(CloneFlags::CLONE_NEWNET)?;
                return Ok(());
            }
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {group} 1"))
        });
    }
    let output = command
        .output()
        .expect("start this test in its own namespace (needs root or user namespaces)");
    let text = String::from_utf8_lossy(&output.stdout);
    let fine = output.status.success() && text.contains("1 passed");
    assert!(
        fine,
        "{name}: {text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
