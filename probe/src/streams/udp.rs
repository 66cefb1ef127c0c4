//! A stream of datagrams.
use nix::errno::Errno;
use socket2::{Domain, Protocol, Type};

use super::Stream;
use super::tally::Answer;
use crate::awake::{micros, now_us};
use crate::datagram::Datagrams;
use crate::error::{errno_words, words};
use crate::message::{MAX_MESSAGE, Message};

/// A socket and where it sends.
pub(super) struct Line {
    socket: Datagrams,
    stream: Stream,
}

impl Line {
    pub(super) fn open(stream: Stream) -> Result<Self, String> {
        let domain = match stream.to.is_ipv6() {
            true => Domain::IPV6,
            false => Domain::IPV4,
        };
        let open = || {
            let socket = Datagrams::open(domain, Type::DGRAM, Protocol::UDP, true)?;
            socket.stamp()?;
            Ok(socket)
        };
        let socket = open().map_err(|error: std::io::Error| words(&error))?;
        Ok(Line { socket, stream })
    }

    /// Sends and receives until it is aborted.
    pub(super) async fn run(self) {
        let mut ticks = self.stream.ticks();
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if self.stream.sends() {
                        self.send();
                    }
                    self.stream.tally.borrow_mut().settle(now_us());
                }
                ready = self.socket.ready() => {
                    let Ok(mut guard) = ready else { return };
                    self.receive();
                    guard.clear_ready();
                }
            }
        }
    }

    fn send(&self) {
        let mut tally = self.stream.tally.borrow_mut();
        let number = tally.send(now_us());
        let nonce = self.stream.nonce;
        let message = Message::Number { nonce, number }.encode();
        match self.socket.send(&message, self.stream.to, None) {
            Ok(()) => {}
            Err(Errno::EAGAIN) => tally.refused("the send buffer is full".to_owned()),
            Err(errno) => tally.refused(errno_words(errno)),
        }
    }

    fn receive(&self) {
        let mut buffer = [0; MAX_MESSAGE];
        // Errors that came back: what they are about gets no answer.
        while self.socket.notice(&mut buffer).is_some() {}
        while let Some(arrival) = self.socket.receive(&mut buffer) {
            let received = &buffer[..arrival.len.min(MAX_MESSAGE)];
            let Ok(Message::Counted {
                nonce,
                number,
                count,
                kept_us,
            }) = Message::decode(received)
            else {
                continue;
            };
            if nonce != self.stream.nonce {
                continue;
            }
            self.stream.tally.borrow_mut().answered(Answer {
                number,
                at: arrival.at.map_or_else(now_us, micros),
                count,
                kept: kept_us.into(),
            });
        }
    }
}
