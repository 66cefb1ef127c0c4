//! Runs rows side by side, each in a lab of its own.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::config::Config;
use super::expect::{self, misses};
use super::row::{Row, described};
use crate::compare::Recorded;
use crate::events::Observer;
use crate::report::sweep::{Miss, RowReport, RowResult, SCHEMA, Sweep};
use crate::report::{CheckReport, Counts};
use crate::session::interrupts::Interrupts;
use crate::session::{self, conduct};
use crate::{Error, Result};
use flatnet_analysis::words::Words;

/// Hears of each row that is done, possibly from several threads.
pub type OnRow = Arc<dyn Fn(&RowReport) + Send + Sync>;

/// A row with what it runs, and its place in the file; a configuration that is refused before anything starts has the error.
pub(super) struct Job {
    pub(super) at: usize,
    pub(super) row: Row,
    pub(super) config: Result<Config>,
}

/// What all rows share.
struct Shared {
    left: Mutex<VecDeque<Job>>,
    done: Mutex<Vec<(usize, RowReport)>>,
    stop: AtomicBool,
    interrupts: Interrupts,
    file: PathBuf,
    on_row: OnRow,
}

/// Runs all of them.
///
/// # Errors
/// [`Error::Interrupted`], after every lab is gone; when the machine has no thread left.
pub(super) fn run(file: &Path, mut rows: Vec<Job>, jobs: usize, on_row: OnRow) -> Result<Sweep> {
    // Lost packets are waited for: what takes longest does not come last.
    rows.sort_by_key(|job| !job.row.is_to_fail());
    let started = Timestamp::now();
    let begun = Instant::now();
    let mut done = session::run(async {
        let shared = Arc::new(Shared {
            left: Mutex::new(rows.into()),
            done: Mutex::default(),
            stop: AtomicBool::new(false),
            interrupts: Interrupts::listen()?,
            file: file.to_owned(),
            on_row,
        });
        let mut workers = JoinSet::new();
        for _ in 0..jobs {
            workers.spawn(work(Arc::clone(&shared)));
        }
        let mut ended = Ok(());
        while let Some(worker) = workers.join_next().await {
            let worker = worker.map_err(|e| Error::failed("run a row", e));
            // Every worker is waited for: its lab is gone then.
            ended = ended.and(worker.and_then(|done| done));
        }
        ended?;
        let mut done = shared.done.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *done))
    })?;
    done.sort_by_key(|(at, row)| (row.result, *at));
    Ok(Sweep {
        schema: SCHEMA,
        flatnet_version: env!("CARGO_PKG_VERSION"),
        started: format!("{started:.0}"),
        file: file.display().to_string(),
        jobs,
        ms: milliseconds(begun),
        rows: done.into_iter().map(|(_, row)| row).collect(),
    })
}

/// One row after the other, until none is left or a signal ended one.
async fn work(shared: Arc<Shared>) -> Result<()> {
    loop {
        // A signal that came while no row of this worker ran.
        let heard = shared.interrupts.guard(std::future::ready(Ok(()))).await;
        if let Err(e) = heard {
            shared.stop.store(true, Ordering::Relaxed);
            return Err(e);
        }
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let next = {
            let mut left = shared.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.pop_front()
        };
        let Some(job) = next else {
            return Ok(());
        };
        let at = job.at;
        match row(&shared.file, job).await {
            Ok(report) => {
                (shared.on_row)(&report);
                let mut done = shared.done.lock().unwrap_or_else(PoisonError::into_inner);
                done.push((at, report));
            }
            Err(e) => {
                shared.stop.store(true, Ordering::Relaxed);
                return Err(e);
            }
        }
    }
}

/// Runs one row; an error is a signal's.
async fn row(file: &Path, job: Job) -> Result<RowReport> {
    let begun = Instant::now();
    let Job { row, config, .. } = job;
    let mut counts = None;
    let outcome = match config {
        Ok(config) => {
            let unheard: Observer = Arc::new(|_| {});
            let ran = conduct(&config.args, config.fault, unheard).await;
            ran.map(|outcome| (config, outcome))
        }
        Err(e) => Err(e),
    };
    let misses = match outcome {
        Err(e) if interrupted(&e) => return Err(e),
        Err(e) => of_error(&row, &e),
        Ok((config, outcome)) => {
            let observations = outcome.observations;
            let each = config.checks.iter();
            let checks: Vec<CheckReport> = each
                .map(|check| CheckReport::of(check, &config.required, &observations))
                .collect();
            counts = Some(Counts::of(checks.iter().map(|check| &check.verdict)));
            let words = Words::of_report(Some(&observations), None);
            match row.refusal() {
                Some((says, exit)) => vec![Miss::new(
                    refused(says, exit),
                    format!("it ran; {}", counts.unwrap_or_default()),
                )],
                None => {
                    let recorded = Recorded::of_run(&row.name, &observations, &checks, &words);
                    let run = expect::Run {
                        checks: &checks,
                        facts: recorded.facts(),
                        words: &words,
                    };
                    misses(&run, &row.expect)
                }
            }
        }
    };
    Ok(RowReport {
        repeat: repeat(file, &row.name),
        options: described(&row.options),
        result: RowResult::of(&misses),
        name: row.name,
        matrix: row.group,
        misses,
        checks: counts,
        ms: milliseconds(begun),
    })
}

/// Compares a run that failed to start with what is expected.
fn of_error(row: &Row, error: &Error) -> Vec<Miss> {
    let seen = format!("exit code {}: {error}", error.exit_code());
    match (row.refusal(), error) {
        (Some((says, exit)), e) if e.exit_code() == exit && e.to_string().contains(says) => {
            Vec::new()
        }
        (Some((says, exit)), _) => vec![Miss::new(refused(says, exit), seen)],
        (None, Error::Input(_)) => vec![Miss::new("a run", format!("refused with {seen}"))],
        (None, _) => vec![Miss::broken("a run", seen)],
    }
}

fn refused(says: &str, exit: u8) -> String {
    format!("refused with exit code {exit}: … {says} …")
}

fn interrupted(error: &Error) -> bool {
    match error {
        Error::Interrupted(_) => true,
        Error::TearDown { first, .. } => interrupted(first),
        _ => false,
    }
}

fn repeat(file: &Path, name: &str) -> String {
    let file = file.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let file = match file.chars().all(plain) {
        true => file,
        false => format!("'{}'", file.replace('\'', r"'\''")),
    };
    format!("flatnet sweep {file} --row {name}")
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
