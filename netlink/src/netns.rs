//! Work in another network namespace without leaving one's own.
use std::os::fd::BorrowedFd;

use crate::Result;

/// Runs `work` on a short-lived thread inside the network namespace `ns` (an nsfs file) and hands its result back.
/// Sockets it returns stay in that namespace for life; files under `/proc/sys/net` are that namespace's.
pub fn within<T: Send>(ns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let _ = (ns, work);
    todo!()
}
