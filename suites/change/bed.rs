//! `flatnet change` as a person starts it, and what it said.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use flatnet::change::report::{ChangeReport, Pass};
use flatnet_model::change::{Arrival, StreamRun};
use flatnet_model::reference::Endpoint;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::started::{unchosen, words};

pub(crate) fn flatnet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    command
}

pub(crate) fn run(line: &str) -> Output {
    let arguments = line.split_whitespace();
    flatnet().args(arguments).output().expect("flatnet starts")
}

/// A change that has just said that this step begins, and the rest of what it says.
#[track_caller]
pub(crate) fn begun(lab: &Kept, to: &str, step: &str) -> (Child, impl Iterator<Item = String>) {
    let mut change = flatnet()
        .args(["change", "--cluster", lab.0, "--to", to])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flatnet starts");
    let said = BufReader::new(change.stderr.take().expect("a pipe"));
    let mut lines = said.lines().map_while(Result::ok);
    assert!(lines.any(|line| line == step), "{step} never began");
    (change, lines)
}

pub(crate) fn send(process: u32, signal: Signal) {
    let process = i32::try_from(process).expect("a process id");
    kill(Pid::from_raw(process), signal).expect("it runs");
}

/// The report of a change; the exit code is the report's.
#[track_caller]
pub(crate) fn change(line: &str) -> ChangeReport {
    let output = run(&format!("change --quiet --output json {line}"));
    let report: ChangeReport = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{line}: {e}: {}", words(&output)));
    let expected = i32::from(!report.wrong.is_empty());
    assert_eq!(output.status.code(), Some(expected), "{:?}", report.wrong);
    assert_eq!(report.schema, "flatnet.change/v1");
    report
}

/// Every pair reached each other, and no stream lost anything.
#[track_caller]
pub(crate) fn nothing_is_cut(pass: &Pass) {
    all_reached(pass);
    let cut: Vec<&StreamRun> = pass
        .streams
        .iter()
        .filter(|stream| !stream.is_kept())
        .collect();
    assert!(cut.is_empty(), "{} -> {}: {cut:?}", pass.from, pass.to);
}

/// Every pair of each kind reached each other after the change.
#[track_caller]
pub(crate) fn all_reached(pass: &Pass) {
    assert_eq!(pass.pairs.len(), 3, "{:?}", pass.pairs.keys());
    for (ages, reached) in &pass.pairs {
        assert!(reached.dialled > 0, "{}", ages.words());
        assert_eq!(reached.failed, [""; 0], "{}", ages.words());
    }
}

/// What a node or pod has of a property: before, now, and how far that is.
pub(crate) fn of<'a>(pass: &'a Pass, at: &str, what: &str) -> Option<(&'a str, &'a str, Arrival)> {
    let named = |end: &Endpoint| match end {
        Endpoint::Node(name) => name == at,
        Endpoint::Pod(pod) => pod.name == at,
        Endpoint::Outside(_) => false,
    };
    let arrived = pass.arrived.iter().find(|arrived| named(&arrived.at))?;
    let property = arrived.properties.iter().find(|one| one.what == what)?;
    Some((&property.before, &property.now, property.arrival))
}

/// Everything is in effect on nodes and in new pods once the pods from before are gone.
#[track_caller]
pub(crate) fn has_arrived(pass: &Pass) {
    for arrived in &pass.arrived_after {
        for property in &arrived.properties {
            assert_eq!(
                property.arrival,
                Arrival::InEffect,
                "{}: {property:?}",
                arrived.at
            );
        }
    }
}

/// Kind and name of what is left, on whatever node.
pub(crate) fn left(pass: &Pass) -> Vec<String> {
    let mut left: Vec<String> = pass.leftovers.iter().map(|one| one.what.clone()).collect();
    left.sort();
    left.dedup();
    left
}

/// The lost numbers and stalls of streams, as (client's node, step, lost).
pub(crate) fn cut_streams(pass: &Pass) -> usize {
    pass.streams
        .iter()
        .filter(|stream| !stream.is_kept())
        .count()
}

/// A lab that is deleted when the test ends.
pub(crate) struct Kept(pub(crate) &'static str);

impl Kept {
    pub(crate) fn boot(name: &'static str, options: &str) -> Self {
        let kept = Kept(name);
        let output = run(&format!("up --name {name} {options}"));
        assert!(output.status.success(), "{}", words(&output));
        kept
    }

    /// What a node prints.
    pub(crate) fn on(&self, node: &str, command: &str) -> String {
        let output = run(&format!("exec --cluster {} {node} -- {command}", self.0));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// MTUs of the conflists and the bridges, as the nodes themselves say.
    pub(crate) fn mtus(&self) -> Vec<(String, String)> {
        let of = |node: &str| {
            let conflist = self.on(node, "cat /etc/cni/net.d/10-flatnet.conflist");
            let conflist: serde_json::Value = serde_json::from_str(&conflist).unwrap_or_default();
            let bridge = self.on(node, "cat /sys/class/net/cni0/mtu");
            (
                conflist["plugins"][0]["mtu"].to_string(),
                bridge.trim().to_owned(),
            )
        };
        ["node1", "node2", "node3"].map(of).to_vec()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        run(&format!("down {}", self.0));
    }
}
