//! A blocking netlink socket that matches answers to requests.
use std::io;

use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use crate::uapi::nlm;
use crate::wire::{Answer, Answers, HEADER, Message, find, i32_at, text, u32_at};
use crate::{Error, Result};

/// The kernel's dump datagrams have up to 32 KiB (af_netlink.c, netlink_dump); single answers are much smaller.
const BUFFER: usize = 64 * 1024;

/// How often to repeat an interrupted dump. With 400 links while others are constantly created and deleted, about one
/// attempt in ten succeeds.
const DUMP_ATTEMPTS: usize = 64;

pub(crate) struct Connection {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// The result of one request.
pub(crate) enum Outcome {
    /// Acknowledged, or the end of a dump.
    Done,
    /// The kernel's errno and its explanation, if any.
    Refused(Errno, Option<String>),
}

impl Connection {
    /// `protocol` is NETLINK_ROUTE or NETLINK_NETFILTER; the socket belongs to the calling thread's namespace.
    pub(crate) fn open(protocol: isize) -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(protocol)?;
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            if protocol == netlink_sys::protocols::NETLINK_ROUTE {
                socket.set_netlink_get_strict_chk(true)?;
            }
            socket.bind(&SocketAddr::new(0, 0))?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|cause| Error::Socket {
            what: "open a netlink socket".to_owned(),
            cause,
        })?;
        Ok(Connection {
            socket,
            sequence: 0,
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// A new sequence number.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    pub(crate) fn send(&self, bytes: &[u8], what: &str) -> Result<()> {
        retry(|| self.socket.send(bytes, 0))
            .map(drop)
            .map_err(|cause| Error::Socket {
                what: what.to_owned(),
                cause,
            })
    }

    /// Receives the next datagram; `flags` as for recv(2).
    pub(crate) fn receive(&mut self, flags: libc::c_int) -> io::Result<Answers<'_>> {
        let (socket, buffer) = (&self.socket, &mut self.buffer);
        let length = retry(|| {
            buffer.clear();
            socket.recv(buffer, flags | libc::MSG_TRUNC)
        })?;
        if length > self.buffer.len() {
            return Err(io::Error::other(format!(
                "an answer of {length} bytes does not fit the buffer"
            )));
        }
        Ok(Answers(&self.buffer))
    }

    /// Sends `message` and waits for its single answer; `None` for a bare acknowledgement.
    pub(crate) fn ask<T>(
        &mut self,
        mut message: Message,
        what: &str,
        decode: impl Fn(Answer<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        check(&message, what)?;
        let sequence = self.next_sequence();
        self.send(message.finish(sequence), what)?;
        loop {
            let mut answers = self.receive(0).map_err(|cause| Error::Socket {
                what: what.to_owned(),
                cause,
            })?;
            let Some(answer) = answers.find(|answer| answer.sequence == sequence) else {
                continue;
            };
            return match outcome(&answer) {
                None => decode(answer)
                    .map(Some)
                    .ok_or_else(|| malformed(what, &answer)),
                Some(Outcome::Done) => Ok(None),
                Some(Outcome::Refused(errno, ack)) => Err(Error::Kernel {
                    what: what.to_owned(),
                    errno,
                    ack,
                }),
            };
        }
    }

    /// Sends a dump request and collects the entries that `decode` appends for each answer. `decode` returns `None` for an
    /// answer that does not parse. A dump interrupted by a change is repeated, because it may miss or repeat entries.
    pub(crate) fn dump<T>(
        &mut self,
        mut message: Message,
        what: &str,
        decode: impl Fn(&[u8], &mut Vec<T>) -> Option<()>,
    ) -> Result<Vec<T>> {
        for _ in 0..DUMP_ATTEMPTS {
            let sequence = self.next_sequence();
            self.send(message.finish(sequence), what)?;
            if let Some(entries) = self.collect(sequence, what, &decode)? {
                return Ok(entries);
            }
        }
        Err(Error::Unsettled {
            what: what.to_owned(),
        })
    }

    /// `None` if the dump was interrupted.
    fn collect<T>(
        &mut self,
        sequence: u32,
        what: &str,
        decode: &impl Fn(&[u8], &mut Vec<T>) -> Option<()>,
    ) -> Result<Option<Vec<T>>> {
        let mut entries = Vec::new();
        let mut interrupted = false;
        let mut fault = None;
        loop {
            let answers = self.receive(0).map_err(|cause| Error::Socket {
                what: what.to_owned(),
                cause,
            })?;
            for answer in answers.filter(|answer| answer.sequence == sequence) {
                interrupted |= answer.flags & nlm::DUMP_INTR != 0;
                match outcome(&answer) {
                    None => {
                        if decode(answer.payload, &mut entries).is_none() {
                            fault = Some(malformed(what, &answer));
                        }
                    }
                    // The dump is repeated, so neither its entries nor an error matter.
                    Some(_) if interrupted => return Ok(None),
                    Some(Outcome::Refused(errno, ack)) => {
                        return Err(Error::Kernel {
                            what: what.to_owned(),
                            errno,
                            ack,
                        });
                    }
                    Some(Outcome::Done) => return fault.map_or(Ok(Some(entries)), Err),
                }
            }
        }
    }
}

/// Refuses a malformed message.
pub(crate) fn check(message: &Message, what: &str) -> Result<()> {
    match message.fault() {
        None => Ok(()),
        Some(detail) => Err(Error::Invalid {
            what: what.to_owned(),
            detail,
        }),
    }
}

/// The result in an answer that is an acknowledgement, an error or the end of a dump.
pub(crate) fn outcome(answer: &Answer<'_>) -> Option<Outcome> {
    // An error quotes the request before its attributes (only the header if capped); the end of a dump does not.
    let quoted = match answer.kind {
        nlm::ERROR if answer.flags & nlm::CAPPED != 0 => HEADER,
        nlm::ERROR => (u32_at(answer.payload, 4).unwrap_or(0) as usize).next_multiple_of(4),
        nlm::DONE => 0,
        _ => return None,
    };
    // The end of a dump may have no error code.
    let code = i32_at(answer.payload, 0).unwrap_or(0);
    if code >= 0 {
        return Some(Outcome::Done);
    }
    let ack = (answer.flags & nlm::ACK_TLVS != 0)
        .then(|| answer.payload.get(4 + quoted..))
        .flatten()
        .and_then(|attributes| find(attributes, nlm::ERR_ATTR_MSG))
        .map(text);
    Some(Outcome::Refused(Errno::from_raw(-code), ack))
}

fn malformed(what: &str, answer: &Answer<'_>) -> Error {
    Error::Malformed {
        what: what.to_owned(),
        detail: format!(
            "message of type {} with {} bytes",
            answer.kind,
            answer.payload.len()
        ),
    }
}

/// Repeats a system call that a signal interrupted.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of the kernel: code, quoted request, explanation.
    fn refusal(kind: u16, flags: u16, code: i32, quoted: &[u8], ack: Option<&str>) -> Vec<u8> {
        let mut payload = code.to_ne_bytes().to_vec();
        payload.extend_from_slice(quoted);
        let mut message = Message::new(kind, flags, &payload);
        if let Some(ack) = ack {
            message.attr_text(nlm::ERR_ATTR_MSG, ack);
        }
        message.finish(1).to_vec()
    }

    #[track_caller]
    fn read(bytes: &[u8]) -> Option<(Errno, Option<String>)> {
        match outcome(&Answers(bytes).next().unwrap()).unwrap() {
            Outcome::Done => None,
            Outcome::Refused(errno, ack) => Some((errno, ack)),
        }
    }

    #[test]
    fn the_explanation_follows_the_quoted_request_whole_or_capped() {
        let mut request = Message::new(16, 0, &[0; 16]);
        request.attr_text(3, "veth0");
        let whole = request.finish(1).to_vec();
        let capped = nlm::ACK_TLVS | nlm::CAPPED;
        for (flags, quoted) in [(capped, &whole[..HEADER]), (nlm::ACK_TLVS, &whole)] {
            let seen = read(&refusal(
                nlm::ERROR,
                flags,
                -libc::EEXIST,
                quoted,
                Some("taken"),
            ));
            assert_eq!(seen, Some((Errno::EEXIST, Some("taken".to_owned()))));
        }
        let seen = read(&refusal(
            nlm::ERROR,
            nlm::CAPPED,
            -libc::EPERM,
            &whole[..HEADER],
            None,
        ));
        assert_eq!(seen, Some((Errno::EPERM, None)));
        assert_eq!(
            read(&refusal(nlm::ERROR, nlm::CAPPED, 0, &whole[..HEADER], None)),
            None
        );
    }

    #[test]
    fn a_dump_may_end_in_an_error() {
        let seen = read(&refusal(
            nlm::DONE,
            nlm::ACK_TLVS,
            -libc::ENODEV,
            &[],
            Some("gone"),
        ));
        assert_eq!(seen, Some((Errno::ENODEV, Some("gone".to_owned()))));
        assert_eq!(read(&refusal(nlm::DONE, 0, 0, &[], None)), None);
    }
}
