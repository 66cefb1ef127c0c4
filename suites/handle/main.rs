//! The cluster handle where things go wrong: refusals, calls that never return, Ctrl-C and kills at every moment. Each ends
//! with one clear error and its exit code, and leaves nothing behind.
mod api;
mod hangs;
mod interrupts;
mod namespace;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// flatnet without what the environment of the test might choose for it, its programs looked for in `path`.
fn flatnet(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    command
        .args(arguments)
        .env("PATH", path)
        .env("HOME", path)
        .stdin(Stdio::null());
    for name in [
        "KUBECONFIG",
        "DOCKER_HOST",
        "KIND_EXPERIMENTAL_PROVIDER",
        "KUBERNETES_SERVICE_HOST",
    ] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLATNET_")) {
        command.env_remove(name);
    }
    command
}

/// Started, with both output streams kept.
fn started(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flatnet starts")
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGINT).expect("a signal to flatnet");
}

/// Exit code, exactly one error, and what it says in this order.
#[track_caller]
fn tells(output: &Output, code: i32, says: &[&str]) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words}");
    let mut rest = words.as_str();
    for said in says {
        let Some(at) = rest.find(said) else {
            panic!("{said:?} is not where it should be in: {words}");
        };
        rest = &rest[at + said.len()..];
    }
    let errors = words.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{words}");
}
