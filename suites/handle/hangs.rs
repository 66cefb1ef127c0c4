//! Programs and servers that never answer: one clear error within its limit, and nothing of them is left.
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use rstest::rstest;
use tempfile::TempDir;

use crate::api::{Answer, Api};
use crate::silent_lab;
use crate::started::{install, tells};
use crate::{flatnet, interrupt, on_api, running};

const KIND: &str = "case \"$1\" in version) echo kind v0.33.0 go1.26.8 linux/amd64; exit;; esac\n";
/// Leaves the id of a child that only a killed process group takes along.
const HANG: &str = "/bin/sleep 1000 & echo $! >> \"${0%/*}/pids\"; wait\n";

/// Programs for PATH, each a shell script.
fn programs(scripts: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    install(dir.path(), scripts);
    dir
}

/// Waits until a script hangs.
#[track_caller]
fn something_hangs(dir: &Path) {
    let begun = Instant::now();
    while !dir.join("pids").exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "nothing hangs yet"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until no process whose id the scripts left is there any more.
#[track_caller]
fn nothing_sleeps(dir: &Path) {
    let pids = std::fs::read_to_string(dir.join("pids")).expect("something hung");
    let begun = Instant::now();
    let sleeps = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    while pids.lines().any(sleeps) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{pids}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn on_kind(dir: &Path) -> Output {
    flatnet(dir, &["test", "--provider", "kind"])
        .output()
        .expect("flatnet starts")
}

/// flatnet waits for half a minute at most, and does nothing meanwhile: all of these wait at once, however few tests run side by side.
#[test]
fn whatever_hangs_is_given_up() {
    let cases: [(&str, fn()); 6] = [
        ("an engine", an_engine),
        ("kind", a_kind),
        ("an API server from the start", || {
            an_api_server(
                "GET /version",
                Answer::Silence,
                3,
                &["does not answer", "10s"],
            );
        }),
        ("an API server later", || {
            an_api_server("POST /api/v1/namespaces", Answer::Silence, 4, &LATER);
        }),
        ("an API server in the middle of an answer", || {
            an_api_server("POST /api/v1/namespaces", Answer::Half, 4, &LATER);
        }),
        (
            "a lab",
            silent_lab::diagnose_says_that_a_lab_does_not_answer,
        ),
    ];
    std::thread::scope(|scope| {
        for (name, case) in cases {
            // The name of the thread is in what a failure prints.
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn_scoped(scope, case).expect("a thread");
        }
    });
}

/// What is said of a server that was there before.
const LATER: [&str; 2] = ["create namespace flatnet-", "did not answer within 30s"];

fn an_engine() {
    let dir = programs(&[("kind", KIND), ("docker", HANG)]);
    let begun = Instant::now();

    let output = on_kind(dir.path());

    tells(
        &output,
        3,
        &[
            "docker does not answer",
            "docker info",
            "not finished after 20s",
            "start docker",
        ],
    );
    assert!(begun.elapsed() < Duration::from_secs(50));
    nothing_sleeps(dir.path());
}

fn a_kind() {
    let kind = format!("{KIND}{HANG}");
    let dir = programs(&[("kind", &kind), ("docker", "echo '{}'")]);

    let output = on_kind(dir.path());

    tells(&output, 4, &["kind get clusters: not finished after 20s"]);
    nothing_sleeps(dir.path());
}

#[test]
fn ctrl_c_ends_a_kind_that_hangs_and_what_it_made() {
    let kind =
        format!("{KIND}echo \"$@\" >> \"${{0%/*}}/calls\"\ncase \"$1\" in create) {HANG};; esac\n");
    let dir = programs(&[("kind", &kind), ("docker", "echo '{}'")]);
    let arguments = ["test", "--provider", "kind", "--name", "hangs"];
    let child = running(&mut flatnet(dir.path(), &arguments));
    something_hangs(dir.path());

    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");

    tells(&output, 130, &["interrupted"]);
    let calls = std::fs::read_to_string(dir.path().join("calls")).expect("kind was called");
    assert!(calls.contains("delete cluster --name hangs"), "{calls}");
    nothing_sleeps(dir.path());
}

#[rstest]
#[case::list(&["list"])]
#[case::exec(&["exec", "node1", "--", "true"])]
#[case::down(&["down"])]
#[case::inspect(&["inspect"])]
#[case::test(&["test", "--cluster", "hangs"])]
fn ctrl_c_ends_the_looking_for_clusters(#[case] arguments: &[&str]) {
    let kind = format!("{KIND}{HANG}");
    let dir = programs(&[("kind", &kind), ("docker", "echo '{}'")]);
    let child = running(&mut flatnet(dir.path(), arguments));
    something_hangs(dir.path());
    let begun = Instant::now();

    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");

    tells(&output, 130, &["interrupted"]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    nothing_sleeps(dir.path());
}

fn an_api_server(line: &'static str, answer: Answer, code: i32, says: &[&str]) {
    let api = Api::new(move |request| (request.line == line).then(|| answer.clone()));
    let begun = Instant::now();

    let output = on_api(&api, &[]).output().expect("flatnet starts");

    tells(&output, code, says);
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn ctrl_c_ends_the_waiting_for_an_api_server() {
    let api =
        Api::new(|request| (request.line == "POST /api/v1/namespaces").then_some(Answer::Silence));
    let child = running(&mut on_api(&api, &[]));
    api.wait_for("POST /api/v1/namespaces");
    let begun = Instant::now();

    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");

    tells(&output, 130, &["interrupted"]);
    assert!(begun.elapsed() < Duration::from_secs(15));
}
