//! A latest-value channel from the thread that talks to the API to the daemon, which sleeps in `poll`.
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::node::NodesFile;
use crate::{Error, Result};

/// Holds the newest list and the newest error that the daemon has not received yet. Lists are complete, so a newer one
/// replaces one that was not received in time: a burst of events costs one pass.
#[derive(Debug)]
pub(super) struct Latest {
    unread: Mutex<Unread>,
    /// Readable while `unread` is not empty.
    eventfd: EventFd,
}

#[derive(Debug, Default)]
struct Unread {
    list: Option<NodesFile>,
    error: Option<Error>,
}

impl Latest {
    pub(super) fn new() -> Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let eventfd = EventFd::from_flags(flags).map_err(|cause| Error::System {
            action: "create an eventfd",
            cause,
        })?;
        Ok(Latest {
            unread: Mutex::default(),
            eventfd,
        })
    }

    /// Readable while [`Latest::receive`] has something to return.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Sends a list, with an error about its content if there is one. Clears any earlier error.
    pub(super) fn send_list(&self, list: NodesFile, error: Option<Error>) {
        self.send(|unread| {
            unread.list = Some(list);
            unread.error = error;
        });
    }

    /// Reports that no newer list is available.
    pub(super) fn send_error(&self, error: Error) {
        self.send(|unread| unread.error = Some(error));
    }

    fn send(&self, write: impl FnOnce(&mut Unread)) {
        // Values are replaced as a whole, so a sender that panicked cannot have left one half written.
        write(&mut self.unread.lock().unwrap_or_else(PoisonError::into_inner));
        // Fails only when the counter is full, and then the eventfd is readable anyway.
        let _ = self.eventfd.write(1);
    }

    /// Returns the list first, then the error; stays readable while one is left.
    pub(super) fn receive(&self) -> Result<Option<NodesFile>> {
        // Reset before reading the values, so that anything sent from now on makes it readable again.
        match self.eventfd.read() {
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(cause) => {
                return Err(Error::System {
                    action: "read an eventfd",
                    cause,
                });
            }
        }
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        match (unread.list.take(), unread.error.take()) {
            (Some(list), None) => Ok(Some(list)),
            (Some(list), error) => {
                unread.error = error;
                let _ = self.eventfd.write(1);
                Ok(Some(list))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn is_readable(latest: &Latest) -> bool {
        let mut fds = [PollFd::new(latest.wake(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    fn list(cidr: &str) -> NodesFile {
        NodesFile {
            pod_network: vec![cidr.parse().unwrap()],
            nodes: vec![],
        }
    }

    fn error() -> Error {
        Error::Incomplete { count: 7 }
    }

    #[test]
    fn of_many_lists_the_newest_is_received_once() {
        let latest = Latest::new().unwrap();
        assert!(!is_readable(&latest));
        assert_eq!(latest.receive().unwrap(), None);
        for n in 0..100 {
            latest.send_list(list(&format!("10.{n}.0.0/16")), None);
        }
        assert!(is_readable(&latest));
        assert_eq!(latest.receive().unwrap(), Some(list("10.99.0.0/16")));
        assert!(!is_readable(&latest));
        assert_eq!(latest.receive().unwrap(), None);
    }

    #[test]
    fn an_error_keeps_the_list_and_a_list_clears_the_error() {
        let latest = Latest::new().unwrap();
        latest.send_list(list("10.1.0.0/16"), None);
        latest.send_error(error());
        assert_eq!(latest.receive().unwrap(), Some(list("10.1.0.0/16")));
        assert!(is_readable(&latest), "the error is still unread");
        assert_eq!(
            latest.receive().unwrap_err().to_string(),
            error().to_string()
        );
        assert!(!is_readable(&latest));
        latest.send_error(error());
        latest.send_list(list("10.2.0.0/16"), None);
        assert_eq!(latest.receive().unwrap(), Some(list("10.2.0.0/16")));
        assert_eq!(latest.receive().unwrap(), None);
    }
}
