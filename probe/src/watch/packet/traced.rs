//! Packets as netfilter's trace shows them: headers apart from each other, the transport's cut off after 20 bytes.
use flatnet_model::probe::watch::{Body, Message, Packet};

use super::bytes::{u8_at, u16_at};
use super::ip::{self, protocol};
use super::transport;
use super::wanted::Wanted;
use crate::message;

const ECHO_HEADER: usize = 8;

/// What is wanted of the two headers. That of an IPv6 packet with extension headers does not say which transport it has.
///
/// A datagram's message is told only in part, and thus not at all; an echo's nonce ends with its sequence number.
pub(in crate::watch) fn traced(
    network: &[u8],
    transport: &[u8],
    wanted: &Wanted,
) -> Option<Packet> {
    let header = ip::header(network)?;
    if !header.first {
        return None;
    }
    let body = match header.protocol {
        protocol::TCP => transport::tcp(transport, header.length, wanted)?,
        protocol::UDP => Body::Udp {
            source: u16_at(transport, 0)?,
            destination: u16_at(transport, 2)?,
            message: None,
        },
        protocol::ICMP => echo(transport, 8, 0)?,
        protocol::ICMPV6 => echo(transport, 128, 129)?,
        _ => return None,
    };
    Some(header.packet(body))
}

/// An echo, or an error without the packet that it is about.
fn echo(bytes: &[u8], request: u8, reply: u8) -> Option<Body> {
    let kind = u8_at(bytes, 0)?;
    if kind != request && kind != reply {
        return Some(Body::Error {
            kind,
            code: u8_at(bytes, 1)?,
            mtu: None,
            within: Vec::new(),
            about: None,
        });
    }
    let payload = bytes.get(ECHO_HEADER..)?;
    let last = u64::from(u16_at(bytes, 6)? & 0xff);
    Some(Body::Echo {
        reply: kind == reply,
        message: Message {
            nonce: message::start_of_nonce(payload)? | last,
            answer: message::is_answer(payload),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message as Sent;

    const NONCE: u64 = 0x0102_0304_0506_0708;

    fn network(protocol: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 60, 0, 0, 0x40, 0, 63, protocol, 0, 0];
        bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        bytes
    }

    fn transport(start: [u8; 8]) -> Vec<u8> {
        let hello = Sent::Hello {
            nonce: NONCE,
            name: "pod",
        };
        let mut bytes = start.to_vec();
        bytes.extend(hello.encode());
        bytes.truncate(20);
        bytes
    }

    #[test]
    fn twenty_bytes_tell_the_nonce_of_an_echo_and_the_ports_of_a_datagram() {
        let wanted = Wanted::default();
        let echo = transport([8, 0, 0, 0, 0, 1, 7, 8]);
        let packet = traced(&network(1), &echo, &wanted).unwrap();
        assert_eq!((packet.ttl, packet.bytes), (63, 60));
        let message = Message {
            nonce: NONCE,
            answer: false,
        };
        assert_eq!(
            packet.body,
            Body::Echo {
                reply: false,
                message
            }
        );
        let datagram = transport([0, 7, 0, 9, 0, 26, 0, 0]);
        assert_eq!(
            traced(&network(17), &datagram, &wanted).unwrap().body,
            Body::Udp {
                source: 7,
                destination: 9,
                message: None
            }
        );
        let error = traced(&network(1), &[3, 13, 0, 0], &wanted).unwrap().body;
        assert!(matches!(
            error,
            Body::Error {
                kind: 3,
                code: 13,
                about: None,
                ..
            }
        ));
        for cut in 0..20 {
            let _ = traced(&network(1)[..cut], &echo, &wanted);
            let _ = traced(&network(17), &datagram[..cut], &wanted);
        }
    }
}
