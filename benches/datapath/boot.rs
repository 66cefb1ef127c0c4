//! `flatnet test` with its defaults, as a person runs it: until pods run, and the whole of it.
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flatnet::report::Report;

use crate::outcome::{Failure, Result};
use crate::stats::median;
use crate::table::{Figure, Row, Target};
use crate::{Effort, Sink};

const FLATNET: &str = env!("CARGO_BIN_EXE_flatnet");
const READY_WITHIN: Duration = Duration::from_millis(500);
const WHOLE_WITHIN: Duration = Duration::from_secs(3);
/// What is done before pods can be observed.
const UNTIL_READY: [&str; 3] = ["boot", "install", "deploy"];

pub(crate) fn run(effort: Effort, sink: &mut Sink) -> Result<()> {
    let (mut ready, mut whole) = (Vec::new(), Vec::new());
    let rounds = effort.rounds(5);
    for round in 1..=rounds {
        sink.progress(&format!("boot: flatnet test, {round} of {rounds}"));
        let start = Instant::now();
        let report = test()?;
        whole.push(start.elapsed());
        let phases = report
            .phases
            .iter()
            .filter(|phase| UNTIL_READY.contains(&phase.name.as_str()));
        ready.push(Duration::from_millis(phases.map(|phase| phase.ms).sum()));
    }
    let target = |limit| Target::Limit(Figure::Time(limit));
    sink.row(Row::alone(
        "flatnet test: boot, install, deploy (3 nodes, 9 pods)",
        Figure::Time(median(&ready)),
        target(READY_WITHIN),
    ));
    sink.row(Row::alone(
        "flatnet test: the whole process",
        Figure::Time(median(&whole)),
        target(WHOLE_WITHIN),
    ));
    Ok(())
}

fn test() -> Result<Report> {
    let mut command = Command::new(FLATNET);
    command
        .args(["test", "--quiet", "--output", "json"])
        .stdin(Stdio::null());
    // The defaults, whatever this shell is set up for.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"FLATNET_"))
    {
        command.env_remove(name);
    }
    let output = command
        .output()
        .map_err(Failure::broken(format!("execute {FLATNET}")))?;
    let says = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(3) => {
            return Err(Failure::missing(
                format!("flatnet test: {}", says.trim()),
                "see above",
            ));
        }
        _ => {
            return Err(Failure::Broken(format!(
                "flatnet test ended with {}: {}",
                output.status,
                says.trim()
            )));
        }
    }
    serde_json::from_slice(&output.stdout)
        .map_err(Failure::broken("read the report of flatnet test"))
}
