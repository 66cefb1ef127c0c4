//! What flatnet costs, measured beside a reference in the same run, and printed as one table.
//!
//! Ours and the reference take turns (A B A B), so that a busy machine is equally hard on both; figures are medians. No
//! time is ever asserted: a target that is missed is a "no" in the table, and the exit code stays 0. Each part runs in a
//! process of its own: namespaces, memory and whatever it leaves in the kernel end with it.
//!
//! Exit codes: 0 measured, 2 wrong usage, 3 something a part needs is missing (said which), 4 a part could not measure.

mod boot;
mod matrix;
mod outcome;
mod plugin;
mod sandbox;
mod stats;
mod table;
mod tunnel;

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::{Parser, ValueEnum};

use outcome::{Failure, Report, Result};
use table::{Row, Table};

/// Measures flatnet beside its references and prints one table of ratios.
#[derive(Parser)]
#[command(after_help = "Run it as: make bench, or cargo bench --bench datapath -- --only plugin")]
struct Args {
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Part>,
    /// Fewer rounds and fewer pods: a rough picture in about a minute
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// As many pods on one node as a bridge takes, instead of 500
    #[arg(long)]
    full: bool,
    /// What cargo bench adds
    #[arg(long, hide = true)]
    bench: bool,
    /// Measure this part in this very process and report as JSON lines
    #[arg(long, hide = true, value_enum)]
    inside: Option<Part>,
}

/// One subject, measured in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// ADD and DEL of the plugin against Debian's bridge + host-local; its size and start
    Plugin,
    /// All ordered pairs of 200 pods against one exec and ping a pair
    Matrix,
    /// The agent's tunnel against one made by hand, and plain routes against the tunnel
    Tunnel,
    /// `flatnet test` as a person runs it
    Boot,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Quick,
    Usual,
    Full,
}

impl Effort {
    /// `usual`, or about a third of it, at least one.
    pub(crate) fn rounds(self, usual: usize) -> usize {
        match self {
            Effort::Quick => (usual / 3).max(1),
            Effort::Usual | Effort::Full => usual,
        }
    }
}

impl Args {
    fn effort(&self) -> Effort {
        match (self.quick, self.full) {
            (true, _) => Effort::Quick,
            (_, true) => Effort::Full,
            _ => Effort::Usual,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.inside {
        Some(part) => inside(part, args.effort()),
        None => all(&args),
    }
}

/// The whole benchmark: every part in turn, then the table.
fn all(args: &Args) -> ExitCode {
    let parts: Vec<Part> = match args.only.as_slice() {
        [] => Part::value_variants().to_vec(),
        some => some.to_vec(),
    };
    let mut table = Table::default();
    table.note(machine());
    let mut failures = Vec::new();
    for part in parts {
        let start = Instant::now();
        match measure(part, args, &mut table) {
            Ok(()) => eprintln!("{part:?}: {:.0} s", start.elapsed().as_secs_f64()),
            Err(failure) => {
                eprintln!("{part:?}: {failure}");
                failures.push((part, failure));
            }
        }
    }
    println!("{table}");
    for (part, failure) in &failures {
        println!("not measured ({part:?}): {failure}");
    }
    let code = failures
        .iter()
        .map(|(_, failure)| failure.exit_code())
        .max();
    ExitCode::from(code.unwrap_or(0))
}

/// Where it was measured, and how much else went on there: a busy machine makes figures rough.
fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let load = read("/proc/loadavg");
    format!(
        "machine: {} processors, Linux {}, load average {} when it began",
        std::thread::available_parallelism().map_or(0, usize::from),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or_default(),
    )
}

/// One part in a child process; rows that it measured before it failed are kept.
fn measure(part: Part, args: &Args, table: &mut Table) -> Result<()> {
    fn failed<E: Display>(doing: &str) -> impl FnOnce(E) -> Failure {
        Failure::broken(format!("{doing} the process that measures"))
    }
    let me = std::env::current_exe().map_err(failed("find"))?;
    let name = part
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let mut child = Command::new(me)
        .args(["--inside", &name])
        .args(args.quick.then_some("--quick"))
        .args(args.full.then_some("--full"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed("start"))?;
    let mut verdict = Ok(());
    for line in child
        .stdout
        .take()
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufReader::lines)
    {
        let line = line.map_err(failed("read from"))?;
        match serde_json::from_str(&line).map_err(failed("understand"))? {
            Report::Row(row) => table.push(row),
            Report::Failed(failure) => verdict = Err(failure),
        }
    }
    let status = child.wait().map_err(failed("wait for"))?;
    if verdict.is_ok() && !status.success() {
        return Err(Failure::Broken(format!(
            "the process that measures ended with {status}"
        )));
    }
    verdict
}

/// The child's side of [`measure`].
fn inside(part: Part, effort: Effort) -> ExitCode {
    let mut sink = Sink;
    let done = match part {
        Part::Plugin => plugin::run(effort, &mut sink),
        Part::Matrix => matrix::run(effort, &mut sink),
        Part::Tunnel => tunnel::run(effort, &mut sink),
        Part::Boot => boot::run(effort, &mut sink),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            sink.report(&Report::Failed(failure));
            ExitCode::from(code)
        }
    }
}

/// Where a part's results go: one JSON line each, at once.
pub(crate) struct Sink;

impl Sink {
    pub(crate) fn row(&mut self, row: Row) {
        self.report(&Report::Row(row));
    }

    /// The current step, for progress output.
    pub(crate) fn progress(&self, words: &str) {
        eprintln!("  {words}");
    }

    fn report(&mut self, report: &Report) {
        // A failure to print cannot be reported anywhere.
        let line = serde_json::to_string(report).unwrap_or_default();
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
