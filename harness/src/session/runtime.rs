//! The runtime on which a command runs, to its end or until a signal.
use std::future::Future;
use std::time::Duration;

use super::interrupts::Interrupts;
use crate::{Error, Result};

/// How long calls that were given up may take to end before the process does. The reaper works on without it, and a lab that is
/// still booting ends with it.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Runs `work` to its end on a runtime of its own, which it does not outlive.
///
/// # Errors
/// The work's own; when the machine has no thread left.
pub fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(ENDS_WITHIN);
    result
}

/// Runs `work` to its end or until Ctrl-C, SIGTERM or SIGHUP. What cannot be given up, as reading a terminal or a call of a lab
/// that hangs, is left to end with the process.
///
/// # Errors
/// [`Error::Interrupted`], the work's own, or when the machine has no thread left.
pub fn run_until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = runtime()?;
    let result = runtime.block_on(async { Interrupts::listen()?.guard(work).await });
    runtime.shutdown_background();
    result
}

/// One runtime for everything a session does; enough blocking threads for one lab call a pod.
///
/// # Errors
/// When the machine has no thread left.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4096)
        .enable_all()
        .build()
        .map_err(|e| Error::failed("start the runtime", e))
}
