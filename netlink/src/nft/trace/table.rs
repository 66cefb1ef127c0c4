//! The table that has packets of probes traced.
use crate::nft::model::{Chain, ChainType, Expr, Hook, Table};

/// Before conntrack's defragmentation (-400) and what is meant to run before that (-450).
const FIRST: i32 = -500;

const ICMP: u8 = 1;
const IPV4: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const ICMPV6: u8 = 58;

/// UDP and ICMP echo have eight bytes before what they carry.
const HEADER: u8 = 8;
/// VXLAN's flags in the datagram (RFC 7348).
const VXLAN_FLAGS: (u8, [u8; 4]) = (HEADER, [8, 0, 0, 0]);
/// Unreachable, redirect, time exceeded, parameter problem (RFC 792).
const ICMP_ERRORS: [u8; 4] = [3, 5, 11, 12];
/// Unreachable, too big, time exceeded, parameter problem (RFC 4443).
const ICMPV6_ERRORS: [u8; 4] = [1, 2, 3, 4];

/// Where an inner packet lies in an outer one: offsets from the outer transport's header.
struct Inner {
    /// The inner IP header's protocol or next header.
    protocol: u8,
    /// The inner transport's header, after an IP header without options or extensions.
    transport: u8,
}

/// Inner IPv4 and IPv6 behind an Ethernet header in VXLAN.
const IN_VXLAN: [Inner; 2] = [
    Inner {
        protocol: 8 + 8 + 14 + 9,
        transport: 8 + 8 + 14 + 20,
    },
    Inner {
        protocol: 8 + 8 + 14 + 6,
        transport: 8 + 8 + 14 + 40,
    },
];
const IPV4_IN_IP: Inner = Inner {
    protocol: 9,
    transport: 20,
};
const IPV6_IN_IP: Inner = Inner {
    protocol: 6,
    transport: 40,
};

/// A table whose chains trace, first of all, TCP and UDP from and to `ports`, UDP and ICMP echo whose payload begins with `magic`,
/// either in VXLAN or IP in IP, and ICMP errors.
pub(super) fn trace_table(name: &str, ports: &[u16], magic: [u8; 4]) -> Table {
    let rules = traced(ports, magic);
    let chain = |name: &str, hook| Chain {
        name: name.to_owned(),
        kind: ChainType::Filter,
        hook,
        priority: FIRST,
        rules: rules.clone(),
    };
    Table {
        name: name.to_owned(),
        sets: Vec::new(),
        chains: vec![
            chain("prerouting", Hook::Prerouting),
            chain("output", Hook::Output),
        ],
    }
}

/// The rules of its chains.
pub(super) fn traced(ports: &[u16], magic: [u8; 4]) -> Vec<Vec<Expr>> {
    let mut rules = Vec::new();
    for port in ports {
        for protocol in [TCP, UDP] {
            rules.push(vec![Expr::Protocol(protocol), Expr::SourcePort(*port)]);
            rules.push(vec![Expr::Protocol(protocol), Expr::DestinationPort(*port)]);
        }
    }
    for protocol in [UDP, ICMP, ICMPV6] {
        rules.push(vec![Expr::Protocol(protocol), bytes(HEADER, &magic)]);
    }
    for (protocol, kinds) in [(ICMP, ICMP_ERRORS), (ICMPV6, ICMPV6_ERRORS)] {
        for kind in kinds {
            rules.push(vec![Expr::Protocol(protocol), bytes(0, &[kind])]);
        }
    }
    let (at, flags) = VXLAN_FLAGS;
    for inner in IN_VXLAN {
        let begin = [Expr::Protocol(UDP), bytes(at, &flags)];
        rules.extend(tunnelled(&begin, &inner, ports, magic));
    }
    for (protocol, inner) in [(IPV4, IPV4_IN_IP), (IPV6, IPV6_IN_IP)] {
        rules.extend(tunnelled(&[Expr::Protocol(protocol)], &inner, ports, magic));
    }
    for rule in &mut rules {
        rule.push(Expr::Trace);
    }
    rules
}

fn tunnelled(begin: &[Expr], inner: &Inner, ports: &[u16], magic: [u8; 4]) -> Vec<Vec<Expr>> {
    let rule = |rest: Vec<Expr>| begin.iter().cloned().chain(rest).collect();
    let mut rules = vec![rule(vec![bytes(inner.transport + HEADER, &magic)])];
    for port in ports {
        for offset in [0, 2] {
            rules.push(rule(vec![
                bytes(inner.protocol, &[TCP]),
                bytes(inner.transport + offset, &port.to_be_bytes()),
            ]));
        }
    }
    rules
}

fn bytes(offset: u8, value: &[u8]) -> Expr {
    Expr::TransportBytes {
        offset,
        value: value.to_vec(),
    }
}
