//! Between the thread that talks to the API and the daemon, which sleeps in `poll`: a notice board and a bell.
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::node::NodesFile;
use crate::{Error, Result};

/// Holds the newest list and the newest trouble that the daemon has not seen yet. Lists are whole, so one that was not
/// fetched in time is simply written over: a burst of events costs one pass.
#[derive(Debug)]
pub(super) struct Board {
    notes: Mutex<Notes>,
    bell: EventFd,
}

#[derive(Debug, Default)]
struct Notes {
    list: Option<NodesFile>,
    trouble: Option<Error>,
}

impl Board {
    pub(super) fn new() -> Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let bell = EventFd::from_flags(flags).map_err(|cause| Error::System {
            action: "make an event counter",
            cause,
        })?;
        Ok(Board {
            notes: Mutex::default(),
            bell,
        })
    }

    /// Readable while there is something to [`Board::take`].
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// A list, and what is to be said of it. Trouble from before is over.
    pub(super) fn list(&self, list: NodesFile, trouble: Option<Error>) {
        self.post(|notes| {
            notes.list = Some(list);
            notes.trouble = trouble;
        });
    }

    /// There is no newer list to be had now.
    pub(super) fn trouble(&self, trouble: Error) {
        self.post(|notes| notes.trouble = Some(trouble));
    }

    fn post(&self, write: impl FnOnce(&mut Notes)) {
        // Notes are replaced whole, so a writer that panicked left none half written.
        write(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        // The counter is full after 2^64-2 rings that nobody heard: it is readable then as well.
        let _ = self.bell.write(1);
    }

    /// The list first, then the trouble; rings again while one is left.
    pub(super) fn take(&self) -> Result<Option<NodesFile>> {
        // Before the notes are read: what is posted from now on rings anew.
        match self.bell.read() {
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(cause) => {
                return Err(Error::System {
                    action: "read an event counter",
                    cause,
                });
            }
        }
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        match (notes.list.take(), notes.trouble.take()) {
            (Some(list), None) => Ok(Some(list)),
            (Some(list), trouble) => {
                notes.trouble = trouble;
                let _ = self.bell.write(1);
                Ok(Some(list))
            }
            (None, Some(trouble)) => Err(trouble),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn rings(board: &Board) -> bool {
        let mut fds = [PollFd::new(board.wake(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    fn list(cidr: &str) -> NodesFile {
        NodesFile {
            pod_network: vec![cidr.parse().unwrap()],
            nodes: vec![],
        }
    }

    fn trouble() -> Error {
        Error::Incomplete { count: 7 }
    }

    #[test]
    fn of_many_lists_the_newest_is_fetched_once() {
        let board = Board::new().unwrap();
        assert!(!rings(&board));
        assert_eq!(board.take().unwrap(), None);
        for n in 0..100 {
            board.list(list(&format!("10.{n}.0.0/16")), None);
        }
        assert!(rings(&board));
        assert_eq!(board.take().unwrap(), Some(list("10.99.0.0/16")));
        assert!(!rings(&board));
        assert_eq!(board.take().unwrap(), None);
    }

    #[test]
    fn trouble_takes_no_list_away_and_a_list_ends_it() {
        let board = Board::new().unwrap();
        board.list(list("10.1.0.0/16"), None);
        board.trouble(trouble());
        assert_eq!(board.take().unwrap(), Some(list("10.1.0.0/16")));
        assert!(rings(&board), "the trouble is still to be told");
        assert_eq!(board.take().unwrap_err().to_string(), trouble().to_string());
        assert!(!rings(&board));
        board.trouble(trouble());
        board.list(list("10.2.0.0/16"), None);
        assert_eq!(board.take().unwrap(), Some(list("10.2.0.0/16")));
        assert_eq!(board.take().unwrap(), None);
    }
}
