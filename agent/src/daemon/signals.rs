//! Signals as a pollable file descriptor.
use std::os::fd::{AsFd as _, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::{Error, Result};

/// A signalfd for SIGTERM, SIGINT and SIGHUP.
pub(super) struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the signals in this thread and in the threads that it starts from now on.
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

    /// Readable when a signal is pending.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The next pending signal.
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
