//! Signals as something to poll.
use std::os::fd::{AsFd as _, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::{Error, Result};

/// SIGTERM, SIGINT and SIGHUP as something to poll.
pub(super) struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// From now on they are blocked in this thread and in those it starts.
    pub(super) fn open() -> Result<Self> {
        let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
        set.thread_block().map_err(|cause| Error::System {
            action: "block signals",
            cause,
        })?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(|cause| Error::System {
                action: "receive signals",
                cause,
            })?;
        Ok(Signals { fd })
    }

    /// Readable when one has come.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// One that has come, if any has.
    pub(super) fn next(&mut self) -> Result<Option<Signal>> {
        match self.fd.read_signal() {
            Ok(Some(info)) => Ok(i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|n| Signal::try_from(n).ok())),
            Ok(None) => Ok(None),
            Err(cause) => Err(Error::System {
                action: "receive signals",
                cause,
            }),
        }
    }
}
