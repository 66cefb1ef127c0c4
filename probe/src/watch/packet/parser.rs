//! From a frame down to the packet of a probe in it.
use flatnet_model::kernel::MacAddr;
use flatnet_model::probe::watch::{Frame, Outer, OuterKind, Packet};

use super::bytes::{array_at, u16_at, u32_at};
use super::ip::{self, Header, protocol};
use super::wanted::Wanted;
use super::{arp, ethertype, icmp, transport};

const VXLAN_HEADER: usize = 8;
/// "The VNI is valid"; no other bit is set (RFC 7348).
const VXLAN_FLAGS: u32 = 0x0800_0000;

const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;
/// More headers around a packet than any tunnel of tunnels has.
const MOST_OUTER: usize = 3;

/// A packet that is wanted, with what is around it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::watch) struct Seen {
    pub(in crate::watch) frame: Option<Frame>,
    pub(in crate::watch) outer: Vec<Outer>,
    pub(in crate::watch) packet: Packet,
}

/// What follows first in a frame of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::watch) enum Begins {
    /// An Ethernet header.
    Ethernet,
    /// An IP header.
    Ip,
}

/// What is wanted of a frame.
pub(in crate::watch) fn in_frame(bytes: &[u8], begins: Begins, wanted: &Wanted) -> Option<Seen> {
    let mut parser = Parser::new(wanted, Depth::Frame);
    let (frame, packet) = match begins {
        Begins::Ethernet => {
            let (frame, packet) = parser.ethernet(bytes)?;
            (Some(frame), packet)
        }
        Begins::Ip => (None, parser.network(bytes)?),
    };
    Some(Seen {
        frame,
        outer: parser.outer,
        packet,
    })
}

/// Where packets are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// In a frame.
    Frame,
    /// In the quote of an ICMP error, which may be cut off anywhere after eight bytes of the transport's header.
    Quote,
}

/// Finds the packet that is wanted.
struct Parser<'w> {
    wanted: &'w Wanted,
    depth: Depth,
    /// Tunnel headers so far.
    outer: Vec<Outer>,
}

impl<'w> Parser<'w> {
    fn new(wanted: &'w Wanted, depth: Depth) -> Self {
        Parser {
            wanted,
            depth,
            outer: Vec::new(),
        }
    }

    fn ethernet(&mut self, bytes: &[u8]) -> Option<(Frame, Packet)> {
        let frame = Frame {
            destination: MacAddr(array_at(bytes, 0)?),
            source: MacAddr(array_at(bytes, 6)?),
        };
        let (kind, header) = match u16_at(bytes, ETHERNET_HEADER - 2)? {
            ethertype::VLAN | ethertype::SERVICE_VLAN => (
                u16_at(bytes, ETHERNET_HEADER + VLAN_TAG - 2)?,
                ETHERNET_HEADER + VLAN_TAG,
            ),
            kind => (kind, ETHERNET_HEADER),
        };
        let rest = bytes.get(header..)?;
        let packet = match kind {
            ethertype::IPV4 | ethertype::IPV6 => self.network(rest)?,
            ethertype::ARP => arp::packet(rest)?,
            _ => return None,
        };
        Some((frame, packet))
    }

    fn network(&mut self, bytes: &[u8]) -> Option<Packet> {
        let header = ip::header(bytes)?;
        if !header.first {
            return None;
        }
        let rest = header.payload;
        let body = match header.protocol {
            protocol::TCP => transport::tcp(rest, header.length, self.wanted),
            protocol::UDP => transport::udp(rest, self.wanted),
            protocol::ICMP => icmp::v4(rest, &|quote| self.quoted(quote)),
            protocol::ICMPV6 => icmp::v6(rest, &|quote| self.quoted(quote)),
            _ => None,
        };
        match body {
            Some(body) => Some(header.packet(body)),
            None => self.inside(&header),
        }
    }

    /// The packet inside a tunnel's.
    fn inside(&mut self, header: &Header<'_>) -> Option<Packet> {
        if self.outer.len() == MOST_OUTER {
            return None;
        }
        let (kind, rest) = match header.protocol {
            protocol::IPV4 | protocol::IPV6 => (OuterKind::Ip, header.payload),
            protocol::UDP => vxlan(header.payload)?,
            _ => return None,
        };
        self.outer.push(Outer {
            source: header.source,
            destination: header.destination,
            kind,
        });
        match kind {
            OuterKind::Ip => self.network(rest),
            OuterKind::Vxlan { .. } => Some(self.ethernet(rest)?.1),
        }
    }

    /// The packet that an error is about, with the tunnel headers around it. No error is sent about an error.
    fn quoted(&self, bytes: &[u8]) -> Option<(Vec<Outer>, Packet)> {
        if self.depth == Depth::Quote {
            return None;
        }
        let mut parser = Parser::new(self.wanted, Depth::Quote);
        let packet = parser.network(bytes)?;
        Some((parser.outer, packet))
    }
}

/// The frame in a datagram that may be VXLAN, whatever its port.
fn vxlan(datagram: &[u8]) -> Option<(OuterKind, &[u8])> {
    let port = u16_at(datagram, 2)?;
    let header = datagram.get(transport::UDP_HEADER..)?;
    let vni = u32_at(header, 4)?;
    if u32_at(header, 0)? != VXLAN_FLAGS || vni & 0xff != 0 {
        return None;
    }
    let vni = vni >> 8;
    Some((OuterKind::Vxlan { port, vni }, header.get(VXLAN_HEADER..)?))
}
