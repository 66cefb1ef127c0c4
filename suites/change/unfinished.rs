//! A change that nothing finishes or undoes: every command that looks at the lab says so.
use std::process::{Child, Output};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bed::{Kept, begun, run, send};
use crate::started::words;

/// A change that stands still as it says that this step begins.
fn stopped(lab: &Kept, to: &str, step: &str) -> Child {
    let (change, _said) = begun(lab, to, step);
    send(change.id(), Signal::SIGSTOP);
    change
}

/// Processes that one started: here the reaper, which undoes what a killed change leaves.
fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let children = tasks.map(|task| {
        let children = task.unwrap().path().join("children");
        std::fs::read_to_string(children).unwrap_or_default()
    });
    let text = children.collect::<Vec<_>>().concat();
    text.split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect()
}

const LOOKS: [&str; 4] = [
    "list",
    "list --output json",
    "diagnose --cluster suite-change-left",
    "inspect bridges --cluster suite-change-left --output json",
];

/// What each of the commands said, beside its answer.
fn looks() -> Vec<(&'static str, Output)> {
    let mut looks: Vec<_> = LOOKS.iter().map(|line| (*line, run(line))).collect();
    let route = "inspect route --cluster suite-change-left --from node1 --to node2";
    looks.push((route, run(route)));
    looks
}

/// What it said of this lab's change; `list` tells of other labs, too.
fn noted(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let own = said
        .lines()
        .filter(|line| line.starts_with("note: lab suite-change-left: "));
    own.collect()
}

#[test]
fn what_a_killed_change_leaves_is_told_by_every_command_that_looks_until_it_is_put_back() {
    let lab = Kept::boot("suite-change-left", "--pods-per-node 1");
    for (line, output) in looks() {
        assert_eq!(noted(&output), "", "{line}");
    }
    let mut change = stopped(&lab, "flatnet,mtu=1400", "agent restarted on node2");
    let under_way = format!(
        "process {} is changing it from flatnet to flatnet,mtu=1400",
        change.id()
    );
    for (line, output) in looks() {
        assert!(
            noted(&output).contains(&under_way),
            "{line}: {}",
            words(&output)
        );
    }
    for child in children(change.id()) {
        send(child, Signal::SIGKILL);
    }
    change.kill().unwrap();
    change.wait().unwrap();
    let ended = "a change from flatnet to flatnet,mtu=1400 was not finished";
    let remedy = "to put flatnet back: flatnet change --cluster suite-change-left --to flatnet";
    for (line, output) in looks() {
        let said = noted(&output);
        assert!(
            said.contains(ended) && said.contains(remedy),
            "{line}: {said}"
        );
        // The answer itself stays one for programs.
        if line.ends_with("json") {
            let json: Value = serde_json::from_slice(&output.stdout).unwrap();
            let mut clusters = json.as_array().into_iter().flatten();
            let own = clusters.find(|cluster| cluster["name"] == lab.0);
            let told = own.and_then(|own| own["unfinished_change"].as_str());
            assert_eq!(told.is_some(), line.starts_with("list"), "{json}");
        }
    }
    let back = run("change --quiet --cluster suite-change-left --to flatnet");
    assert!(
        matches!(back.status.code(), Some(0 | 1)),
        "{}",
        words(&back)
    );
    let mtus = lab.mtus();
    let first = ("1500".to_owned(), "1500".to_owned());
    assert_eq!(mtus, vec![first; 3]);
    for (line, output) in looks() {
        assert_eq!(noted(&output), "", "{line}");
    }
}
