//! flatnet as a test starts it: without what this machine's environment would choose for it, and with programs of the test's own.
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// flatnet, its programs looked for in `path`.
pub(crate) fn alone(path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    command.env("PATH", path).env("HOME", path);
    for name in [
        "KUBECONFIG",
        "DOCKER_HOST",
        "KIND_EXPERIMENTAL_PROVIDER",
        "KUBERNETES_SERVICE_HOST",
    ] {
        command.env_remove(name);
    }
    unchosen(&mut command);
    command
}

/// Without the options that variables hold.
pub(crate) fn unchosen(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLATNET_")) {
        command.env_remove(name);
    }
}

/// Puts programs into a folder; each is a shell script's text.
pub(crate) fn install(dir: &Path, programs: &[(&str, impl AsRef<str>)]) {
    for (name, script) in programs {
        let path = dir.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", script.as_ref())).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("an executable script");
    }
}

/// Everything flatnet said to a person.
pub(crate) fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code, exactly one error, and what it says in this order.
#[track_caller]
pub(crate) fn tells(output: &Output, code: i32, says: &[&str]) {
    let words = words(output);
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

/// Boots a lab of one node with one pod.
pub(crate) fn smallest_lab(name: &str) -> [&str; 7] {
    ["up", "--name", name, "--nodes", "1", "--pods-per-node", "1"]
}
