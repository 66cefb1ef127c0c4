//! TCP, UDP and ICMP echo.
use flatnet_model::probe::watch::{Body, Message};

use super::bytes::{u8_at, u16_at, u32_at};
use super::wanted::Wanted;
use crate::message;

/// Bytes of a UDP header, and of an ICMP echo's.
pub(super) const UDP_HEADER: usize = 8;
const ECHO_HEADER: usize = 8;
const ACK: u8 = 16;

/// A segment from or to one of the ports. `length`: bytes of the segment as IP's header says; of a quoted one only the first
/// eight need be there.
pub(super) fn tcp(bytes: &[u8], length: u32, wanted: &Wanted) -> Option<Body> {
    let (source, destination) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?);
    if !wanted.has_either(source, destination) {
        return None;
    }
    let flags = u8_at(bytes, 13).unwrap_or(0);
    let header = u8_at(bytes, 12).map_or(length, |byte| u32::from(byte >> 4) * 4);
    Some(Body::Tcp {
        source,
        destination,
        sequence: u32_at(bytes, 4)?,
        acknowledgement: match flags & ACK {
            0 => 0,
            _ => u32_at(bytes, 8).unwrap_or(0),
        },
        flags,
        payload: length.saturating_sub(header),
    })
}

/// A datagram of a probe, or from or to one of the ports.
pub(super) fn udp(bytes: &[u8], wanted: &Wanted) -> Option<Body> {
    let (source, destination) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?);
    let message = bytes.get(UDP_HEADER..).and_then(message_in);
    (message.is_some() || wanted.has_either(source, destination)).then_some(Body::Udp {
        source,
        destination,
        message,
    })
}

/// An echo of a probe; the types are those of ICMP or ICMPv6.
pub(super) fn echo(bytes: &[u8], request: u8, reply: u8) -> Option<Body> {
    let kind = u8_at(bytes, 0)?;
    if kind != request && kind != reply {
        return None;
    }
    Some(Body::Echo {
        reply: kind == reply,
        message: message_in(bytes.get(ECHO_HEADER..)?)?,
    })
}

fn message_in(payload: &[u8]) -> Option<Message> {
    Some(Message {
        nonce: message::nonce_of(payload)?,
        answer: message::is_answer(payload),
    })
}
