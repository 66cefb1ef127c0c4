//! ICMP echo (RFC 792, RFC 4443): sockets and packets.
use std::io;
use std::net::IpAddr;

use nix::libc;
use socket2::{Domain, Protocol, Type};

use crate::datagram::{Datagrams, set_option};

/// Bytes of an echo header.
pub(crate) const HEADER: usize = 8;
/// ICMP_FILTER of linux/icmp.h, which libc does not name.
const ICMP_FILTER: i32 = 1;
/// ICMP6_FILTER of RFC 3542 section 3.2, likewise.
const ICMP6_FILTER: i32 = 1;

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Reply,
}

/// An echo packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo<'a> {
    pub(crate) direction: Direction,
    pub(crate) ident: u16,
    pub(crate) sequence: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Echo<'a> {
    /// The ICMP packet. Only IPv4 carries a checksum of ours: ICMPv6's covers addresses, and the kernel writes it.
    pub(crate) fn encode(&self, v6: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend_from_slice(&[kind(self.direction, v6), 0, 0, 0]);
        bytes.extend_from_slice(&self.ident.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(self.payload);
        if !v6 {
            let [high, low] = checksum(&bytes).to_be_bytes();
            bytes[2] = high;
            bytes[3] = low;
        }
        bytes
    }

    /// Reads an ICMP packet; none where it is not an echo.
    pub(crate) fn decode(bytes: &'a [u8], v6: bool) -> Option<Self> {
        let (header, payload) = bytes.split_first_chunk::<HEADER>()?;
        let direction = [Direction::Request, Direction::Reply]
            .into_iter()
            .find(|d| kind(*d, v6) == header[0])?;
        let [.., ident_high, ident_low, sequence_high, sequence_low] = *header;
        Some(Echo {
            direction,
            ident: u16::from_be_bytes([ident_high, ident_low]),
            sequence: u16::from_be_bytes([sequence_high, sequence_low]),
            payload,
        })
    }
}

/// A socket that echoes are sent on.
pub(crate) struct Pinger {
    /// Where replies and errors come in.
    pub(crate) socket: Datagrams,
    /// What every request of this socket carries, and every reply to it.
    pub(crate) ident: u16,
    raw: bool,
}

impl Pinger {
    /// A ping socket where net.ipv4.ping_group_range allows it, otherwise a raw one (CAP_NET_RAW).
    pub(crate) fn open(v6: bool) -> io::Result<Self> {
        let (domain, protocol) = family(v6);
        Self::ping(domain, protocol).or_else(|_| {
            let socket = raw(v6, Direction::Reply, true)?;
            let ident = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) as u16;
            Ok(Pinger {
                socket,
                ident,
                raw: true,
            })
        })
    }

    fn ping(domain: Domain, protocol: Protocol) -> io::Result<Self> {
        let unspecified: IpAddr = if domain == Domain::IPV6 {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        };
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(protocol))?;
        // Binding makes the kernel choose the identifier, which is a ping socket's port.
        socket.bind(&std::net::SocketAddr::new(unspecified, 0).into())?;
        let ident = socket
            .local_addr()?
            .as_socket()
            .map_or(0, |address| address.port());
        Ok(Pinger {
            socket: Datagrams::wrap(socket, domain == Domain::IPV6, true)?,
            ident,
            raw: false,
        })
    }

    /// The ICMP packet within what was received: a raw IPv4 socket hands out the IP header too.
    pub(crate) fn packet<'a>(&self, received: &'a [u8], v6: bool) -> &'a [u8] {
        if self.raw && !v6 {
            after_ip_header(received)
        } else {
            received
        }
    }
}

/// A raw ICMP socket that is only handed echoes of one direction.
pub(crate) fn raw(v6: bool, direction: Direction, errors: bool) -> io::Result<Datagrams> {
    let (domain, protocol) = family(v6);
    let socket = Datagrams::open(domain, Type::RAW, protocol, errors)?;
    let wanted = kind(direction, v6);
    // A set bit keeps a type out, in both filters.
    if v6 {
        let mut blocked = [u32::MAX; 8];
        blocked[usize::from(wanted >> 5)] &= !(1 << (wanted & 31));
        set_option(&socket, libc::IPPROTO_ICMPV6, ICMP6_FILTER, blocked)?;
    } else {
        set_option(&socket, libc::SOL_RAW, ICMP_FILTER, !(1_u32 << wanted))?;
    }
    Ok(socket)
}

/// What follows the IPv4 header.
pub(crate) fn after_ip_header(packet: &[u8]) -> &[u8] {
    let len = packet
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4);
    packet.get(len..).unwrap_or_default()
}

fn family(v6: bool) -> (Domain, Protocol) {
    if v6 {
        (Domain::IPV6, Protocol::ICMPV6)
    } else {
        (Domain::IPV4, Protocol::ICMPV4)
    }
}

fn kind(direction: Direction, v6: bool) -> u8 {
    match (direction, v6) {
        (Direction::Request, false) => 8,
        (Direction::Reply, false) => 0,
        (Direction::Request, true) => 128,
        (Direction::Reply, true) => 129,
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_survives_the_way_and_its_checksum_adds_up() {
        for payload in [&b""[..], b"odd", b"even"] {
            let echo = Echo {
                direction: Direction::Request,
                ident: 0x1234,
                sequence: 0xfffe,
                payload,
            };
            let v4 = echo.encode(false);
            assert_eq!(Echo::decode(&v4, false), Some(echo));
            assert_eq!(checksum(&v4), 0, "a packet with its checksum sums to zero");
            assert_eq!(Echo::decode(&echo.encode(true), true), Some(echo));
        }
    }

    #[test]
    fn rfc_1071_example() {
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
    }

    #[test]
    fn what_is_no_echo_is_none() {
        assert_eq!(Echo::decode(&[3, 1, 0, 0, 0, 0, 0, 0], false), None);
        assert_eq!(Echo::decode(&[8, 0, 0], false), None);
        assert_eq!(after_ip_header(&[]), &[] as &[u8]);
        assert_eq!(after_ip_header(&[0x4f, 1, 2]), &[] as &[u8]);
    }
}
