//! A table of configurations, through the command line: ours is as expected, a wrong expectation turns its row red, bad input is told, and
//! an interrupted sweep leaves nothing.
#[path = "started.rs"]
#[expect(dead_code, reason = "other suites use more of it")]
mod started;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use started::{tells, unchosen, words};
use tempfile::TempDir;

/// Ours.
fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/sweep.yaml")
}

fn sweep(file: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    command.arg("sweep").arg(file).args(options);
    command
}

/// Its exit code, and what it printed as JSON.
#[track_caller]
fn ran(command: &mut Command) -> (Option<i32>, Value) {
    let output = command
        .args(["--output", "json"])
        .output()
        .expect("flatnet starts");
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|e| panic!("{e}: {}", words(&output)));
    (output.status.code(), json)
}

/// Names of the rows that came out so.
fn named(report: &Value, result: &str) -> BTreeSet<String> {
    let rows = report["rows"].as_array().into_iter().flatten();
    rows.filter(|row| row["result"] == result)
        .map(|row| row["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A file in a folder of its own.
fn file(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("table.yaml");
    std::fs::write(&path, text).expect("a file");
    (dir, path)
}

#[test]
fn our_table_is_as_expected() {
    let (code, report) = ran(&mut sweep(&table(), &["--quiet"]));
    let rows = report["rows"].as_array().map_or(0, Vec::len);
    let not: Vec<&Value> = report["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| row["result"] != "as-expected")
        .collect();
    assert_eq!((code, &not), (Some(0), &vec![]), "{not:#?}");
    assert!(rows >= 150, "{rows} rows");
    eprintln!(
        "{rows} rows, {} s",
        report["ms"].as_u64().unwrap_or(0) / 1000
    );
}

#[test]
fn a_wrong_expectation_turns_exactly_its_row_red() {
    let text = std::fs::read_to_string(table()).expect("our table");
    let right = "path-mtu: [{about: IPv4, on: between all nodes, is: 1400}]";
    assert_eq!(text.matches(right).count(), 1);
    let (dir, path) = file(&text.replace(right, &right.replace("1400", "1401")));
    let wrong = "pods-narrower-than-the-underlay";
    let beside = ["joined-1400-ipv4-vxlan-l2", "range-with-host-bits"];
    let report_dir = dir.path().join("report");
    let mut command = sweep(&path, &["--quiet", "--row", wrong]);
    command.args(beside.iter().flat_map(|name| ["--row", name]));
    let (code, report) = ran(command.arg("--report").arg(&report_dir));
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(
        named(&report, "unexpected"),
        BTreeSet::from([wrong.to_owned()])
    );
    assert_eq!(
        named(&report, "as-expected"),
        beside.map(str::to_owned).into()
    );
    // Worst first, with what was expected, what was seen, and the command that repeats it.
    let row = &report["rows"][0];
    assert_eq!(row["name"], wrong);
    assert_eq!(
        row["misses"][0]["expected"],
        "largest packet that arrives, IPv4 on between all nodes: 1401"
    );
    let seen = row["misses"][0]["seen"].as_str().unwrap_or_default();
    assert!(seen.starts_with("node1->node2: 1400"), "{seen}");
    let repeat = row["repeat"].as_str().unwrap_or_default();
    assert!(
        repeat.ends_with(&format!("table.yaml --row {wrong}")),
        "{repeat}"
    );
    let read = |name: &str| std::fs::read_to_string(report_dir.join(name)).expect("a report");
    assert!(read("junit.xml").contains("failures=\"1\""));
    assert!(read("summary.md").contains(&format!("| ❌ | `{wrong}` |")));
    assert!(read("sweep.json").contains("flatnet.sweep/v1"));

    // That command, as a person types it, and its table.
    let mut again = Command::new("sh");
    unchosen(&mut again);
    let program = Path::new(env!("CARGO_BIN_EXE_flatnet"));
    let line = repeat.replacen("flatnet", &program.display().to_string(), 1);
    let output = again.args(["-c", &line]).output().expect("a shell");
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for said in [
        "DIFFERS",
        "expected  largest packet",
        "repeat    flatnet sweep",
        "1 configuration: 0 as expected, 1 not",
    ] {
        assert!(shown.contains(said), "{said:?} is not in {shown}");
    }
}

#[test]
fn what_cannot_be_measured_is_told_apart_from_what_is_otherwise() {
    let (_dir, path) = file(
        "flatnet: sweep/v1\ndefaults: {nodes: 1, pods-per-node: 1}\nrows:\n- {name: nothing-there, options: {cni: reference, cni-bin: /nowhere}}\n- name: fails\n  options: {plant: masquerade, nodes: 3, pods-per-node: 2}\n- name: is-to-fail\n  options: {plant: masquerade, nodes: 3, pods-per-node: 2}\n  expect: {checks: {no-nat: fail}}\n",
    );
    let (code, report) = ran(&mut sweep(&path, &["--quiet"]));
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(
        named(&report, "broken"),
        BTreeSet::from(["nothing-there".to_owned()])
    );
    assert_eq!(
        named(&report, "unexpected"),
        BTreeSet::from(["fails".to_owned()])
    );
    assert_eq!(
        named(&report, "as-expected"),
        BTreeSet::from(["is-to-fail".to_owned()])
    );
    let (code, _) = ran(&mut sweep(&path, &["--quiet", "--row", "nothing-there"]));
    assert_eq!(code, Some(4));
}

#[test]
fn variables_do_not_change_what_a_table_says() {
    let (_dir, path) = file(
        "flatnet: sweep/v1\nrows:\n- name: a\n  options: {nodes: 1, pods-per-node: 1}\n  expect: {facts: {device-mtu: [{about: eth0, on: every pod, is: 1500}]}}\n",
    );
    let mut command = sweep(&path, &["--quiet"]);
    let (code, report) = ran(command.env("FLATNET_MTU", "1400").env("FLATNET_NODES", "x"));
    assert_eq!(code, Some(0), "{report:#}");
}

#[test]
fn bad_input_is_told_with_its_line_and_what_is_allowed() {
    let wrong = |text: &str, says: &[&str]| {
        let (_dir, path) = file(text);
        let output = sweep(&path, &[]).output().expect("flatnet starts");
        tells(&output, 2, says);
        assert!(output.stdout.is_empty(), "{output:?}");
    };
    wrong(
        "flatnet: sweep/v1\nrows:\n- name: a\n  options:\n    nodes: 1\n    mtuu: 1400\n",
        &[
            "table.yaml:6: ",
            "unknown option \"mtuu\", did you mean \"mtu\"?",
            "allowed: cni, ",
        ],
    );
    wrong(
        "flatnet: sweep/v1\nrows:\n- name: a\n  expects: []\n",
        &[
            "table.yaml:4: ",
            "unknown key \"expects\", did you mean \"expect\"?; allowed: name, options, expect",
        ],
    );
    wrong(
        "flatnet: sweep/v1\nrows:\n- name: a\n  options:\n    mtu: 12\n",
        &["table.yaml:3: row a: ", "12 is not in 1280..=65535"],
    );
    wrong(
        "flatnet: sweep/v9\n",
        &["table.yaml: it is \"sweep/v9\"", "reads \"sweep/v1\""],
    );
    wrong("flatnet: [", &["table.yaml:", "it is not a sweep's file"]);
    let output =
        |options: &[&str]| -> Output { sweep(&table(), options).output().expect("flatnet starts") };
    tells(
        &output(&["--row", "mtu-below-ipv5"]),
        2,
        &["did you mean \"mtu-below-ipv6\"?"],
    );
    tells(&output(&["--report", "/proc/nowhere"]), 2, &["--report"]);
    let nowhere = sweep(Path::new("/nowhere.yaml"), &[]).output();
    tells(
        &nowhere.expect("flatnet starts"),
        2,
        &["/nowhere.yaml: No such file"],
    );
}

/// Processes with that in their environment, which those that they start inherit.
fn with_mark(mark: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("/proc");
    let marked = processes.flatten().filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    });
    let line = |process: std::fs::DirEntry| std::fs::read_to_string(process.path().join("cmdline"));
    marked.filter_map(|process| line(process).ok()).collect()
}

#[track_caller]
fn within_a_minute(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interrupted_sweep_leaves_nothing() {
    let places = tempfile::tempdir().expect("a folder");
    let mark = format!("SWEEP_SUITE_MARK={}", std::process::id());
    let (name, value) = mark.split_once('=').expect("a variable");
    let mut command = sweep(&table(), &["--jobs", "3"]);
    let child = command
        .env(name, value)
        .env("TMPDIR", places.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flatnet starts");
    let labs = || {
        let all = with_mark(&mark);
        all.iter()
            .filter(|line| line.contains("serve\0lab-"))
            .count()
    };
    within_a_minute("three labs run", || labs() >= 3);

    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");

    tells(&output, 130, &["error: interrupted"]);
    within_a_minute("every process is gone", || with_mark(&mark).is_empty());
    let left: Vec<_> = std::fs::read_dir(places.path())
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
