//! How nft writes values.
use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_model::kernel::MacAddr;

use crate::wire::text;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nft) enum Kind {
    Ipv4,
    Ipv6,
    Mac,
    /// A number in network byte order.
    Number,
    /// A number in the machine's byte order.
    Native,
    /// Likewise, written in hexadecimal.
    Mark,
    Interface,
    Text,
    NfProto,
    L4Proto,
    EtherType,
    CtState,
    CtStatus,
    TcpFlags,
    PacketType,
    AddressType,
    Bytes,
}

const CT_STATE: [(u32, &str); 5] = [
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
];
const CT_STATUS: [(u32, &str); 6] = [
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
];
const TCP_FLAGS: [(u32, &str); 8] = [
    (1, "fin"),
    (2, "syn"),
    (4, "rst"),
    (8, "psh"),
    (16, "ack"),
    (32, "urg"),
    (64, "ecn"),
    (128, "cwr"),
];
const L4_PROTOCOLS: [(u32, &str); 12] = [
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (132, "sctp"),
    (136, "udplite"),
];
const NF_PROTOCOLS: [(u32, &str); 2] = [(2, "ipv4"), (10, "ipv6")];
const ETHER_TYPES: [(u32, &str); 4] = [
    (0x0800, "ip"),
    (0x0806, "arp"),
    (0x8100, "vlan"),
    (0x86dd, "ip6"),
];
const PACKET_TYPES: [(u32, &str); 4] = [
    (0, "host"),
    (1, "broadcast"),
    (2, "multicast"),
    (3, "other"),
];
const ADDRESS_TYPES: [(u32, &str); 9] = [
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];

impl Kind {
    /// The value as nft writes it. One of another length than it should have is written as bytes.
    pub(in crate::nft) fn write(self, value: &[u8]) -> String {
        let written = match self {
            Kind::Ipv4 => value
                .try_into()
                .ok()
                .map(|v: [u8; 4]| Ipv4Addr::from(v).to_string()),
            Kind::Ipv6 => value
                .try_into()
                .ok()
                .map(|v: [u8; 16]| Ipv6Addr::from(v).to_string()),
            Kind::Mac => value.try_into().ok().map(|v| MacAddr(v).to_string()),
            Kind::Number => big(value).map(|number| number.to_string()),
            Kind::Native => native(value).map(|number| number.to_string()),
            Kind::Mark => native(value).map(|number| format!("0x{number:08x}")),
            Kind::Interface => Some(interface(value)),
            Kind::Text => Some(format!("\"{}\"", text(value))),
            Kind::NfProto => named(&NF_PROTOCOLS, big(value)),
            Kind::L4Proto => named(&L4_PROTOCOLS, big(value)),
            Kind::EtherType => named(&ETHER_TYPES, big(value)),
            Kind::PacketType => named(&PACKET_TYPES, big(value)),
            Kind::AddressType => named(&ADDRESS_TYPES, native(value)),
            Kind::CtState | Kind::CtStatus | Kind::TcpFlags => self.flags(value),
            Kind::Bytes => None,
        };
        written.unwrap_or_else(|| hexadecimal(value))
    }

    /// The flags that are set, where it is a set of flags.
    pub(super) fn flags(self, value: &[u8]) -> Option<String> {
        let (names, bits): (&[(u32, &str)], _) = match self {
            Kind::CtState => (&CT_STATE, native(value)?),
            Kind::CtStatus => (&CT_STATUS, native(value)?),
            Kind::TcpFlags => (&TCP_FLAGS, big(value)?),
            _ => return None,
        };
        let set = names.iter().filter(|(bit, _)| bits & u64::from(*bit) != 0);
        let set: Vec<&str> = set.map(|(_, name)| *name).collect();
        Some(if set.is_empty() {
            format!("0x{bits:x}")
        } else {
            set.join(",")
        })
    }

    /// The value where only the bits of `mask` count: a prefix of an address, or a number with its mask.
    pub(super) fn write_masked(self, value: &[u8], mask: &[u8]) -> Option<String> {
        match self {
            Kind::Ipv4 | Kind::Ipv6 => Some(format!("{}/{}", self.write(value), prefix(mask)?)),
            _ => None,
        }
    }
}

/// Length of the prefix that a mask is.
fn prefix(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let all: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let first_gap = mask
        .iter()
        .position(|byte| *byte != 0xff)
        .unwrap_or(mask.len());
    let rest = mask.get(first_gap + 1..).unwrap_or_default();
    (ones == all && rest.iter().all(|byte| *byte == 0)).then_some(all)
}

/// A name; one that is not ended is the start of many.
fn interface(value: &[u8]) -> String {
    if value.contains(&0) {
        format!("\"{}\"", text(value))
    } else {
        format!("\"{}*\"", text(value))
    }
}

fn named(names: &[(u32, &str)], number: Option<u64>) -> Option<String> {
    let number = number?;
    let name = names.iter().find(|(of, _)| u64::from(*of) == number);
    Some(name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned()))
}

fn big(value: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    let start = bytes.len().checked_sub(value.len())?;
    bytes[start..].copy_from_slice(value);
    Some(u64::from_be_bytes(bytes))
}

fn native(value: &[u8]) -> Option<u64> {
    match value.len() {
        1 => value.first().map(|byte| u64::from(*byte)),
        2 => Some(u64::from(u16::from_ne_bytes(value.try_into().ok()?))),
        4 => Some(u64::from(u32::from_ne_bytes(value.try_into().ok()?))),
        8 => Some(u64::from_ne_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

pub(super) fn hexadecimal(value: &[u8]) -> String {
    let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_prefixes_or_not() {
        assert_eq!(prefix(&[255, 255, 255, 0]), Some(24));
        assert_eq!(prefix(&[255, 240, 0, 0]), Some(12));
        assert_eq!(prefix(&[0, 0, 0, 0]), Some(0));
        assert_eq!(prefix(&[255; 16]), Some(128));
        for gaps in [
            [255, 0, 255, 0],
            [0, 255, 0, 0],
            [0x55, 0, 0, 0],
            [255, 1, 0, 0],
        ] {
            assert_eq!(prefix(&gaps), None, "{gaps:?}");
        }
    }

    #[test]
    fn values_of_a_wrong_length_are_bytes() {
        assert_eq!(Kind::Ipv4.write(&[10, 0, 0]), "0x0a0000");
        assert_eq!(Kind::Ipv4.write(&[10, 0, 0, 1]), "10.0.0.1");
        assert_eq!(Kind::Number.write(&[0; 9]), "0x000000000000000000");
        assert_eq!(Kind::Interface.write(b"eth0\0\0"), "\"eth0\"");
        assert_eq!(Kind::Interface.write(b"cali"), "\"cali*\"");
        assert_eq!(
            Kind::CtState.write(&6_u32.to_ne_bytes()),
            "established,related"
        );
        assert_eq!(Kind::L4Proto.write(&[200]), "200");
    }
}
