//! What nft calls the parts of a packet that a rule loads.
use super::value::Kind;
use crate::nft::uapi::expr;

/// What is loaded: its name, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bytes loaded; 0 where that is not told.
    pub(super) length: usize,
    /// The whole field's bytes, where only the first of them were loaded.
    pub(super) of: usize,
}

impl Field {
    pub(super) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Field {
            name: name.into(),
            kind,
            length: 0,
            of: 0,
        }
    }
}

/// `base`: NFT_PAYLOAD_*; `transport`: the layer 4 protocol, if the rule has asked for it.
pub(super) fn payload(base: u32, offset: u32, length: u32, transport: Option<u8>) -> Field {
    let (name, kind, of) = match base {
        expr::PAYLOAD_LINK => link(offset, length),
        expr::PAYLOAD_NETWORK => network(offset, length),
        expr::PAYLOAD_TRANSPORT => in_transport(offset, length, transport),
        _ => None,
    }
    .unwrap_or_else(|| {
        let base = match base {
            expr::PAYLOAD_LINK => "ll",
            expr::PAYLOAD_NETWORK => "nh",
            expr::PAYLOAD_TRANSPORT => "th",
            _ => "ih",
        };
        (
            format!("@{base},{},{}", offset * 8, length * 8),
            Kind::Bytes,
            length,
        )
    });
    Field {
        name,
        kind,
        length: length as usize,
        of: of as usize,
    }
}

type Named = Option<(String, Kind, u32)>;

fn named(name: &str, kind: Kind, of: u32) -> Named {
    Some((name.to_owned(), kind, of))
}

fn link(offset: u32, length: u32) -> Named {
    match (offset, length) {
        (0, 6) => named("ether daddr", Kind::Mac, 6),
        (6, 6) => named("ether saddr", Kind::Mac, 6),
        (12, 2) => named("ether type", Kind::EtherType, 2),
        _ => None,
    }
}

/// The offsets of IPv4 and IPv6 that rules read do not clash. iptables loads no more of an address than its prefix needs.
fn network(offset: u32, length: u32) -> Named {
    match (offset, length) {
        (12, 1..=4) => named("ip saddr", Kind::Ipv4, 4),
        (16, 1..=4) => named("ip daddr", Kind::Ipv4, 4),
        (8, 2..=16) => named("ip6 saddr", Kind::Ipv6, 16),
        (24, 1..=16) => named("ip6 daddr", Kind::Ipv6, 16),
        (9, 1) => named("ip protocol", Kind::L4Proto, 1),
        (8, 1) => named("ip ttl", Kind::Number, 1),
        (4, 2) => named("ip id", Kind::Number, 2),
        (2, 2) => named("ip length", Kind::Number, 2),
        (6, 2) => named("ip frag-off", Kind::Number, 2),
        (6, 1) => named("ip6 nexthdr", Kind::L4Proto, 1),
        (7, 1) => named("ip6 hoplimit", Kind::Number, 1),
        _ => None,
    }
}

fn in_transport(offset: u32, length: u32, protocol: Option<u8>) -> Named {
    let protocol = match protocol {
        Some(6) => "tcp",
        Some(17) => "udp",
        Some(1) => "icmp",
        Some(58) => "icmpv6",
        Some(132) => "sctp",
        _ => "th",
    };
    let (name, kind) = match (protocol, offset, length) {
        ("icmp" | "icmpv6", 0, 1) => ("type", Kind::Number),
        ("icmp" | "icmpv6", 1, 1) => ("code", Kind::Number),
        ("tcp", 13, 1) => ("flags", Kind::TcpFlags),
        ("icmp" | "icmpv6", ..) => return None,
        (_, 0, 2) => ("sport", Kind::Number),
        (_, 2, 2) => ("dport", Kind::Number),
        _ => return None,
    };
    Some((format!("{protocol} {name}"), kind, length))
}

/// enum nft_meta_keys.
pub(super) fn meta(key: u32) -> Field {
    let (name, kind) = match key {
        0 => ("length", Kind::Native),
        1 => ("protocol", Kind::EtherType),
        2 => ("priority", Kind::Native),
        3 => ("mark", Kind::Mark),
        4 => ("iif", Kind::Native),
        5 => ("oif", Kind::Native),
        6 => ("iifname", Kind::Interface),
        7 => ("oifname", Kind::Interface),
        8 => ("iiftype", Kind::Native),
        9 => ("oiftype", Kind::Native),
        10 => ("skuid", Kind::Native),
        11 => ("skgid", Kind::Native),
        12 => ("nftrace", Kind::Native),
        15 => ("nfproto", Kind::NfProto),
        16 => ("l4proto", Kind::L4Proto),
        17 => ("ibrname", Kind::Interface),
        18 => ("obrname", Kind::Interface),
        19 => ("pkttype", Kind::PacketType),
        20 => ("cpu", Kind::Native),
        21 => ("iifgroup", Kind::Native),
        22 => ("oifgroup", Kind::Native),
        23 => ("cgroup", Kind::Native),
        24 => ("random", Kind::Native),
        25 => ("secpath", Kind::Native),
        26 => ("iifkind", Kind::Text),
        27 => ("oifkind", Kind::Text),
        33 => ("sdif", Kind::Native),
        34 => ("sdifname", Kind::Interface),
        _ => return Field::new(format!("meta {key}"), Kind::Bytes),
    };
    // nft leaves the word out where the key says enough.
    let name = match key {
        4..=7 => name.to_owned(),
        _ => format!("meta {name}"),
    };
    Field::new(name, kind)
}

/// enum nft_ct_keys.
pub(super) fn conntrack(key: u32, direction: Option<u8>) -> Field {
    let (name, kind) = match key {
        0 => ("state", Kind::CtState),
        1 => ("direction", Kind::Native),
        2 => ("status", Kind::CtStatus),
        3 => ("mark", Kind::Mark),
        5 => ("expiration", Kind::Native),
        6 => ("helper", Kind::Text),
        7 => ("l3proto", Kind::NfProto),
        10 => ("protocol", Kind::L4Proto),
        11 => ("proto-src", Kind::Number),
        12 => ("proto-dst", Kind::Number),
        14 => ("packets", Kind::Native),
        15 => ("bytes", Kind::Native),
        17 => ("zone", Kind::Native),
        19 => ("ip saddr", Kind::Ipv4),
        20 => ("ip daddr", Kind::Ipv4),
        21 => ("ip6 saddr", Kind::Ipv6),
        22 => ("ip6 daddr", Kind::Ipv6),
        _ => return Field::new(format!("ct {key}"), Kind::Bytes),
    };
    Field::new(
        match direction {
            Some(0) => format!("ct original {name}"),
            Some(_) => format!("ct reply {name}"),
            None => format!("ct {name}"),
        },
        kind,
    )
}

/// The kernel's routing table asked about the packet; `flags` as NFTA_FIB_F_*, `result` as enum nft_fib_result.
pub(super) fn fib(result: u32, flags: u32) -> Field {
    let keys = [
        (1, "saddr"),
        (2, "daddr"),
        (4, "mark"),
        (8, "iif"),
        (16, "oif"),
    ];
    let keys: Vec<&str> = keys
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let (result, kind) = match result {
        1 => ("oif", Kind::Native),
        2 => ("oifname", Kind::Interface),
        _ => ("type", Kind::AddressType),
    };
    Field::new(format!("fib {} {result}", keys.join(" . ")), kind)
}
