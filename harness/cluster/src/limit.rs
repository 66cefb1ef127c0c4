//! A time limit for waits, which names what was waited for.
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Gives up after `limit`; `doing` is what is waited for.
///
/// # Errors
/// The work's own, or that its time is over.
pub async fn within<T>(
    limit: Duration,
    doing: impl std::fmt::Display,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Failed(format!(
            "{doing}: not finished after {limit:?}; it hangs or this machine is overloaded; check both and try again"
        ))),
    }
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks every 0.1 s until nothing is left; `late` says what is waited for, from what was left after `limit`.
///
/// # Errors
/// What a look says, or what is left.
pub async fn until_gone<T, L: Future<Output = Result<Vec<T>>>>(
    limit: Duration,
    look: impl Fn() -> L,
    late: impl FnOnce(Vec<T>) -> String,
) -> Result<()> {
    let start = Instant::now();
    loop {
        let left = look().await?;
        if left.is_empty() {
            return Ok(());
        }
        if start.elapsed() > limit {
            return Err(Error::Failed(late(left)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
