//! A root file system that has flatnet in it and nothing else, as an image with one program has.
use std::process::{Command, Output};

use super::started::{unchosen, words};

/// Runs `flatnet` there. The kernel's own file systems are what every container has.
fn in_bare_root(arguments: &[&str]) -> Output {
    let root = tempfile::tempdir().expect("a folder");
    for folder in ["programs", "proc", "dev", "sys", "tmp"] {
        std::fs::create_dir(root.path().join(folder)).expect("a folder in it");
    }
    for program in [
        env!("CARGO_BIN_EXE_flatnet"),
        env!("CARGO_BIN_EXE_flatnet-lab"),
        env!("CARGO_BIN_EXE_flatnet-cni"),
        env!("CARGO_BIN_EXE_flatnet-agent"),
        env!("CARGO_BIN_EXE_flatnet-probe"),
    ] {
        let name = program.rsplit('/').next().unwrap_or(program);
        let copy = root.path().join("programs").join(name);
        std::fs::copy(program, copy).expect("a copy of a program");
    }
    let namespaces: &[&str] = if nix::unistd::geteuid().is_root() {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let script = "mount -t proc proc proc && mount --rbind /dev dev && mount --rbind /sys sys && mount -t tmpfs tmp tmp && exec chroot . /programs/flatnet \"$@\"";
    let mut command = Command::new("unshare");
    unchosen(&mut command);
    command
        .args(namespaces)
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", script, "sh"])
        .args(arguments)
        .current_dir(root.path())
        .output()
        .expect("unshare starts")
}

#[test]
fn a_whole_run_needs_no_other_program() {
    let output = in_bare_root(&["test", "--nodes", "2", "--pods-per-node", "2"]);

    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", words(&output));
    for check in ["same-node", "cross-node", "no-nat"] {
        let passed = |line: &str| line.starts_with("PASS") && line.contains(check);
        assert!(table.lines().any(passed), "{check}: {table}");
    }
}

#[test]
fn plugins_that_are_not_there_are_named() {
    let output = in_bare_root(&[
        "test",
        "--nodes",
        "1",
        "--only",
        "gateway",
        "--cni",
        "reference",
    ]);

    assert_eq!(output.status.code(), Some(3), "{}", words(&output));
    assert!(
        words(&output).contains("the plugin \"bridge\" is not in"),
        "{}",
        words(&output)
    );
}
