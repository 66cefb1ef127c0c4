//! A program of the engine's, run to its end within a limit. Whatever keeps the caller from waiting (its limit, Ctrl-C) kills
//! the program and everything it started.
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::limit::within;
use crate::{Error, Result};

/// How long an engine, or kind, may take to answer a question.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to do some work: build an image, load one onto every node, delete a cluster.
pub const WORKS_WITHIN: Duration = Duration::from_secs(600);

/// What a finished program left.
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A process group that is killed when this is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // Gone already is what is wanted.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

/// Asks a program something, to its end, which is to come within 20 s.
///
/// # Errors
/// When it does not start, or does not end in time.
pub async fn run(command: &mut Command, doing: &str) -> Result<Said> {
    run_within(ANSWERS_WITHIN, command, doing).await
}

/// Runs a program to its end.
///
/// # Errors
/// When it does not start, or does not end in time.
pub async fn run_within(limit: Duration, command: &mut Command, doing: &str) -> Result<Said> {
    let started = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A shell script's children do not die with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Error::failed(doing, e))?;
    let mut group = Group(child.id());
    let ended = async {
        let done = child.wait_with_output().await;
        done.map_err(|e| Error::failed(doing, e))
    };
    let done = within(limit, doing, ended).await?;
    // Its number may be another program's from now on.
    group.0 = None;
    let argv = command.as_std();
    tracing::debug!(program = ?argv, code = done.status.code(), took = ?started.elapsed(), "ran");
    Ok(Said {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let begun = Instant::now();

        let limit = Duration::from_secs(2);
        let hung = run_within(
            limit,
            Command::new("sh").args(["-c", &script]),
            "wait for it",
        )
        .await;

        let error = hung.err().unwrap().to_string();
        assert!(
            error.starts_with("wait for it: not finished after 2s"),
            "{error}"
        );
        assert!(begun.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(pid).unwrap();
        let sleeps = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while sleeps() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it still sleeps");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
