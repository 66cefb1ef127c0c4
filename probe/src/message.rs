//! What two probes say to each other over the network.
//!
//! The same bytes travel in a TCP stream, a UDP datagram and the payload of an ICMP echo request. Numbers are big-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | `fnp1` |
//! | 4 | kind: 1 hello, 2 answer, 3 sized, 4 received, 5 transfer, 6 arrived, 7 number, 8 counted |
//! | 5..13 | nonce, chosen at random by the client and echoed |
//! | 13..15 | length of the body |
//! | 15.. | body: hello: the client's name · answer: the client's address as seen (16 bytes, IPv4 mapped), the responder's name · sized: nothing, then padding that counts for nothing · received: bytes of the datagram (4) · transfer: bytes that follow (4), milliseconds without any after which none are awaited (4) · arrived: bytes that have come as they were sent (4), 1 where another came (1), MSS (4) · number: the number (8), nothing (12) · counted: the number (8), how many of this nonce came (8), how long the responder had it, in microseconds (4) |
//!
//! Every answer is about as small as its question or smaller, so that a responder cannot be used to amplify traffic. What follows a
//! transfer is the [`data`](crate::data) that both ends know; when all of it has arrived, as much is sent back.
use std::net::{IpAddr, Ipv6Addr};

use crate::error::{Error, Result};

/// Longest name, bytes: a pod's name (253), its namespace (63) and a little of the caller's.
pub(crate) const MAX_NAME: usize = 400;
/// Bytes before the body.
pub(crate) const HEADER: usize = 15;
/// Longest message without padding, bytes.
pub(crate) const MAX_MESSAGE: usize = HEADER + 16 + MAX_NAME;

/// Bytes of [`Message::Arrived`].
pub(crate) const ARRIVED: usize = HEADER + 9;

/// The first bytes of every message.
pub(crate) const MAGIC: &[u8; 4] = b"fnp1";

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// A client asks for an answer.
    Hello { nonce: u64, name: &'a str },
    /// The answer to a hello.
    Answer {
        nonce: u64,
        seen_as: IpAddr,
        name: &'a str,
    },
    /// A datagram whose size matters; padding follows.
    Sized { nonce: u64 },
    /// A sized datagram came in whole, with this many bytes of UDP payload.
    Received { nonce: u64, bytes: u32 },
    /// A client announces data on this connection.
    Transfer {
        nonce: u64,
        bytes: u32,
        stall_ms: u32,
    },
    /// How much of it has arrived. The first says none: the connection is ready for it.
    Arrived {
        nonce: u64,
        bytes: u32,
        altered: bool,
        mss: u32,
    },
    /// One of many that a client sends at a steady pace; the nonce is the stream's.
    Number { nonce: u64, number: u64 },
    /// The answer to a number.
    Counted {
        nonce: u64,
        number: u64,
        count: u64,
        kept_us: u32,
    },
}

/// Bytes of a number and of the answer to it.
pub(crate) const NUMBER: usize = HEADER + NUMBER_BODY;
const NUMBER_BODY: usize = 20;

impl<'a> Message<'a> {
    /// The bytes of this message, without padding.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 80);
        let (kind, nonce) = match self {
            Message::Hello { nonce, .. } => (1, nonce),
            Message::Answer { nonce, .. } => (2, nonce),
            Message::Sized { nonce } => (3, nonce),
            Message::Received { nonce, .. } => (4, nonce),
            Message::Transfer { nonce, .. } => (5, nonce),
            Message::Arrived { nonce, .. } => (6, nonce),
            Message::Number { nonce, .. } => (7, nonce),
            Message::Counted { nonce, .. } => (8, nonce),
        };
        bytes.extend_from_slice(MAGIC);
        bytes.push(kind);
        bytes.extend_from_slice(&nonce.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        match self {
            Message::Hello { name, .. } => bytes.extend_from_slice(cut(name).as_bytes()),
            Message::Answer { seen_as, name, .. } => {
                let seen_as = match seen_as {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => *v6,
                };
                bytes.extend_from_slice(&seen_as.octets());
                bytes.extend_from_slice(cut(name).as_bytes());
            }
            Message::Sized { .. } => {}
            Message::Received { bytes: count, .. } => bytes.extend_from_slice(&count.to_be_bytes()),
            Message::Transfer {
                bytes: count,
                stall_ms,
                ..
            } => {
                bytes.extend_from_slice(&count.to_be_bytes());
                bytes.extend_from_slice(&stall_ms.to_be_bytes());
            }
            Message::Arrived {
                bytes: count,
                altered,
                mss,
                ..
            } => {
                bytes.extend_from_slice(&count.to_be_bytes());
                bytes.push(u8::from(*altered));
                bytes.extend_from_slice(&mss.to_be_bytes());
            }
            Message::Number { number, .. } => {
                bytes.extend_from_slice(&number.to_be_bytes());
                bytes.resize(NUMBER, 0);
            }
            Message::Counted {
                number,
                count,
                kept_us,
                ..
            } => {
                bytes.extend_from_slice(&number.to_be_bytes());
                bytes.extend_from_slice(&count.to_be_bytes());
                bytes.extend_from_slice(&kept_us.to_be_bytes());
            }
        }
        // At most MAX_MESSAGE, which fits.
        let [high, low] = ((bytes.len() - HEADER) as u16).to_be_bytes();
        bytes[13] = high;
        bytes[14] = low;
        bytes
    }

    /// Reads one message. Fails where it is cut short, of another program, or longer than it says (but for the padding
    /// of a sized one).
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self> {
        if lacking(bytes)? > 0 {
            return Err(Error::Foreign("cut short"));
        }
        let (header, rest) = bytes.split_at(HEADER);
        let nonce = u64_at(header, 5).ok_or(Error::Foreign("cut short"))?;
        let (body, padding) = rest.split_at(body_len(header));
        if !padding.is_empty() && header[4] != 3 {
            return Err(Error::Foreign("longer than it says"));
        }
        match header[4] {
            1 => Ok(Message::Hello {
                nonce,
                name: name(body)?,
            }),
            2 => {
                let (address, rest) = body
                    .split_first_chunk::<16>()
                    .ok_or(Error::Foreign("an answer without address"))?;
                Ok(Message::Answer {
                    nonce,
                    seen_as: IpAddr::V6(Ipv6Addr::from(*address)).to_canonical(),
                    name: name(rest)?,
                })
            }
            3 => Ok(Message::Sized { nonce }),
            4 => match body.try_into() {
                Ok(count) => Ok(Message::Received {
                    nonce,
                    bytes: u32::from_be_bytes(count),
                }),
                Err(_) => Err(Error::Foreign("a count of the wrong size")),
            },
            5 => match (u32_at(body, 0), u32_at(body, 4)) {
                (Some(bytes), Some(stall_ms)) => Ok(Message::Transfer {
                    nonce,
                    bytes,
                    stall_ms,
                }),
                _ => Err(Error::Foreign("a transfer that is cut short")),
            },
            6 => match (u32_at(body, 0), body.get(4), u32_at(body, 5)) {
                (Some(bytes), Some(altered), Some(mss)) => Ok(Message::Arrived {
                    nonce,
                    bytes,
                    altered: *altered != 0,
                    mss,
                }),
                _ => Err(Error::Foreign("a count that is cut short")),
            },
            7 | 8 if body.len() != NUMBER_BODY => Err(Error::Foreign("a number of the wrong size")),
            7 => Ok(Message::Number {
                nonce,
                number: u64_at(body, 0).unwrap_or_default(),
            }),
            8 => Ok(Message::Counted {
                nonce,
                number: u64_at(body, 0).unwrap_or_default(),
                count: u64_at(body, 8).unwrap_or_default(),
                kept_us: u32::from_be_bytes([body[16], body[17], body[18], body[19]]),
            }),
            _ => Err(Error::Foreign("unknown kind")),
        }
    }
}

/// How many more bytes a stream must yield before a message can be decoded: first up to the header's end, then up to the
/// body's. Fails as soon as the bytes cannot become a message.
pub(crate) fn lacking(bytes: &[u8]) -> Result<usize> {
    let start = bytes.len().min(MAGIC.len());
    if bytes[..start] != MAGIC[..start] {
        return Err(Error::Foreign("begins otherwise"));
    }
    if bytes.len() < HEADER {
        return Ok(HEADER - bytes.len());
    }
    let whole = HEADER + body_len(bytes);
    if whole > MAX_MESSAGE {
        return Err(Error::Foreign("too long"));
    }
    Ok(whole.saturating_sub(bytes.len()))
}

/// The nonce of a message that may be cut off after its header, as routers quote it in ICMP errors.
pub(crate) fn nonce_of(bytes: &[u8]) -> Option<u64> {
    if bytes.starts_with(MAGIC) {
        u64_at(bytes, 5)
    } else {
        None
    }
}

/// All but the last byte of the nonce of a message that is cut off after them.
pub(crate) fn start_of_nonce(bytes: &[u8]) -> Option<u64> {
    let start: &[u8; 7] = bytes.strip_prefix(MAGIC)?.get(1..)?.first_chunk()?;
    Some(
        start
            .iter()
            .fold(0, |nonce, byte| nonce << 8 | u64::from(*byte))
            << 8,
    )
}

/// Whether a message that may be cut off answers another.
pub(crate) fn is_answer(bytes: &[u8]) -> bool {
    matches!(bytes.get(4), Some(2 | 4 | 6))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u64::from_be_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let chunk = bytes.get(at..)?.first_chunk();
    chunk.map(|chunk| u32::from_be_bytes(*chunk))
}

fn body_len(header: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([header[13], header[14]]))
}

fn name(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::Foreign("a name that is not UTF-8"))
}

/// A hostname may be the caller's name of last resort; it is never longer, but a message must hold in any case.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
