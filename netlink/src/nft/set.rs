//! Elements of sets and maps, and their words.
use super::text::statement::decision;
use super::text::value::Kind;
use super::uapi::{data, elem, msg, set};
use crate::Result;
use crate::socket::Connection;
use crate::wire::{Attributes, Message, find, u32_at};

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;
/// Parts of a concatenation begin at a multiple of this (NFT_REG32_SIZE).
const PART: usize = 4;

/// An element as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    pub(super) key: Vec<u8>,
    /// It is where an interval is over: its key is the first that is not in it.
    pub(super) ends: bool,
    /// The last key, where the element itself is an interval.
    last: Option<Vec<u8>>,
    /// What a map leads to: bytes, or a verdict in words.
    leads_to: Option<std::result::Result<Vec<u8>, String>>,
}

/// What the elements of a set are: NFTA_SET_KEY_TYPE and NFTA_SET_DATA_TYPE, as nft writes them, and whether they are intervals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Types {
    pub(super) key: u32,
    pub(super) data: u32,
    pub(super) intervals: bool,
}

/// Elements of a set; none where there is no such set.
pub(super) fn elements(
    connection: &mut Connection,
    family: u8,
    table: &str,
    name: &str,
) -> Result<Vec<Element>> {
    let mut message = Message::dump(msg::GETSETELEM, &[family, 0, 0, 0]);
    message
        .attr_text(elem::LIST_TABLE, table)
        .attr_text(elem::LIST_SET, name);
    let what = format!("list set {name} in nftables table {table}");
    connection.dump(message, &what, |payload, elements| {
        let list = find(payload.get(HEADER..)?, elem::LIST_ELEMENTS).unwrap_or_default();
        for (_, element) in Attributes(list) {
            let flags = find(element, elem::FLAGS).and_then(|flags| u32_at(flags, 0));
            let value = |kind| find(element, kind).and_then(|nested| find(nested, data::VALUE));
            let verdict = find(element, elem::DATA)
                .and_then(|nested| find(nested, data::VERDICT))
                .and_then(decision);
            elements.push(Element {
                key: value(elem::KEY).unwrap_or_default().to_vec(),
                ends: flags.unwrap_or(0).to_be() & elem::INTERVAL_END != 0,
                last: value(elem::KEY_END).map(<[u8]>::to_vec),
                leads_to: match verdict {
                    Some(words) => Some(Err(words)),
                    None => value(elem::DATA).map(|bytes| Ok(bytes.to_vec())),
                },
            });
        }
        Some(())
    })
}

/// All elements as nft writes them, sorted.
pub(super) fn words(mut elements: Vec<Element>, types: Types) -> Vec<String> {
    // Where one interval is over the next may begin.
    elements.sort_by(|a, b| (&a.key, !a.ends).cmp(&(&b.key, !b.ends)));
    let mut words = Vec::new();
    for (at, element) in elements.iter().enumerate().filter(|(_, one)| !one.ends) {
        let over = elements.get(at + 1).filter(|next| next.ends);
        let key = match (&element.last, types.intervals) {
            (Some(last), _) => between(&element.key, last, types.key),
            (None, true) => {
                let last = match over {
                    Some(over) => before(&over.key),
                    None => vec![0xff; element.key.len()],
                };
                between(&element.key, &last, types.key)
            }
            (None, false) => written(&element.key, types.key),
        };
        words.push(match &element.leads_to {
            None => key,
            Some(Ok(bytes)) => format!("{key} : {}", written(bytes, types.data)),
            Some(Err(verdict)) => format!("{key} : {verdict}"),
        });
    }
    words
}

/// One key, or all from the first to the last: a prefix where they are one.
fn between(first: &[u8], last: &[u8], kind: u32) -> String {
    if first == last {
        return written(first, kind);
    }
    let differing: Vec<u8> = first.iter().zip(last).map(|(a, b)| a ^ b).collect();
    let same: u32 = match differing.iter().position(|byte| *byte != 0) {
        Some(at) => at as u32 * 8 + differing[at].leading_zeros(),
        None => 0,
    };
    let rest_is = |bytes: &[u8], bit: bool| {
        let mut bits = (same..bytes.len() as u32 * 8).map(|n| (n / 8, 7 - n % 8));
        bits.all(|(byte, shift)| (bytes[byte as usize] >> shift & 1 == 1) == bit)
    };
    let is_address = matches!(kind, set::TYPE_IPV4 | set::TYPE_IPV6);
    match is_address && rest_is(first, false) && rest_is(last, true) {
        true => format!("{}/{same}", written(first, kind)),
        false => format!("{}-{}", written(first, kind), written(last, kind)),
    }
}

/// The key before this one.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        *byte = byte.wrapping_sub(1);
        if *byte != 0xff {
            break;
        }
    }
    key
}

/// A value of a type, or of several that are concatenated.
fn written(value: &[u8], kind: u32) -> String {
    let mask = (1 << set::TYPE_BITS) - 1;
    let mut kinds = Vec::new();
    let mut rest = kind;
    while rest > 0 {
        kinds.insert(0, rest & mask);
        rest >>= set::TYPE_BITS;
    }
    if kinds.len() < 2 {
        return of_kind(kind).0.write(value);
    }
    let mut parts = Vec::new();
    let mut at = 0;
    for kind in kinds {
        let (kind, length) = of_kind(kind);
        let length = length.unwrap_or(value.len().saturating_sub(at));
        let Some(part) = value.get(at..at + length) else {
            return Kind::Bytes.write(value);
        };
        parts.push(kind.write(part));
        at += length.next_multiple_of(PART);
    }
    parts.join(" . ")
}

/// How a type is written, and its length in bytes where that is known.
fn of_kind(kind: u32) -> (Kind, Option<usize>) {
    match kind {
        set::TYPE_IPV4 => (Kind::Ipv4, Some(4)),
        set::TYPE_IPV6 => (Kind::Ipv6, Some(16)),
        set::TYPE_MAC => (Kind::Mac, Some(6)),
        set::TYPE_PROTOCOL => (Kind::L4Proto, Some(1)),
        set::TYPE_PORT => (Kind::Number, Some(2)),
        set::TYPE_MARK => (Kind::Mark, Some(4)),
        set::TYPE_INTERFACE => (Kind::Interface, Some(16)),
        _ => (Kind::Bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(key: [u8; 4], ends: bool) -> Element {
        Element {
            key: key.to_vec(),
            ends,
            last: None,
            leads_to: None,
        }
    }

    #[test]
    fn intervals_are_prefixes_ranges_or_single_addresses() {
        let types = Types {
            key: set::TYPE_IPV4,
            data: 0,
            intervals: true,
        };
        let elements = vec![
            element([10, 2, 0, 0], true),
            element([10, 0, 0, 0], false),
            element([10, 3, 0, 1], false),
            element([10, 3, 0, 2], true),
            element([10, 3, 0, 2], false),
            element([10, 3, 0, 5], true),
            element([255, 0, 0, 0], false),
            element([0, 0, 0, 0], true),
        ];
        assert_eq!(
            words(elements, types),
            [
                "10.0.0.0/15",
                "10.3.0.1",
                "10.3.0.2-10.3.0.4",
                "255.0.0.0/8"
            ]
        );
    }

    #[test]
    fn concatenations_are_told_part_by_part() {
        let kind = set::TYPE_IPV4 << set::TYPE_BITS | set::TYPE_PORT;
        assert_eq!(written(&[10, 0, 0, 1, 0, 80, 0, 0], kind), "10.0.0.1 . 80");
        assert_eq!(written(&[10, 0], kind), "0x0a00");
    }
}
