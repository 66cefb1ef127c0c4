//! Waits for links to be deleted.
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::socket::{Connection, Outcome, outcome};
use crate::uapi::{af, rtm};
use crate::wire::{Message, u8_at, u32_at};
use crate::{Error, Result};

/// Receives the events of deleted links. Open it before requesting a deletion, so that no event is missed.
pub struct LinkWatch {
    connection: Connection,
    /// Deleted links that have not been waited for yet.
    deleted: HashSet<u32>,
    /// The buffer has overflowed, so that events may have been lost.
    lossy: bool,
}

impl LinkWatch {
    /// Joins RTNLGRP_LINK in the calling thread's namespace.
    pub fn open() -> Result<Self> {
        let mut connection = Connection::open(NETLINK_ROUTE)?;
        let joined = connection.socket().add_membership(rtm::GROUP_LINK);
        joined.map_err(|cause| Error::Socket {
            what: "listen for link changes".to_owned(),
            cause,
        })?;
        Ok(LinkWatch {
            connection,
            deleted: HashSet::new(),
            lossy: false,
        })
    }

    /// Waits for RTM_DELLINK of `index`; `Ok(false)` if `limit` passes first. A full buffer (ENOBUFS) is not an error: the
    /// kernel is then asked whether the link still exists.
    pub fn wait_deleted(&mut self, index: u32, limit: Duration) -> Result<bool> {
        let what = format!("wait for the end of link {index}");
        let failed = |cause| Error::Socket {
            what: what.clone(),
            cause,
        };
        let started = Instant::now();
        let mut question = None;
        while !self.deleted.remove(&index) {
            match self.receive(question.map(|sequence| (sequence, index))) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.lossy = true;
                    question = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Not before the buffer is empty: the kernel silently drops answers that do not fit.
                    if self.lossy && question.is_none() {
                        question = Some(self.ask(index, &what)?);
                        continue;
                    }
                    let left = limit.saturating_sub(started.elapsed());
                    if left.is_zero() || !self.readable(left).map_err(failed)? {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(true)
    }

    /// Asks whether the link exists; the answer arrives among the events.
    fn ask(&mut self, index: u32, what: &str) -> Result<u32> {
        let sequence = self.connection.next_sequence();
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        let mut message = Message::new(rtm::GETLINK, 0, &header);
        self.connection.send(message.finish(sequence), what)?;
        Ok(sequence)
    }

    /// Reads one datagram without blocking. `question`: sequence number and link index of the pending request.
    fn receive(&mut self, question: Option<(u32, u32)>) -> io::Result<()> {
        for answer in self.connection.receive(libc::MSG_DONTWAIT)? {
            if let Some(Outcome::Refused(Errno::ENODEV, _)) = outcome(&answer)
                && let Some((sequence, index)) = question
                && sequence == answer.sequence
            {
                self.deleted.insert(index);
            }
            let Some(index) = u32_at(answer.payload, 4) else {
                continue;
            };
            // A port that leaves its bridge causes RTM_DELLINK with family AF_BRIDGE.
            if u8_at(answer.payload, 0) == Some(af::UNSPEC) {
                match answer.kind {
                    rtm::DELLINK => drop(self.deleted.insert(index)),
                    rtm::NEWLINK => drop(self.deleted.remove(&index)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn readable(&mut self, limit: Duration) -> io::Result<bool> {
        // Rounded up, because a poll of zero milliseconds would spin.
        let milliseconds = limit.as_micros().div_ceil(1000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        let fd = self.connection.socket().as_raw_fd();
        // SAFETY: the socket outlives this call, and nothing closes it meanwhile.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }
}
