//! Runs code in another network namespace.
use std::os::fd::BorrowedFd;
use std::{io, panic, thread};

use nix::sched::{CloneFlags, setns};

use crate::{Error, Result};

/// Runs `work` on a short-lived thread inside the network namespace `ns` (an nsfs file) and returns its result.
/// Sockets that it opens stay in that namespace; `/proc/sys/net` shows that namespace's settings.
///
/// # Errors
/// [`Error::Socket`] when the thread cannot start or the namespace cannot be entered (EPERM without CAP_SYS_ADMIN
/// there, EINVAL for a file that is not a network namespace). A panic of `work` continues in the caller.
pub fn within<T: Send>(ns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let failed = |cause: io::Error| Error::Socket {
        what: "enter the network namespace".to_owned(),
        cause,
    };
    thread::scope(|scope| {
        let inside = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, || {
                setns(ns, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
                Ok(work())
            })
            .map_err(failed)?;
        inside
            .join()
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
            .map_err(failed)
    })
}
