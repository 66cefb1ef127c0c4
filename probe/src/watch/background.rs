//! A thread that reads a descriptor until it is told to end.
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Result};

/// A thread in the namespaces of the thread that started it. Dropping it ends it and waits for that.
pub(super) struct Background<T> {
    /// Nothing is written: the thread ends when it is closed.
    end: Option<PipeWriter>,
    thread: Option<JoinHandle<T>>,
}

/// How the thread learns of its end.
pub(super) struct Ending(PipeReader);

impl<T: Default + Send + 'static> Background<T> {
    pub(super) fn start(
        name: &str,
        work: impl FnOnce(Ending) -> T + Send + 'static,
    ) -> Result<Self> {
        let (ended, end) = io::pipe().map_err(|error| Error::system("make a pipe", error))?;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(Ending(ended)))
            .map_err(|error| Error::system("start a thread", error))?;
        Ok(Background {
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Ends it; blocks until it has read what is there.
    pub(super) fn end(mut self) -> T {
        self.join().unwrap_or_default()
    }
}

impl<T> Background<T> {
    fn join(&mut self) -> Option<T> {
        drop(self.end.take());
        self.thread.take()?.join().ok()
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        self.join();
    }
}

impl Ending {
    /// Waits until there is something to read, or the end; whether it is the end.
    pub(super) fn awaited(&self, readable: BorrowedFd<'_>) -> bool {
        let mut fds = [
            PollFd::new(readable, PollFlags::POLLIN),
            PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => fds[1].any().unwrap_or(true),
            Err(Errno::EINTR) => false,
            Err(_) => true,
        }
    }

    /// Waits for a while, or the end; whether it is the end.
    pub(super) fn within(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(_) => fds[0].any().unwrap_or(true),
            Err(Errno::EINTR) => false,
            Err(_) => true,
        }
    }
}
