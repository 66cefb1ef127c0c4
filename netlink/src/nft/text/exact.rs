//! What the readable words of an expression leave out, for rules that are compared: as a digest where it has no words here.
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::statement::number;
use crate::nft::uapi::expr;
use crate::wire::{Attributes, find, ip, text};

/// NFTA_NAT_FLAGS, NFTA_MASQ_FLAGS, NFTA_REDIR_FLAGS: random, fully-random, persistent.
const NAT_FLAGS: u16 = 7;
const MASQUERADE_FLAGS: u16 = 1;
const REDIRECT_FLAGS: u16 = 3;
/// NF_NAT_RANGE_MAP_IPS and NF_NAT_RANGE_PROTO_SPECIFIED (nf_nat.h): the words say both.
const SAID_FLAGS: u32 = 3;
/// Default burst of nft's limits, packets.
const BURST: u64 = 5;

/// More words, of an expression that has more to say. Nothing of it may change as packets pass.
pub(super) fn unsaid(name: &str, attributes: &[u8]) -> Option<String> {
    let flags = |kind| {
        let flags = number(attributes, kind).filter(|flags| *flags != 0)?;
        Some(format!("flags {flags}"))
    };
    match name {
        "meta" | "ct" | "payload" | "fib" | "numgen" | "byteorder" | "immediate" | "cmp"
        | "range" | "lookup" | "counter" | "notrack" | "last" | "quota" | "reject" => None,
        "bitwise" => {
            let kept = |kind: u16| kind <= expr::BITWISE_MASK;
            let zero = |value: &[u8]| value.iter().all(|byte| *byte == 0);
            // Flipped bits and shifts; a plain mask is said.
            let mut more = Attributes(attributes).filter(|(kind, _)| !kept(*kind));
            more.any(|(_, value)| !zero(value.get(4..).unwrap_or(value)))
                .then(|| format!("(bitwise {})", digest(attributes)))
        }
        "nat" => flags(NAT_FLAGS),
        "masq" => flags(MASQUERADE_FLAGS),
        "redir" => flags(REDIRECT_FLAGS),
        "limit" => {
            let burst = number(attributes, 3).filter(|burst| *burst != BURST)?;
            Some(format!("burst {burst}"))
        }
        "match" | "target" => of_iptables(attributes),
        // Log, queue, and what has no words but its name.
        _ => Some(digest(attributes)),
    }
}

/// A match or target of iptables. Comments are said; a set is known by a number that the kernel hands out.
fn of_iptables(attributes: &[u8]) -> Option<String> {
    let name = find(attributes, 1).map(text).unwrap_or_default();
    let info = find(attributes, 3).unwrap_or_default();
    match name.as_str() {
        "comment" | "set" | "SET" => None,
        "DNAT" | "SNAT" => Some(translation(info).unwrap_or_else(|| digest(info))),
        _ => Some(digest(info)),
    }
}

/// struct nf_nat_range2, or struct nf_nat_ipv4_multi_range_compat of one range, which is shorter: flags, addresses, ports.
fn translation(info: &[u8]) -> Option<String> {
    const COMPAT: usize = 24;
    let is_compat = info.len() <= COMPAT;
    let (at, length) = match is_compat {
        true => (4, 4),
        false => (0, 16),
    };
    let flags = u32::from_ne_bytes(*info.get(at..)?.first_chunk()?);
    let address = |index: usize| {
        let bytes = info.get(at + 4 + index * length..)?.get(..length)?;
        let rest_is_zero = bytes.get(4..)?.iter().all(|byte| *byte == 0);
        match rest_is_zero {
            true => Some(IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))),
            false => ip(bytes),
        }
    };
    let port = |index: usize| {
        let bytes = info.get(at + 4 + 2 * length + index * 2..)?;
        Some(u16::from_be_bytes(*bytes.first_chunk()?))
    };
    let (from, to) = (address(0)?, address(1)?);
    let (first, last) = (port(0)?, port(1)?);
    let mut words = match (first, from == to) {
        (0, true) => format!("to {from}"),
        (port, true) => format!("to {}", SocketAddr::new(from, port)),
        (0, false) => format!("to {from}-{to}"),
        (port, false) => format!("to {from}-{to} : {port}"),
    };
    if last != first {
        write!(words, " - {last}").ok()?;
    }
    if flags & !SAID_FLAGS != 0 {
        write!(words, " flags {}", flags & !SAID_FLAGS).ok()?;
    }
    Some(words)
}

/// FNV-1a, of 64 bits.
fn digest(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("#{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translations_of_iptables_are_told_by_their_addresses() {
        let mut compat = vec![1, 0, 0, 0, 3, 0, 0, 0, 10, 1, 0, 7, 10, 1, 0, 7];
        compat.extend([0, 80, 0, 80]);
        assert_eq!(translation(&compat).as_deref(), Some("to 10.1.0.7:80"));
        let mut range = 1_u32.to_ne_bytes().to_vec();
        for _ in 0..2 {
            range.extend("fd00::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
        }
        range.extend([0; 8]);
        assert_eq!(translation(&range).as_deref(), Some("to fd00::7"));
        assert_eq!(translation(&range[..30]), None);
    }

    #[test]
    fn digests_tell_apart_what_has_no_words() {
        assert_ne!(digest(b"a"), digest(b"b"));
        assert_eq!(digest(b""), "#cbf29ce484222325");
    }
}
