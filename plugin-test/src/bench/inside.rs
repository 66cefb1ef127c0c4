//! The process of a bed: reads what it is to do, enters namespaces, does it, says what came of it.
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::bed::Bed;
use super::host::Job;
use crate::subject::Subject;
use crate::verdict::Verdict;
use crate::{clauses, damage, probe};

/// The argument by which a program that has [`main`] is started as a bed.
pub const ARGUMENT: &str = "plugin-test-bed";

/// What a bed is to do: one line of standard input, which stays open as long as the bed is wanted.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) subject: Subject,
    pub(super) job: Job,
    /// For one execution of a plugin, milliseconds.
    pub(super) limit_ms: u64,
}

/// What a bed says, one line of standard output.
#[derive(Serialize, Deserialize)]
pub(super) enum Reply {
    Verdict(Box<Verdict>),
    Found(Box<probe::Found>),
    /// The machine forbids namespaces: what, and what to do.
    Missing(String, String),
    Failed(String),
}

/// The program of a bed. Call it while the process has a single thread.
pub fn main() -> ExitCode {
    let mut line = String::new();
    let task = io::stdin().read_line(&mut line).map_err(|e| e.to_string());
    let task = task.and_then(|_| serde_json::from_str::<Task>(&line).map_err(|e| e.to_string()));
    let task = match task {
        Ok(task) => task,
        Err(error) => {
            return say(&Reply::Failed(format!(
                "this is started by flatnet plugin-test: {error}"
            )));
        }
    };
    let rootless = flatnet_lab::isolated::needs_user_namespace();
    let mut shown = task.subject.folders.clone();
    shown.extend(
        task.subject
            .before
            .iter()
            .filter_map(|(path, _)| Some(path.parent()?.to_owned())),
    );
    let done = flatnet_lab::isolated::run(&shown, |entered| match entered {
        Err(error) => say(&refused(error)),
        Ok(()) => say(&act(task, rootless)),
    });
    done.unwrap_or_else(|error| say(&refused(error)))
}

fn act(task: Task, rootless: bool) -> Reply {
    let job = task.job;
    let bed = match Bed::make(task.subject, task.limit_ms, rootless) {
        Ok(bed) => bed,
        Err(error) => return Reply::Failed(error),
    };
    let done = panic::catch_unwind(panic::AssertUnwindSafe(|| match job {
        Job::Probe { recipes } => Reply::Found(Box::new(probe::run(bed, recipes))),
        Job::Clause { id } => Reply::Verdict(Box::new(clauses::judge(&id, bed))),
        Job::Damage { id } => Reply::Verdict(Box::new(damage::judge(&id, bed))),
    }));
    done.unwrap_or_else(|_| {
        Reply::Failed("the bench itself panicked; its words are on standard error".to_owned())
    })
}

fn refused(error: flatnet_lab::Error) -> Reply {
    match error {
        flatnet_lab::Error::Missing { what, remedy } => Reply::Missing(what, remedy),
        other => Reply::Failed(other.to_string()),
    }
}

fn say(reply: &Reply) -> ExitCode {
    let line = serde_json::to_string(reply).map_err(io::Error::other);
    let said = line.and_then(|line| writeln!(io::stdout(), "{line}"));
    if said.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
