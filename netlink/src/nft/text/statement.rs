//! Expressions that do something, in nft's words.
use flatnet_model::kernel::AddressField;

use super::registers::Registers;
use crate::nft::uapi::{data, expr, verdict};
use crate::wire::{find, text};

/// A number of any length, in network byte order.
pub(super) fn number(attributes: &[u8], kind: u16) -> Option<u64> {
    let value = find(attributes, kind)?;
    let mut bytes = [0; 8];
    let start = bytes.len().checked_sub(value.len())?;
    bytes[start..].copy_from_slice(value);
    Some(u64::from_be_bytes(bytes))
}

/// `drop`, `jump KUBE-FORWARD`: of an attribute NFTA_DATA_VERDICT.
pub(in crate::nft) fn decision(nested: &[u8]) -> Option<String> {
    let code = number(nested, data::VERDICT_CODE)? as u32 as i32;
    let chain = || {
        find(nested, data::VERDICT_CHAIN)
            .map(text)
            .unwrap_or_default()
    };
    Some(match code {
        verdict::DROP => "drop".to_owned(),
        verdict::ACCEPT => "accept".to_owned(),
        verdict::CONTINUE => "continue".to_owned(),
        verdict::BREAK => "break".to_owned(),
        verdict::JUMP => format!("jump {}", chain()),
        verdict::GOTO => format!("goto {}", chain()),
        verdict::RETURN => "return".to_owned(),
        other => format!("verdict {other}"),
    })
}

pub(super) fn limit(attributes: &[u8]) -> Option<String> {
    const OVER: u64 = 1;
    let rate = number(attributes, 1)?;
    let unit = match number(attributes, 2)? {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        _ => "week",
    };
    let over = match number(attributes, 5).unwrap_or(0) & OVER {
        0 => "",
        _ => "over ",
    };
    let bytes = match number(attributes, 4).unwrap_or(0) {
        0 => "",
        _ => " bytes",
    };
    Some(format!("limit rate {over}{rate}{bytes}/{unit}"))
}

pub(super) fn quota(attributes: &[u8]) -> Option<String> {
    let over = match number(attributes, 2).unwrap_or(0) & 1 {
        0 => "",
        _ => "over ",
    };
    Some(format!("quota {over}{} bytes", number(attributes, 1)?))
}

pub(super) fn log(attributes: &[u8]) -> String {
    match find(attributes, 2) {
        Some(prefix) => format!("log prefix \"{}\"", text(prefix)),
        None => "log".to_owned(),
    }
}

pub(super) fn queue(attributes: &[u8]) -> String {
    match number(attributes, 1) {
        Some(to) => format!("queue to {to}"),
        None => "queue".to_owned(),
    }
}

/// Codes of RFC 792 and 4443, and nft's own of both (enum nft_reject_inet_code).
pub(super) fn reject(attributes: &[u8], v6: bool) -> String {
    const TCP_RESET: u64 = 1;
    const EITHER: u64 = 2;
    let code = number(attributes, 2).unwrap_or(0);
    let (family, name) = match number(attributes, 1).unwrap_or(0) {
        TCP_RESET => return "reject with tcp reset".to_owned(),
        EITHER => (
            "icmpx",
            [
                "no-route",
                "port-unreachable",
                "host-unreachable",
                "admin-prohibited",
            ]
            .get(code as usize)
            .copied(),
        ),
        _ if v6 => (
            "icmpv6",
            match code {
                0 => Some("no-route"),
                1 => Some("admin-prohibited"),
                3 => Some("addr-unreachable"),
                4 => Some("port-unreachable"),
                _ => None,
            },
        ),
        _ => (
            "icmp",
            match code {
                0 => Some("net-unreachable"),
                1 => Some("host-unreachable"),
                2 => Some("prot-unreachable"),
                3 => Some("port-unreachable"),
                9 => Some("net-prohibited"),
                10 => Some("host-prohibited"),
                13 => Some("admin-prohibited"),
                _ => None,
            },
        ),
    };
    match name {
        Some(name) => format!("reject with {family} {name}"),
        None => format!("reject with {family} {code}"),
    }
}

/// `dnat to 10.244.1.7:53`; of addresses that a map gives only what is known of it.
pub(super) fn nat(attributes: &[u8], registers: &Registers) -> String {
    let name = match number(attributes, expr::NAT_TYPE) {
        Some(0) => "snat",
        _ => "dnat",
    };
    to(
        name,
        attributes,
        expr::NAT_ADDRESS,
        expr::NAT_PORT,
        registers,
    )
}

/// `masquerade`, `redirect to :8080`: attributes without an address.
pub(super) fn to_port(name: &str, attributes: &[u8], port: u16, registers: &Registers) -> String {
    to(name, attributes, u16::MAX, port, registers)
}

fn to(name: &str, attributes: &[u8], address: u16, port: u16, registers: &Registers) -> String {
    let of = |kind, as_port| {
        let register = number(attributes, kind)? as u32;
        registers.given(register, as_port)
    };
    let address = of(address, false).unwrap_or_default();
    match of(port, true) {
        Some(port) if address.contains(':') => format!("{name} to [{address}]:{port}"),
        Some(port) => format!("{name} to {address}:{port}"),
        None if address.is_empty() => name.to_owned(),
        None => format!("{name} to {address}"),
    }
}

/// The addresses that an expression changes: nft's statements of nat and of addresses that are set, and the targets of iptables.
/// NETMAP and a set of both families change either, by the hook they are in.
pub(super) fn rewrites(name: &str, attributes: &[u8]) -> &'static [AddressField] {
    use AddressField::{Destination, Source};
    let target = || find(attributes, 1).map(text);
    match name {
        "masq" => &[Source],
        "redir" => &[Destination],
        "nat" if number(attributes, expr::NAT_TYPE) == Some(0) => &[Source],
        "nat" => &[Destination],
        "target" => match target().as_deref() {
            Some("MASQUERADE" | "SNAT" | "SNPT") => &[Source],
            Some("DNAT" | "REDIRECT" | "DNPT") => &[Destination],
            Some("NETMAP") => &[Source, Destination],
            _ => &[],
        },
        "payload" if number(attributes, expr::PAYLOAD_SREG).is_some() => {
            let at = |kind| number(attributes, kind).map(|number| number as u32);
            let field = (
                at(expr::PAYLOAD_BASE),
                at(expr::PAYLOAD_OFFSET),
                at(expr::PAYLOAD_LEN),
            );
            match field {
                (Some(expr::PAYLOAD_NETWORK), Some(offset), Some(length)) => {
                    set_addresses(offset, length)
                }
                _ => &[],
            }
        }
        _ => &[],
    }
}

/// Those that are written whole by bytes of the network header (RFC 791 section 3.1, RFC 8200 section 3), as nft writes addresses.
fn set_addresses(offset: u32, length: u32) -> &'static [AddressField] {
    use AddressField::{Destination, Source};
    match (offset, length) {
        (12, 8) | (8, 32) => &[Source, Destination],
        (12, 4) | (8, 16) => &[Source],
        (16, 4) | (24, 16) => &[Destination],
        _ => &[],
    }
}

/// A match or target of iptables, by its name; what is in it only where it is a text, or REJECT's answer (struct ipt_reject_info).
pub(super) fn of_iptables(what: &str, attributes: &[u8], v6: bool) -> String {
    let name = find(attributes, 1).map(text).unwrap_or_default();
    let info = find(attributes, 3).unwrap_or_default();
    match (what, name.as_str()) {
        ("match", "comment") => format!("comment \"{}\"", text(info)),
        ("target", "REJECT") => {
            // enum ipt_reject_with, enum ip6t_reject_with; empty where it is none of them.
            let names: &[&str] = if v6 {
                &[
                    "icmp6-no-route",
                    "icmp6-adm-prohibited",
                    "",
                    "icmp6-addr-unreachable",
                    "icmp6-port-unreachable",
                    "",
                    "tcp-reset",
                    "icmp6-policy-fail",
                    "icmp6-reject-route",
                ]
            } else {
                &[
                    "icmp-net-unreachable",
                    "icmp-host-unreachable",
                    "icmp-proto-unreachable",
                    "icmp-port-unreachable",
                    "",
                    "icmp-net-prohibited",
                    "icmp-host-prohibited",
                    "tcp-reset",
                    "icmp-admin-prohibited",
                ]
            };
            let with = info.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
            match with.and_then(|with| names.get(with as usize)) {
                Some(with) if !with.is_empty() => format!("xt target \"REJECT\" with {with}"),
                _ => "xt target \"REJECT\"".to_owned(),
            }
        }
        _ => format!("xt {what} \"{name}\""),
    }
}
