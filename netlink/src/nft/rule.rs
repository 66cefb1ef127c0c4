//! Encodes a rule as the kernel's expressions.
use std::net::IpAddr;

use ipnet::IpNet;

use super::model::Expr;
use super::uapi::{LIST_ELEM, data, expr, nfproto};
use crate::wire::{Message, octets};

/// Longest interface name (IFNAMSIZ, with its NUL).
const INTERFACE_NAME: usize = 16;

/// Name of an anonymous set; the kernel inserts a number, and rules of the same transaction refer to it by its id.
pub(crate) const ANONYMOUS_SET: &str = "__set%d";

/// Source or destination of a packet.
#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

/// Whether the rule reads a port before it has checked the protocol, and thus needs a check that the protocol has ports.
pub(crate) fn needs_port_guard(rule: &[Expr]) -> bool {
    let first = rule.iter().find(|part| {
        matches!(
            part,
            Expr::Protocol(_) | Expr::SourcePort(_) | Expr::DestinationPort(_)
        )
    });
    matches!(first, Some(Expr::SourcePort(_) | Expr::DestinationPort(_)))
}

/// Writes a rule's expressions into the attribute that lists them.
pub(crate) struct Encoder<'a> {
    message: &'a mut Message,
    /// The packets' family, if an earlier expression of the rule has checked it.
    family: Option<u8>,
    /// Id of the set {tcp, udp} until the rule has checked the protocol with it.
    port_guard: Option<u32>,
    fault: Option<&'static str>,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(message: &'a mut Message, port_guard: Option<u32>) -> Self {
        Encoder {
            message,
            family: None,
            port_guard,
            fault: None,
        }
    }

    /// Writes `rule`; the error says why it is invalid.
    pub(crate) fn rule(mut self, rule: &[Expr]) -> Result<(), &'static str> {
        for part in rule {
            self.part(part);
        }
        self.fault.map_or(Ok(()), Err)
    }

    fn part(&mut self, part: &Expr) {
        match part {
            Expr::SourceIn(net) => self.prefix(End::Source, *net, expr::CMP_EQ),
            Expr::SourceNotIn(net) => self.prefix(End::Source, *net, expr::CMP_NEQ),
            Expr::DestinationIn(net) => self.prefix(End::Destination, *net, expr::CMP_EQ),
            Expr::DestinationNotIn(net) => self.prefix(End::Destination, *net, expr::CMP_NEQ),
            Expr::SourceInSet { set, v6, negate } => self.in_set(End::Source, set, *v6, *negate),
            Expr::DestinationInSet { set, v6, negate } => {
                self.in_set(End::Destination, set, *v6, *negate)
            }
            Expr::OutInterface(name) => self.interface(expr::META_OIFNAME, name),
            Expr::InInterface(name) => self.interface(expr::META_IIFNAME, name),
            Expr::Protocol(number) => {
                self.meta(expr::META_L4PROTO);
                self.compare(expr::CMP_EQ, &[*number]);
            }
            Expr::SourcePort(port) => self.port(0, *port),
            Expr::DestinationPort(port) => self.port(2, *port),
            Expr::TransportBytes { offset, value } => {
                self.payload(
                    expr::PAYLOAD_TRANSPORT,
                    u32::from(*offset),
                    value.len() as u32,
                );
                self.compare(expr::CMP_EQ, value);
            }
            Expr::Trace => {
                self.immediate(expr::REG_1, &[1]);
                self.expression("meta", |m| {
                    m.attr_be32(expr::META_KEY, expr::META_NFTRACE)
                        .attr_be32(expr::META_SREG, expr::REG_1);
                });
            }
            Expr::LongerThan(bytes) => {
                self.meta(expr::META_LEN);
                self.in_network_order();
                self.compare(expr::CMP_GT, &bytes.to_be_bytes());
            }
            Expr::Percent(share) => {
                self.number(expr::NUMGEN_RANDOM, 100, u32::from(*share));
            }
            Expr::First(packets) => self.number(expr::NUMGEN_COUNT, u32::MAX, *packets),
            Expr::CopyTo(to) => {
                self.immediate(expr::REG_1, &to.octets());
                self.expression("dup", |m| {
                    m.attr_be32(expr::DUP_SREG_ADDRESS, expr::REG_1);
                });
            }
            Expr::Counter => self.expression("counter", |_| ()),
            Expr::Drop => self.verdict(expr::VERDICT_DROP),
            Expr::Accept => self.verdict(expr::VERDICT_ACCEPT),
            Expr::Masquerade => self.expression("masq", |_| ()),
            Expr::Dnat(to) => self.nat(expr::NAT_DESTINATION, to.ip(), Some(to.port())),
            Expr::DnatAddress(to) => self.nat(expr::NAT_DESTINATION, *to, None),
            Expr::SnatAddress(to) => self.nat(expr::NAT_SOURCE, *to, None),
            Expr::SetSource(to) => self.set_source(*to),
        }
    }

    /// One expression with its attributes.
    fn expression(&mut self, name: &str, fill: impl FnOnce(&mut Message)) {
        self.message.nest(LIST_ELEM, |m| {
            m.attr_text(expr::NAME, name).nest(expr::DATA, fill);
        });
    }

    /// Loads a property of the packet into register 1.
    fn meta(&mut self, key: u32) {
        self.expression("meta", |m| {
            m.attr_be32(expr::META_KEY, key)
                .attr_be32(expr::META_DREG, expr::REG_1);
        });
    }

    /// Loads part of a header into register 1.
    fn payload(&mut self, base: u32, offset: u32, length: u32) {
        self.expression("payload", |m| {
            m.attr_be32(expr::PAYLOAD_DREG, expr::REG_1)
                .attr_be32(expr::PAYLOAD_BASE, base)
                .attr_be32(expr::PAYLOAD_OFFSET, offset)
                .attr_be32(expr::PAYLOAD_LEN, length);
        });
    }

    /// Continues only if the next number, from 0 up to but not including `modulus`, is below `limit`.
    fn number(&mut self, kind: u32, modulus: u32, limit: u32) {
        self.expression("numgen", |m| {
            m.attr_be32(expr::NUMGEN_DREG, expr::REG_1)
                .attr_be32(expr::NUMGEN_MODULUS, modulus)
                .attr_be32(expr::NUMGEN_TYPE, kind);
        });
        self.in_network_order();
        self.compare(expr::CMP_LT, &limit.to_be_bytes());
    }

    /// The number of four bytes in register 1: registers are compared byte by byte.
    fn in_network_order(&mut self) {
        self.expression("byteorder", |m| {
            m.attr_be32(expr::BYTEORDER_SREG, expr::REG_1)
                .attr_be32(expr::BYTEORDER_DREG, expr::REG_1)
                .attr_be32(expr::BYTEORDER_OP, expr::BYTEORDER_HTON)
                .attr_be32(expr::BYTEORDER_LEN, 4)
                .attr_be32(expr::BYTEORDER_SIZE, 4);
        });
    }

    /// Continues only if the comparison with register 1 holds.
    fn compare(&mut self, operation: u32, value: &[u8]) {
        self.expression("cmp", |m| {
            m.attr_be32(expr::CMP_SREG, expr::REG_1)
                .attr_be32(expr::CMP_OP, operation);
            m.nest(expr::CMP_DATA, |m| {
                m.attr(data::VALUE, value);
            });
        });
    }

    /// Continues only for packets of that family: a rule in an `inet` table sees both, and would read the wrong bytes of
    /// the other family's header.
    fn require_family(&mut self, v6: bool) {
        let family = if v6 { nfproto::IPV6 } else { nfproto::IPV4 };
        if self.family != Some(family) {
            self.meta(expr::META_NFPROTO);
            self.compare(expr::CMP_EQ, &[family]);
            self.family = Some(family);
        }
    }

    fn load_address(&mut self, end: End, v6: bool) {
        self.require_family(v6);
        let (offset, length) = address_field(end, v6);
        self.payload(expr::PAYLOAD_NETWORK, offset, length);
    }

    fn prefix(&mut self, end: End, net: IpNet, operation: u32) {
        let v6 = net.addr().is_ipv6();
        self.load_address(end, v6);
        if net.prefix_len() < net.max_prefix_len() {
            let mask = octets(net.netmask());
            self.expression("bitwise", |m| {
                m.attr_be32(expr::BITWISE_SREG, expr::REG_1)
                    .attr_be32(expr::BITWISE_DREG, expr::REG_1)
                    .attr_be32(expr::BITWISE_LEN, mask.len() as u32)
                    .nest(expr::BITWISE_MASK, |m| {
                        m.attr(data::VALUE, &mask);
                    })
                    .nest(expr::BITWISE_XOR, |m| {
                        m.attr(data::VALUE, &vec![0; mask.len()]);
                    });
            });
        }
        self.compare(operation, &octets(net.network()));
    }

    fn in_set(&mut self, end: End, set: &str, v6: bool, negate: bool) {
        self.load_address(end, v6);
        self.lookup(set, None, negate);
    }

    /// Continues only if the value of register 1 is in the set, or is not.
    fn lookup(&mut self, set: &str, id: Option<u32>, negate: bool) {
        self.expression("lookup", |m| {
            m.attr_text(expr::LOOKUP_SET, set)
                .attr_be32(expr::LOOKUP_SREG, expr::REG_1);
            if let Some(id) = id {
                m.attr_be32(expr::LOOKUP_SET_ID, id);
            }
            if negate {
                m.attr_be32(expr::LOOKUP_FLAGS, expr::LOOKUP_INVERT);
            }
        });
    }

    fn interface(&mut self, key: u32, name: &str) {
        if name.len() >= INTERFACE_NAME {
            self.fault = Some("an interface name is longer than 15 bytes");
            return;
        }
        let mut padded = name.as_bytes().to_vec();
        padded.resize(INTERFACE_NAME, 0);
        self.meta(key);
        self.compare(expr::CMP_EQ, &padded);
    }

    fn port(&mut self, offset: u32, port: u16) {
        if let Some(id) = self.port_guard.take() {
            self.meta(expr::META_L4PROTO);
            self.lookup(ANONYMOUS_SET, Some(id), false);
        }
        self.payload(expr::PAYLOAD_TRANSPORT, offset, 2);
        self.compare(expr::CMP_EQ, &port.to_be_bytes());
    }

    fn verdict(&mut self, code: u32) {
        self.expression("immediate", |m| {
            m.attr_be32(expr::IMMEDIATE_DREG, expr::REG_VERDICT)
                .nest(expr::IMMEDIATE_DATA, |m| {
                    m.nest(data::VERDICT, |m| {
                        m.attr_be32(data::VERDICT_CODE, code);
                    });
                });
        });
    }

    fn immediate(&mut self, register: u32, value: &[u8]) {
        self.expression("immediate", |m| {
            m.attr_be32(expr::IMMEDIATE_DREG, register)
                .nest(expr::IMMEDIATE_DATA, |m| {
                    m.attr(data::VALUE, value);
                });
        });
    }

    fn nat(&mut self, kind: u32, to: IpAddr, port: Option<u16>) {
        self.require_family(to.is_ipv6());
        self.immediate(expr::REG_1, &octets(to));
        if let Some(port) = port {
            self.immediate(expr::REG_2, &port.to_be_bytes());
        }
        let family = if to.is_ipv6() {
            nfproto::IPV6
        } else {
            nfproto::IPV4
        };
        self.expression("nat", |m| {
            m.attr_be32(expr::NAT_TYPE, kind)
                .attr_be32(expr::NAT_FAMILY, u32::from(family))
                .attr_be32(expr::NAT_ADDRESS, expr::REG_1);
            if port.is_some() {
                m.attr_be32(expr::NAT_PORT, expr::REG_2);
            }
        });
    }

    fn set_source(&mut self, to: IpAddr) {
        self.require_family(to.is_ipv6());
        self.immediate(expr::REG_1, &octets(to));
        let (offset, length) = address_field(End::Source, to.is_ipv6());
        // Only the IPv4 header has a checksum, at byte 10 (RFC 791).
        let (checksum, at) = if to.is_ipv6() {
            (expr::CSUM_NONE, 0)
        } else {
            (expr::CSUM_INET, 10)
        };
        self.expression("payload", |m| {
            m.attr_be32(expr::PAYLOAD_SREG, expr::REG_1)
                .attr_be32(expr::PAYLOAD_BASE, expr::PAYLOAD_NETWORK)
                .attr_be32(expr::PAYLOAD_OFFSET, offset)
                .attr_be32(expr::PAYLOAD_LEN, length)
                .attr_be32(expr::PAYLOAD_CSUM_TYPE, checksum)
                .attr_be32(expr::PAYLOAD_CSUM_OFFSET, at)
                .attr_be32(expr::PAYLOAD_CSUM_FLAGS, expr::CSUM_L4_PSEUDO);
        });
    }
}

/// Offset and length of an address in the network header (RFC 791, RFC 8200).
fn address_field(end: End, v6: bool) -> (u32, u32) {
    match (end, v6) {
        (End::Source, false) => (12, 4),
        (End::Destination, false) => (16, 4),
        (End::Source, true) => (8, 16),
        (End::Destination, true) => (24, 16),
    }
}
