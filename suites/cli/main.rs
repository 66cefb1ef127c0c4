//! The command line as a person meets it: exit codes, one clear message each, and nothing left behind.
mod bare_root;
mod clusters;
mod input;
mod limits;
mod output;
mod real_clusters;
mod required;
mod runs;
mod stand_in;
#[path = "../started.rs"]
mod started;
mod terminal;
mod unready;
mod variables;

use std::path::Path;
use std::process::{Command, Output};

use flatnet::programs::{Linkage, linkage};
use flatnet_analysis::checks::catalogue;
use rstest::rstest;
use started::{unchosen, words};
use tempfile::TempDir;

fn flatnet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    command.args(arguments).output().expect("flatnet starts")
}

/// A file in a folder of its own.
fn file(name: &str, text: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("a file");
    let path = path.display().to_string();
    (dir, path)
}

fn pod(node: &str, command: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: odd}}\nspec:\n  nodeName: {node}\n  containers:\n  - {{name: c, image: busybox, command: {command}}}\n"
    )
}

#[rstest]
#[case::unknown_check(&["test", "--only", "no-natt"], 2, "did you mean \"no-nat\"?")]
#[case::unknown_cni(&["test", "--cni", "calico"], 2, "unknown CNI; choose flatnet, flannel, weave, reference, none")]
#[case::conflist_missing(&["test", "--cni", "./nowhere.conflist"], 2, "nowhere.conflist: No such file")]
#[case::no_nodes(&["test", "--nodes", "0"], 2, "0 is not in 1..=250")]
#[case::too_many_nodes(&["test", "--nodes", "251"], 2, "251 is not in 1..=250")]
#[case::small_cidr(&["test", "--node-cidr-mask", "30"], 2, "10.244.0.0/30 of node1 has room for 1 pods")]
#[case::unknown_fault(&["test", "--plant", "gremlin"], 2, "unknown fault; to list all: flatnet checks")]
#[case::misspelt_fault(&["test", "--plant", "wrong-next-hopp"], 2, "did you mean \"wrong-next-hop\"")]
#[case::fault_elsewhere(&["test", "--plant", "dnat", "--cni", "reference"], 2, "needs --cni flatnet")]
#[case::busybox_missing(&["test", "--busybox", "/nowhere/busybox"], 2, "--busybox /nowhere/busybox: No such file")]
#[case::busybox_dynamic(&["test", "--busybox", "/bin/sh"], 2, "dynamically linked")]
#[case::manifest_missing(&["test", "--manifest", "/nowhere.yaml"], 2, "manifest /nowhere.yaml: No such file")]
#[case::plugins_missing(&["test", "--cni", "reference", "--cni-bin", "/nowhere"], 3, "is not in /nowhere")]
#[case::name_no_label(&["test", "--name", "No_Label"], 2, "not a DNS label")]
#[case::small_mtu(&["test", "--mtu", "1000"], 2, "1000 is not in 1280..=65535")]
#[case::no_cluster(&["exec", "--cluster", "flatnet-suite-nobody", "busybox-1", "--", "true"], 2, "--cluster flatnet-suite-nobody: no cluster of that name is running")]
#[case::no_lab(&["inspect", "--cluster", "lab/flatnet-suite-nobody"], 2, "no lab of that name is running")]
#[case::nothing_to_end(&["down", "flatnet-suite-nobody"], 2, "to boot it: flatnet up --name flatnet-suite-nobody")]
#[case::two_names(&["down", "one", "--cluster", "two"], 2, "cannot be used with")]
#[case::all_and_one(&["down", "--all", "--cluster", "two"], 2, "--all cannot be used with --cluster")]
#[case::two_sources(&["diagnose", "--cluster", "one", "--context", "two"], 2, "give one of the two")]
#[case::no_duration(&["diagnose", "--wait", "soon"], 2, "write it as 500ms, 10s or 2m")]
#[case::no_command(&["exec", "busybox-1"], 2, "Usage")]
fn bad_input_is_reported_in_one_message(
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] says: &str,
) {
    let output = flatnet(arguments);

    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    assert!(words(&output).contains(says), "{}", words(&output));
    assert_eq!(
        words(&output).matches("error: ").count(),
        1,
        "{}",
        words(&output)
    );
}

#[test]
fn a_malformed_conflist_is_reported_with_its_line() {
    let (_dir, path) = file(
        "x.conflist",
        "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": ,\n}",
    );

    let output = flatnet(&["test", "--cni", &path, "--cni-bin", "/usr/lib/cni"]);

    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("line 3"), "{}", words(&output));
}

#[rstest]
#[case::not_yaml("apiVersion: v1\nkind: [Pod\n".to_owned(), "line 3")]
#[case::wrong_kind("apiVersion: apps/v1\nkind: Deployment\n".to_owned(), "expected v1/Pod")]
#[case::unknown_node(pod("node9", "[sleep, infinity]"), "node9")]
fn a_bad_manifest_is_reported_with_the_place(#[case] text: String, #[case] says: &str) {
    let (_dir, path) = file("pods.yaml", &text);

    let output = flatnet(&["test", "--manifest", &path]);

    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains(says), "{}", words(&output));
}

#[test]
fn a_pod_whose_command_exits_fails_the_run_with_its_exit_code() {
    let (_dir, path) = file("pods.yaml", &pod("node1", "[sh, -c, exit 7]"));

    let output = flatnet(&["test", "--manifest", &path, "--pod-timeout", "20"]);

    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{report}{}", words(&output));
    assert!(report.contains("FAIL    pod-ip-present"), "{report}");
    assert!(report.contains("exit code 7"), "{report}");
}

#[test]
fn a_cluster_is_brought_up_looked_into_and_taken_down() {
    let name = format!("suite-{}", std::process::id());
    let up = flatnet(&[
        "up",
        "--name",
        &name,
        "--nodes",
        "2",
        "--pods-per-node",
        "1",
    ]);
    assert!(up.status.success(), "{}", words(&up));

    let again = flatnet(&["up", "--name", &name]);
    let route = flatnet(&["exec", "--cluster", &name, "busybox-1", "--", "ip", "route"]);
    let code = flatnet(&[
        "exec",
        "--cluster",
        &name,
        "node2",
        "--",
        "sh",
        "-c",
        "exit 5",
    ]);
    let nobody = flatnet(&["exec", "--cluster", &name, "busybox-9", "--", "true"]);
    let list = flatnet(&["list"]);
    let down = flatnet(&["down", &name]);
    let gone = flatnet(&["down", &name]);

    assert_eq!(again.status.code(), Some(2), "{}", words(&again));
    assert!(
        words(&again).contains("is already running"),
        "{}",
        words(&again)
    );
    let route = String::from_utf8_lossy(&route.stdout).into_owned();
    assert!(route.contains("default via 10.244.0.1 dev eth0"), "{route}");
    assert_eq!(code.status.code(), Some(5));
    assert!(
        words(&nobody).contains("pods: default/busybox-1"),
        "{}",
        words(&nobody)
    );
    assert!(String::from_utf8_lossy(&list.stdout).contains(&name));
    assert!(down.status.success(), "{}", words(&down));
    assert_eq!(gone.status.code(), Some(2), "{}", words(&gone));
}

#[test]
fn reports_for_machines_are_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("report").display().to_string();

    let output = flatnet(&["test", "--output", "json", "--report", &folder]);

    assert!(output.status.success(), "{}", words(&output));
    let printed: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("JSON alone on standard output");
    assert_eq!(printed["schema"], "flatnet.report/v4");
    assert_eq!(
        printed["checks"].as_array().map(Vec::len),
        Some(catalogue::all().len())
    );
    let junit = std::fs::read_to_string(dir.path().join("report/junit.xml")).expect("junit.xml");
    assert!(
        junit.contains("<testsuite") && junit.contains("no-nat"),
        "{junit}"
    );
    let page = dir.path().join("report/report.html").display().to_string();
    let json = dir.path().join("report/report.json").display().to_string();
    let same = flatnet(&["diff", &page, &json]);
    assert!(same.status.success(), "{}", words(&same));
}

/// A run of a conflist without hairpin mode in GitHub Actions, where `on` is `true`.
fn without_hairpin(on: &str) -> Output {
    let reference = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../manifests/reference.conflist"
    );
    let conflist = std::fs::read_to_string(reference).expect("manifests/reference.conflist");
    let changed = conflist.replace("\"hairpinMode\": true", "\"hairpinMode\": false");
    assert_ne!(changed, conflist);
    let (dir, path) = file("changed.conflist", &changed);
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    let arguments = [
        "test",
        "--nodes",
        "1",
        "--pods-per-node",
        "1",
        "--output",
        "json",
    ];
    command
        .args(arguments)
        .args(["--only", "hairpin", "--cni", &path]);
    command.args(["--cni-bin", "/usr/lib/cni"]);
    command
        .env("GITHUB_ACTIONS", on)
        .env("GITHUB_WORKSPACE", dir.path());
    command.output().expect("flatnet starts")
}

#[test]
fn github_is_told_at_which_file_a_check_fails() {
    let command = "::error file=changed.conflist,line=1,title=flatnet%3A hairpin::";
    let commands = |output: &Output| {
        let said = words(output);
        said.lines()
            .filter(|line| line.starts_with(command))
            .count()
    };

    let (told, elsewhere) = (without_hairpin("true"), without_hairpin("false"));

    assert_eq!(told.status.code(), Some(1), "{}", words(&told));
    assert_eq!(commands(&told), 1, "{}", words(&told));
    assert_eq!(commands(&elsewhere), 0, "{}", words(&elsewhere));
    let json: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON alone");
    assert_eq!(json["checks"][0]["verdict"], "fail");
}

#[rstest]
#[case::plugin(env!("CARGO_BIN_EXE_flatnet-cni"))]
#[case::agent(env!("CARGO_BIN_EXE_flatnet-agent"))]
#[case::probe(env!("CARGO_BIN_EXE_flatnet-probe"))]
fn what_goes_into_nodes_and_pods_is_static(#[case] program: &str) {
    assert_eq!(
        linkage(Path::new(program)).expect("an ELF program"),
        Linkage::Static
    );
}
