//! A stream of numbers over one TCP connection.
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::Stream;
use super::tally::Answer;
use crate::awake::{Awake, now_us};
use crate::dial::retransmits;
use crate::error::words;
use crate::message::{Message, NUMBER};

/// A connection.
pub(super) struct Line {
    socket: TcpStream,
    stream: Stream,
    /// The rest of a number for which there was no room.
    outgoing: Vec<u8>,
    /// The start of an answer.
    incoming: Vec<u8>,
    awake: Awake,
}

impl Line {
    pub(super) async fn open(stream: Stream, limit: Duration) -> Result<Self, String> {
        let connecting = async {
            let socket = match stream.to.is_ipv6() {
                true => TcpSocket::new_v6()?,
                false => TcpSocket::new_v4()?,
            };
            // It ends with a reset: nothing lingers here or there.
            socket.set_zero_linger()?;
            socket.set_nodelay(true)?;
            socket.connect(stream.to).await
        };
        let socket = match timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|error| words(&error))?,
            Err(_) => return Err(format!("no connection within {} ms", limit.as_millis())),
        };
        Ok(Line {
            socket,
            stream,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            awake: Awake::new(),
        })
    }

    /// Sends and receives until the connection ends or the task is aborted.
    pub(super) async fn run(mut self) {
        let mut ticks = self.stream.ticks();
        loop {
            let done = tokio::select! {
                _ = ticks.tick() => {
                    self.awake.beat();
                    self.send()
                }
                ready = self.socket.readable() => ready.and_then(|()| self.receive()),
            };
            if let Err(error) = done {
                let how = match error.kind() {
                    ErrorKind::UnexpectedEof => "closed by the other end".to_owned(),
                    _ => words(&error),
                };
                self.stream.tally.borrow_mut().end(now_us(), how);
                return;
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let mut tally = self.stream.tally.borrow_mut();
        tally.retransmits(retransmits(&self.socket)?);
        if self.outgoing.is_empty() && self.stream.sends() {
            let number = tally.send(now_us());
            let nonce = self.stream.nonce;
            self.outgoing = Message::Number { nonce, number }.encode();
        }
        while !self.outgoing.is_empty() {
            match self.socket.try_write(&self.outgoing) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * NUMBER];
        loop {
            match self.socket.try_read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(got) => self.incoming.extend_from_slice(&buffer[..got]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let whole = self.incoming.len() / NUMBER * NUMBER;
        for bytes in self.incoming[..whole].chunks(NUMBER) {
            if let Ok(Message::Counted {
                number,
                count,
                kept_us,
                ..
            }) = Message::decode(bytes)
            {
                self.stream.tally.borrow_mut().answered(Answer {
                    number,
                    at: self.awake.not_before(),
                    count,
                    kept: kept_us.into(),
                });
            }
        }
        self.incoming.drain(..whole);
        Ok(())
    }
}
