//! A limit for what is waited for, told when it is over.
use std::time::Duration;

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
