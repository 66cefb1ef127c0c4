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

/// How often [`patiently`] looks at the time.
const TICK: Duration = Duration::from_millis(250);

/// Does the work; none when it is not done after `limit`. Time in which this process did not run does not count: what it waits
/// for on the same machine did not run either.
pub(crate) async fn patiently<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut counted = Duration::ZERO;
    tokio::pin!(work);
    loop {
        let begun = Instant::now();
        let tick = TICK.min(limit - counted);
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::time::sleep(tick) => counted += begun.elapsed().min(tick * 2),
        }
        if counted >= limit {
            return None;
        }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn only_time_in_which_this_process_ran_counts() {
        let limit = TICK * 4;
        let begun = Instant::now();
        assert_eq!(patiently(limit, std::future::pending::<()>()).await, None);
        assert!(begun.elapsed() >= limit);
        let late = async {
            std::thread::sleep(limit * 2);
            tokio::time::sleep(TICK / 25).await;
            7
        };
        assert_eq!(patiently(limit, late).await, Some(7));
    }

    #[tokio::test]
    async fn what_is_left_is_told_once_the_time_is_up() {
        let left = Cell::new(2);
        let look = || async {
            left.set(left.get() - 1);
            Ok(vec!["pod a"; left.get()])
        };
        let late = |left: Vec<&str>| format!("still there: {}", left.join(", "));
        until_gone(Duration::from_secs(20), look, late)
            .await
            .unwrap();
        assert_eq!(left.get(), 0);

        let stays = || async { Ok(vec!["pod a", "pod b"]) };
        let error = until_gone(Duration::ZERO, stays, late).await.unwrap_err();
        assert_eq!(error.to_string(), "still there: pod a, pod b");
    }
}
