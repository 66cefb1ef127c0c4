//! The workflows and the action: what actionlint does not read (`action.yml`), and what it does not know (make's targets, and that
//! nothing a stranger can write gets into a command).
use std::collections::BTreeSet;
use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

use super::{documents, files, list, read, text};

const ACTION: &str = "action.yml";
const WORKFLOW: &str = ".github/workflows/conformance.yml";
const RELEASE: &str = ".github/workflows/release.yml";

fn action() -> Value {
    documents(ACTION).remove(0)
}

/// Steps of every job, or of the action.
fn steps(file: &str) -> Vec<Value> {
    let document = documents(file).remove(0);
    let jobs = document.get("jobs").and_then(Value::as_object);
    let of_jobs = jobs
        .into_iter()
        .flatten()
        .flat_map(|(_, job)| list(job, "/steps"));
    of_jobs
        .chain(list(&document, "/runs/steps"))
        .cloned()
        .collect()
}

/// Every file that GitHub reads.
fn all() -> Vec<String> {
    let mut all = files(".github/workflows", ".yml");
    for known in [WORKFLOW, RELEASE] {
        assert!(all.contains(&known.to_owned()), "{known}");
    }
    all.push(ACTION.to_owned());
    all
}

/// Names after `prefix.` in the text, up to the first character that no name has.
fn references(text: &str, prefix: &str) -> BTreeSet<String> {
    let name = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .collect()
    };
    text.split(&format!("{prefix}."))
        .skip(1)
        .map(name)
        .collect()
}

#[test]
fn nothing_is_written_into_a_commands_text() {
    for file in all() {
        for step in steps(&file) {
            let script = text(&step, "/run");
            assert!(
                !script.contains("${{"),
                "{file}: a value belongs into env, not into {script:?}"
            );
        }
    }
}

#[test]
fn foreign_actions_are_pinned_to_a_commit() {
    for file in all() {
        for line in read(&file).lines() {
            let Some((_, action)) = line.split_once("uses: ") else {
                continue;
            };
            // This repository's own, at the commit under test; and the words of a comment.
            if action == "./" || line.trim_start().starts_with('#') {
                continue;
            }
            let pin = action
                .split_once('@')
                .and_then(|(_, pin)| pin.split_once(" # v"));
            let pinned = pin.is_some_and(|(sha, version)| {
                sha.len() == 40
                    && sha.chars().all(|c| c.is_ascii_hexdigit())
                    && version.starts_with(|c: char| c.is_ascii_digit())
            });
            assert!(
                pinned,
                "{file}: {action}: a tag can move; write its commit, and # vX.Y.Z"
            );
        }
    }
}

#[test]
fn the_action_says_what_each_input_is_and_uses_it() {
    let action = action();
    for key in ["/name", "/description"] {
        assert_ne!(text(&action, key), "", "{key}");
    }
    let inputs = action["inputs"].as_object().unwrap();
    for (name, input) in inputs {
        assert_ne!(text(input, "/description"), "", "{name}");
        let told = input.get("default").is_some_and(Value::is_string)
            || input.get("required") == Some(&Value::Bool(true));
        assert!(told, "{name}: text as default, or required");
    }
    let declared: BTreeSet<String> = inputs.keys().cloned().collect();
    assert_eq!(references(&read(ACTION), "inputs"), declared);
}

#[test]
fn the_actions_steps_are_composite_ones() {
    let action = action();
    assert_eq!(text(&action, "/runs/using"), "composite");
    let mut ids = BTreeSet::new();
    for step in steps(ACTION) {
        // Without it GitHub refuses the action when it is used, not when it is pushed.
        let run = step.get("run").is_some();
        assert_eq!(run, step.get("shell").is_some(), "{step}");
        assert_ne!(run, step.get("uses").is_some(), "{step}");
        let known = [
            "name",
            "id",
            "if",
            "shell",
            "run",
            "env",
            "uses",
            "with",
            "working-directory",
            "continue-on-error",
        ];
        for key in step.as_object().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "{key} of {step}");
        }
        // A step may use the outputs of those before it.
        for reference in references(&step.to_string(), "steps") {
            assert!(ids.contains(&reference), "steps.{reference} in {step}");
        }
        let id = text(&step, "/id").to_owned();
        assert!(id.is_empty() || ids.insert(id), "{step}");
    }
}

#[test]
fn workflows_may_read_and_no_more_and_end() {
    for file in files(".github/workflows", ".yml") {
        let workflow = documents(&file).remove(0);
        assert_eq!(
            workflow["permissions"],
            serde_json::json!({ "contents": "read" }),
            "{file}"
        );
        assert_ne!(text(&workflow, "/concurrency/group"), "", "{file}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let minutes = job["timeout-minutes"].as_u64();
            assert!(minutes.is_some_and(|minutes| minutes <= 60), "{name}");
            // Only what publishes a release may write, and it runs nothing of this repository.
            if (file.as_str(), name.as_str()) == (RELEASE, "publish") {
                continue;
            }
            assert_eq!(job.get("permissions"), None, "{file}: {name}");
        }
    }
}

#[test]
fn a_release_is_published_for_a_tag_once_every_archive_was_tried() {
    let release = documents(RELEASE).remove(0);
    let publish = &release["jobs"]["publish"];
    assert_eq!(text(publish, "/if"), "github.ref_type == 'tag'");
    assert_eq!(text(publish, "/needs"), "archive");
    assert_eq!(
        publish["permissions"],
        serde_json::json!({ "contents": "write" })
    );
    assert!(
        !list(publish, "/steps").any(|step| text(step, "/uses").starts_with("actions/checkout"))
    );
    let tried = list(&release["jobs"]["archive"], "/steps")
        .any(|step| text(step, "/run").contains("/bin/flatnet\" test"));
    assert!(tried, "no step runs flatnet from the archive");
}

#[test]
fn the_workflow_types_what_a_person_types() {
    let targets: BTreeSet<String> = read("Makefile")
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.is_empty() && !target.contains([' ', '\t', '#', '.', '=']))
        .collect();
    let mut typed = BTreeSet::new();
    for file in all() {
        for step in steps(&file) {
            let script = text(&step, "/run").to_owned();
            assert!(
                !script.contains("cargo test") && !script.contains("cargo run"),
                "{script}"
            );
            // `make target VARIABLE=…`, `sudo make -C folder target`
            for words in script.split("make ").skip(1) {
                let words: Vec<&str> = words.split_whitespace().collect();
                let target = if words[0] == "-C" { words[2] } else { words[0] };
                assert!(
                    targets.contains(target),
                    "{file}: make has no target {target}"
                );
                typed.insert(target.to_owned());
            }
        }
    }
    for target in ["conformance", "conformance-kind", "test", "lint", "dist"] {
        assert!(typed.contains(target), "make {target} is never run");
    }
}

/// Runs the action's step that checks, with a `flatnet` that prints its arguments, one a line.
fn checked(env: &[(&str, &str)]) -> Output {
    let steps = steps(ACTION);
    let step = steps
        .iter()
        .find(|step| text(step, "/name") == "Check the pod network")
        .unwrap();
    let temp = tempfile::tempdir().unwrap();
    let bin = temp.path().join("flatnet/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("flatnet");
    std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();

    let declared = step["env"].as_object().unwrap().keys();
    let mut bash = Command::new("bash");
    // As GitHub runs `shell: bash`.
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c"]);
    bash.arg(text(step, "/run")).env("RUNNER_TEMP", temp.path());
    bash.envs(declared.map(|name| (name.as_str(), "")));
    bash.envs([("CNI", "flatnet"), ("PROVIDER", "kind"), ("REPORT", "r")]);
    bash.envs(env.iter().copied());
    bash.output().unwrap()
}

#[rstest]
#[case::nothing(&[], "")]
#[case::nodes(&[("NODES", "4")], "--nodes 4")]
#[case::version(&[("KUBERNETES_VERSION", "v1.34.11")], "--image kindest/node:v1.34.11")]
#[case::image(&[("KUBERNETES_VERSION", "v1.34.11"), ("NODE_IMAGE", "mine:1")], "--image mine:1")]
#[case::baseline(&[("BASELINE", "cni/my baseline.yaml")], "--baseline cni/my baseline.yaml")]
#[case::quotes(&[("ARGS", "--only no-nat,mtu --name 'a b'")], "--only no-nat,mtu --name a b")]
#[case::no_expansion(&[("ARGS", "$HOME * `id` $(id) ;id")], "$HOME * `id` $(id) ;id")]
fn inputs_become_options_and_never_commands(#[case] env: &[(&str, &str)], #[case] expected: &str) {
    let output = checked(env);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = printed.lines().collect();
    let always = [
        "test",
        "--provider",
        "kind",
        "--cni",
        "flatnet",
        "--report",
        "r",
    ];
    assert_eq!(words[..always.len()], always);
    assert_eq!(words[always.len()..].join(" "), expected);
}

#[test]
fn a_quote_that_is_not_closed_is_no_run() {
    let output = checked(&[("ARGS", "--name 'a")]);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// The folder and the programs of every package with programs, but for the generator of man pages, which is of use only in a clone.
fn programs() -> Vec<(String, Vec<String>)> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let root = metadata["workspace_root"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| package["name"] != "flatnet-man")
        .map(|package| {
            let manifest = package["manifest_path"].as_str().unwrap();
            let folder = manifest.strip_prefix(&root).unwrap();
            let folder = folder.trim_end_matches("/Cargo.toml").trim_matches('/');
            let targets = package["targets"].as_array().unwrap().iter();
            let bins = targets
                .filter(|target| target["kind"][0] == "bin")
                .map(|target| target["name"].as_str().unwrap().to_owned());
            (folder.to_owned(), bins.collect::<Vec<_>>())
        })
        .filter(|(_, bins)| !bins.is_empty())
        .collect()
}

#[test]
fn whatever_is_installed_or_archived_brings_every_program() {
    let programs = programs();
    let all: BTreeSet<&str> = programs
        .iter()
        .flat_map(|(_, bins)| bins)
        .map(String::as_str)
        .collect();
    assert!(all.contains("flatnet-outside") && all.len() == 6, "{all:?}");
    // What make would run, by its own word.
    let install = Command::new("make")
        .args(["--dry-run", "--directory"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .arg("install")
        .output()
        .unwrap();
    let install = String::from_utf8(install.stdout).unwrap();
    for (folder, bins) in &programs {
        let line = format!("install --path {folder} --locked");
        assert!(
            install.contains(&line),
            "{bins:?} are not installed: {install}"
        );
    }
    let dist = read("scripts/dist");
    let list = dist
        .split("programs=(")
        .nth(1)
        .and_then(|rest| rest.split(')').next());
    let archived: BTreeSet<&str> = list.unwrap().split_whitespace().collect();
    assert_eq!(archived, all);
    // The action installs with make, and runs what that installed.
    assert!(read(ACTION).contains("make -C \"$GITHUB_ACTION_PATH\" install"));
}
