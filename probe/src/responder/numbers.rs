//! Numbers that a client sends at a steady pace: each is answered with how many have come.
use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::time::{MissedTickBehavior, interval};

use crate::awake::{Awake, micros, now_us};
use crate::message::{Message, NUMBER};

/// Between two beats of a connection.
const BEAT: Duration = Duration::from_millis(10);
/// A connection over which nothing comes for so many beats is closed: two minutes, in which TCP has tried again many times.
const SILENT_BEATS: u32 = 12_000;
/// UDP streams whose numbers are counted; those of more are answered with a count of 0.
const MOST_STREAMS: usize = 4096;

/// Numbers of UDP streams so far.
#[derive(Default)]
pub(super) struct Counts(HashMap<u64, u64>);

impl Counts {
    /// The answer to a number that the kernel had at `at`, of now.
    pub(super) fn answer(&mut self, nonce: u64, number: u64, at: Option<Duration>) -> Vec<u8> {
        let known = self.0.contains_key(&nonce) || self.0.len() < MOST_STREAMS;
        let count = match known {
            true => {
                let count = self.0.entry(nonce).or_default();
                *count += 1;
                *count
            }
            false => 0,
        };
        let kept = at.map_or(0, |at| now_us().saturating_sub(micros(at)));
        counted(nonce, number, count, kept)
    }
}

fn counted(nonce: u64, number: u64, count: u64, kept_us: u64) -> Vec<u8> {
    let kept_us = u32::try_from(kept_us).unwrap_or(u32::MAX);
    Message::Counted {
        nonce,
        number,
        count,
        kept_us,
    }
    .encode()
}

/// Answers the numbers of one connection until it ends; `first` is what has been read of it.
pub(super) async fn serve(socket: &AsyncFd<OwnedFd>, first: &[u8]) {
    let mut connection = Connection {
        incoming: first.to_vec(),
        outgoing: Vec::new(),
        count: 0,
    };
    let (mut awake, mut beats) = (Awake::new(), interval(BEAT));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    connection.answer(&awake);
    while connection.flush(socket).is_ok() && silent < SILENT_BEATS {
        tokio::select! {
            _ = beats.tick() => {
                awake.beat();
                silent += 1;
            }
            ready = socket.readable() => {
                let Ok(mut guard) = ready else { return };
                silent = 0;
                match connection.read(socket) {
                    Ok(()) => guard.clear_ready(),
                    Err(_) => return,
                }
                connection.answer(&awake);
            }
        }
    }
}

struct Connection {
    incoming: Vec<u8>,
    /// Answers for which there was no room.
    outgoing: Vec<u8>,
    count: u64,
}

impl Connection {
    /// Reads what is there.
    fn read(&mut self, socket: &AsyncFd<OwnedFd>) -> Result<(), Errno> {
        let mut buffer = [0; 64 * NUMBER];
        loop {
            let fd = socket.get_ref().as_raw_fd();
            match recv(fd, &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(Errno::EPIPE),
                Ok(got) => self.incoming.extend_from_slice(&buffer[..got]),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Answers each number that is complete.
    fn answer(&mut self, awake: &Awake) {
        let whole = self.incoming.len() / NUMBER * NUMBER;
        for bytes in self.incoming[..whole].chunks(NUMBER) {
            if let Ok(Message::Number { nonce, number }) = Message::decode(bytes) {
                self.count += 1;
                let kept = now_us().saturating_sub(awake.not_before());
                let answer = counted(nonce, number, self.count, kept);
                self.outgoing.extend_from_slice(&answer);
            }
        }
        self.incoming.drain(..whole);
    }

    /// Sends what there is room for.
    fn flush(&mut self, socket: &AsyncFd<OwnedFd>) -> Result<(), Errno> {
        while !self.outgoing.is_empty() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(socket.get_ref().as_raw_fd(), &self.outgoing, flags) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}
