//! Other users than root, and other machines than friendly ones.
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use flatnet_lab::{Error, Lab};

use crate::support::*;

/// Runs a test of this suite in a process of its own, by way of `wrapper`.
fn rerun(wrapper: &[&str], test: &str) -> Output {
    // The test program and flatnet-lab may lie where another user may not go: their descriptors get there nevertheless.
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &Path| {
        let to = dir.path().join(from.file_name().unwrap());
        std::fs::copy(from, &to).unwrap();
        to
    };
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let (suite, program) = (
        copy(&std::env::current_exe().unwrap()),
        copy(Path::new(PROGRAM)),
    );
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(suite)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("LAB_TEST_PROGRAM", program);
    command
        .current_dir("/")
        .env("TMPDIR", "/nonexistent")
        .env("HOME", "/nonexistent");
    // Shared with no other process: a group of its own.
    command.process_group(0).output().unwrap()
}

#[test]
fn an_ordinary_user_has_a_whole_lab() {
    let wrapper: &[&str] = if nix::unistd::geteuid().is_root() {
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        &["env"]
    };
    let output = rerun(wrapper, "users::lab_of_an_ordinary_user");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("ordinary user done"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "run by an_ordinary_user_has_a_whole_lab, as another user"]
fn lab_of_an_ordinary_user() {
    let Ok(program) = std::env::var("LAB_TEST_PROGRAM") else {
        return;
    };
    let lab = Lab::boot(Path::new(&program), &spec("user", 2), false).unwrap();
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let (a, b) = (
        started(&lab, &pod("a", 1, SLEEPER)),
        started(&lab, &pod("b", 1, SLEEPER)),
    );
    ok(&lab, &pod_place("a"), &["ping", "-c1", "-W5", &ip(&b)]);
    ok(&lab, &pod_place("b"), &["ping", "-c1", "-W5", &ip(&a)]);
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "node2"]);
    ok(
        &lab,
        &node(1),
        &["mkdir", "-p", "/etc/x", "/var/x", "/run/x"],
    );
    lab.delete_pod("default", "a").unwrap();
    lab.shutdown().unwrap();
    writeln!(std::io::stdout(), "ordinary user done").unwrap();
}

#[test]
fn where_namespaces_are_forbidden_the_setting_is_named() {
    // A user namespace whose own limit is zero, and a root in it that has no capability: like a user under that sysctl.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    let output = rerun(
        &[
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
        ],
        "users::lab_where_namespaces_are_forbidden",
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("named it"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "run by where_namespaces_are_forbidden_the_setting_is_named, where they are"]
fn lab_where_namespaces_are_forbidden() {
    let Ok(program) = std::env::var("LAB_TEST_PROGRAM") else {
        return;
    };
    let error = Lab::boot(Path::new(&program), &spec("forbidden", 1), false).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(
        error.to_string().contains("user.max_user_namespaces"),
        "{error}"
    );
    writeln!(std::io::stdout(), "named it").unwrap();
}
