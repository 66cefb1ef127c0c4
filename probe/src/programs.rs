//! Other programs, bounded in time and in what they may say.
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::error::words;

/// What a program said.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

/// Runs it with this input, for `limit` at most; of each stream up to `most` bytes are read, and it is stopped where it goes on. The
/// error says why there is nothing.
pub(crate) async fn run(
    command: &mut Command,
    input: &[u8],
    most: u64,
    limit: Duration,
) -> Result<Said, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it cannot be executed: {}", words(&error)))?;
    let group = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .map(Pid::from_raw);
    match tokio::time::timeout(limit, converse(&mut child, input, most)).await {
        Ok(done) => done.map_err(|error| words(&error)),
        Err(_) => {
            // It has not been waited for, so the id is still its own; what it started goes with it.
            if let Some(group) = group {
                let _ = killpg(group, Signal::SIGKILL);
            }
            let _ = child.wait().await;
            Err(format!("it did not end within {limit:?}"))
        }
    }
}

async fn converse(child: &mut Child, input: &[u8], most: u64) -> io::Result<Said> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program may end without reading; its exit status then tells more than EPIPE.
            let _ = stdin.write_all(input).await;
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ((), out_read, err_read) = tokio::join!(
        feed,
        async {
            match stdout {
                Some(pipe) => pipe.take(most).read_to_end(&mut out).await,
                None => Ok(0),
            }
        },
        async {
            match stderr {
                Some(pipe) => pipe.take(most).read_to_end(&mut err).await,
                None => Ok(0),
            }
        },
    );
    out_read?;
    err_read?;
    Ok(Said {
        status: child.wait().await?,
        out,
        err,
    })
}
