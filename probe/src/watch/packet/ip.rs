//! Headers of IPv4 (RFC 791) and IPv6 (RFC 8200), up to the transport.
use std::net::IpAddr;

use flatnet_model::probe::watch::{Body, Packet};

use super::bytes::{ipv4_at, ipv6_at, u8_at, u16_at};

/// Protocol numbers (IANA), also as next headers of IPv6.
pub(super) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const ICMPV6: u8 = 58;
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const IPV6_HEADER: usize = 40;
/// More extension headers than any host sends.
const MOST_EXTENSIONS: usize = 8;

/// An IP header, with what follows it as far as it is there.
pub(super) struct Header<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    /// The whole packet, bytes.
    pub(super) bytes: u32,
    pub(super) dont_fragment: bool,
    /// It is one of several pieces.
    pub(super) fragment: bool,
    /// It begins with the transport's header: it is whole, or the first of the pieces.
    pub(super) first: bool,
    pub(super) protocol: u8,
    /// Bytes after the headers, as the header says.
    pub(super) length: u32,
    /// Those of them that are there.
    pub(super) payload: &'a [u8],
}

impl Header<'_> {
    /// The packet that holds this.
    pub(super) fn packet(&self, body: Body) -> Packet {
        Packet {
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            bytes: self.bytes,
            dont_fragment: self.dont_fragment,
            fragment: self.fragment,
            body,
        }
    }
}

/// Reads the header of either version.
pub(super) fn header(bytes: &[u8]) -> Option<Header<'_>> {
    match u8_at(bytes, 0)? >> 4 {
        4 => ipv4(bytes),
        6 => ipv6(bytes),
        _ => None,
    }
}

fn ipv4(bytes: &[u8]) -> Option<Header<'_>> {
    let header = usize::from(u8_at(bytes, 0)? & 0xf) * 4;
    if header < 20 {
        return None;
    }
    let whole = match usize::from(u16_at(bytes, 2)?) {
        // A segment that the kernel has yet to cut up may be longer than the field can say.
        0 => bytes.len(),
        length => length,
    };
    let field = u16_at(bytes, 6)?;
    let (flags, offset) = (field >> 13, field & 0x1fff);
    let more = flags & 1 != 0;
    Some(Header {
        source: ipv4_at(bytes, 12)?,
        destination: ipv4_at(bytes, 16)?,
        ttl: u8_at(bytes, 8)?,
        bytes: whole as u32,
        dont_fragment: flags & 2 != 0,
        fragment: more || offset != 0,
        first: offset == 0,
        protocol: u8_at(bytes, 9)?,
        length: whole.checked_sub(header)? as u32,
        payload: bytes.get(header..whole.min(bytes.len()))?,
    })
}

fn ipv6(bytes: &[u8]) -> Option<Header<'_>> {
    let whole = match usize::from(u16_at(bytes, 4)?) {
        0 => bytes.len(),
        length => IPV6_HEADER + length,
    };
    let present = &bytes[..whole.min(bytes.len())];
    let mut header = Header {
        source: ipv6_at(bytes, 8)?,
        destination: ipv6_at(bytes, 24)?,
        ttl: u8_at(bytes, 7)?,
        bytes: whole as u32,
        dont_fragment: true,
        fragment: false,
        first: true,
        protocol: u8_at(bytes, 6)?,
        length: 0,
        payload: &[],
    };
    let mut at = IPV6_HEADER;
    for _ in 0..MOST_EXTENSIONS {
        let length = match header.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                (usize::from(u8_at(present, at + 1)?) + 1) * 8
            }
            AUTHENTICATION => (usize::from(u8_at(present, at + 1)?) + 2) * 4,
            FRAGMENT => {
                let field = u16_at(present, at + 2)?;
                header.fragment = field & 0xfff9 != 0;
                header.first = field >> 3 == 0;
                8
            }
            _ => break,
        };
        header.protocol = u8_at(present, at)?;
        at += length;
        if !header.first {
            break;
        }
    }
    header.length = whole.checked_sub(at)? as u32;
    header.payload = present.get(at..)?;
    Some(header)
}
