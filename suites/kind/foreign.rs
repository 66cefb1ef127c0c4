//! The same cluster as an existing one: reached by a kubeconfig, by its administrator and by a service account that
//! may do little; whatever was made there is gone afterwards.
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs a program to its end; panics where it fails.
#[track_caller]
fn run(command: &mut Command) -> String {
    let done = command.output().expect("the program starts");
    assert!(done.status.success(), "{command:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

/// The cluster's administrator, with `kubectl` as the observer.
struct Admin {
    dir: TempDir,
}

impl Admin {
    fn new() -> Admin {
        let dir = tempfile::tempdir().expect("a folder");
        let cluster = super::on_cluster().cluster.unwrap_or_default();
        let text = run(Command::new("kind").args(["get", "kubeconfig", "--name", &cluster]));
        std::fs::write(dir.path().join("admin"), text).expect("a kubeconfig");
        Admin { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str]) -> String {
        run(Command::new("kubectl")
            .args(["--kubeconfig", &self.path("admin")])
            .args(arguments))
    }

    fn namespaces(&self) -> String {
        self.kubectl(&["get", "namespaces", "-o", "name"])
    }

    /// A kubeconfig called `name` for the user of this token.
    fn write_kubeconfig(&self, name: &str, token: &str) -> String {
        let view = self.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&view).expect("JSON");
        config["users"][0]["user"] = json!({ "token": token });
        let path = self.path(name);
        std::fs::write(&path, config.to_string()).expect("a kubeconfig");
        path
    }
}

/// A whole run on the cluster behind a kubeconfig, its report as JSON.
fn flatnet(kubeconfig: &str, more: &[&str]) -> (Output, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLATNET_")) {
        command.env_remove(name);
    }
    let output = command
        .args([
            "test",
            "--provider",
            "kubeconfig",
            "--output",
            "json",
            "--kubeconfig",
            kubeconfig,
        ])
        .args(more)
        .output()
        .expect("flatnet starts");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

/// Outcome of each check.
fn outcomes(report: &Value) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().into_iter().flatten();
    checks
        .map(|check| {
            let text = |pointer: &str| {
                let value = check.pointer(pointer).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            (text("/id"), text("/verdict"))
        })
        .collect()
}

#[test]
fn its_administrator_sees_all_green_and_no_trace_afterwards() {
    let _turn = super::turn();
    let admin = Admin::new();
    let before = admin.namespaces();

    let (output, report) = flatnet(&admin.path("admin"), &[]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (check, outcome) in outcomes(&report) {
        // A container beside the nodes is kind's, so what is seen from outside is skipped.
        let fits = ["pass", "skip", "report"].contains(&outcome.as_str());
        assert!(fits, "{check}: {outcome}");
    }
    assert_eq!(admin.namespaces(), before);
}

/// What a service account needs to deploy pods and talk to them, and no more.
const RIGHTS: &str = include_str!("foreign.yaml");

#[test]
fn a_service_account_without_privileges_gets_honest_skips() {
    let _turn = super::turn();
    let admin = Admin::new();
    let manifest = admin.path("rights.yaml");
    std::fs::write(&manifest, RIGHTS).expect("a manifest");
    admin.kubectl(&["apply", "-f", &manifest]);
    let token = admin.kubectl(&["-n", "flatnet-foreign", "create", "token", "tester"]);
    let kubeconfig = admin.write_kubeconfig("tester", &token);

    let (output, report) = flatnet(&kubeconfig, &["--namespace", "flatnet-foreign"]);
    let left = admin.kubectl(&[
        "-n",
        "flatnet-foreign",
        "get",
        "pods,services",
        "-o",
        "name",
    ]);
    admin.kubectl(&["delete", "-f", &manifest]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let outcomes = outcomes(&report);
    let of = |id: &str| {
        let found = outcomes.iter().find(|(check, _)| check == id);
        found
            .map(|(_, outcome)| outcome.as_str())
            .unwrap_or_default()
    };
    for check in [
        "pod-ip-unique",
        "same-node",
        "cross-node",
        "no-nat",
        "hairpin",
    ] {
        assert_eq!(of(check), "pass", "{check}: {report}");
    }
    for check in ["node-routes", "bridge", "cni-config"] {
        assert_eq!(of(check), "skip", "{check}: {report}");
    }
    // It may not read which addresses the name of the API's service stands for: there is nothing to compare answers with.
    assert_eq!(of("dns"), "skip", "{report}");
    let text = report.to_string();
    assert!(
        text.contains("violates PodSecurity"),
        "the rule that is lacking: {text}"
    );
    assert_eq!(left, "");
}

#[test]
fn an_expired_token_is_reported() {
    let admin = Admin::new();
    let kubeconfig = admin.write_kubeconfig("expired", "not-a-token");
    assert!(Path::new(&kubeconfig).is_file());

    let (output, _) = flatnet(&kubeconfig, &[]);

    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{words}");
    assert!(words.contains("Unauthorized"), "{words}");
}
