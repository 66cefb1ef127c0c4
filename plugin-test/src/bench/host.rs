//! The beds as the process that starts them has them.
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::inside::{ARGUMENT, Reply, Task};
use crate::Error;
use crate::probe::Found;
use crate::subject::{Recipe, Subject};
use crate::verdict::Verdict;

/// What a bed may say: a verdict with its evidence, several times what is kept of a plugin's output.
const MOST_SAID: u64 = 64 << 20;

/// What is done on a bed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Finds out what the plugin is.
    Probe {
        /// How it may be made to work.
        recipes: Vec<Recipe>,
    },
    /// Tries a clause.
    Clause {
        /// Its id.
        id: String,
    },
    /// Tries a command after damage.
    Damage {
        /// Id of the cell.
        id: String,
    },
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The clause's or cell's id.
    pub id: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// How long it took, milliseconds.
    pub millis: u64,
}

/// How beds are started.
#[derive(Clone, Debug)]
pub struct Bench {
    /// A program that calls [`super::main`] when started with [`ARGUMENT`].
    pub program: PathBuf,
    /// For one execution of a plugin.
    pub limit: Duration,
    /// So many beds at a time.
    pub side_by_side: usize,
}

impl Bench {
    /// What the plugin is.
    pub(crate) fn probe(&self, subject: &Subject, recipes: Vec<Recipe>) -> Result<Found, Error> {
        match self.bed(subject, Job::Probe { recipes })? {
            Reply::Found(found) => Ok(*found),
            _ => Err(Error::Failed(
                "the bench answered something else".to_owned(),
            )),
        }
    }

    /// Does all jobs; `on_row` hears of each as soon as it is done. Rows come in the order of `jobs`.
    ///
    /// # Errors
    /// [`Error::Missing`] where the machine allows no beds. A bed that breaks is the verdict of its job.
    pub fn run(
        &self,
        subject: &Subject,
        jobs: &[Job],
        on_row: &(dyn Fn(&Row) + Sync),
    ) -> Result<Vec<Row>, Error> {
        let next = AtomicUsize::new(0);
        let rows: Mutex<Vec<(usize, Result<Row, Error>)>> = Mutex::default();
        thread::scope(|scope| {
            for _ in 0..self.side_by_side.clamp(1, jobs.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { break };
                        let row = self.row(subject, job);
                        if let Ok(row) = &row {
                            on_row(row);
                        }
                        rows.lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .push((index, row));
                    }
                });
            }
        });
        let mut rows = rows
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.sort_by_key(|(index, _)| *index);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn row(&self, subject: &Subject, job: &Job) -> Result<Row, Error> {
        let started = Instant::now();
        let verdict = match self.bed(subject, job.clone()) {
            Ok(Reply::Verdict(verdict)) => *verdict,
            Ok(_) => Verdict::Broken {
                error: "the bench answered something else".to_owned(),
            },
            Err(Error::Failed(error)) => Verdict::Broken { error },
            Err(other) => return Err(other),
        };
        let id = match job {
            Job::Probe { .. } => "probe".to_owned(),
            Job::Clause { id } | Job::Damage { id } => id.clone(),
        };
        Ok(Row {
            id,
            verdict,
            millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// One bed, from its start to its end.
    fn bed(&self, subject: &Subject, job: Job) -> Result<Reply, Error> {
        let failed =
            |what: &str, cause: &dyn std::fmt::Display| Error::Failed(format!("{what}: {cause}"));
        let limit_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
        let task = Task {
            subject: subject.clone(),
            job,
            limit_ms,
        };
        let mut line =
            serde_json::to_string(&task).map_err(|e| failed("write the task of a bed", &e))?;
        line.push('\n');
        let mut child = Command::new(&self.program)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| failed("start a bed", &e))?;
        // Open until the bed has ended: its end is the bed's.
        let mut lifeline = child.stdin.take();
        if let Some(stdin) = &mut lifeline {
            stdin
                .write_all(line.as_bytes())
                .map_err(|e| failed("give a bed its task", &e))?;
        }
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            let read = stdout.take(MOST_SAID).read_to_string(&mut said);
            read.map_err(|e| failed("read what a bed says", &e))?;
        }
        drop(lifeline);
        let status = child.wait().map_err(|e| failed("wait for a bed", &e))?;
        let last = said.lines().next_back().unwrap_or_default();
        match serde_json::from_str(last) {
            Ok(Reply::Missing(what, remedy)) => Err(Error::Missing { what, remedy }),
            Ok(Reply::Failed(why)) => Err(Error::Failed(why)),
            Ok(reply) => Ok(reply),
            Err(_) => Err(Error::Failed(format!(
                "a bed ended without an answer ({status})"
            ))),
        }
    }
}
