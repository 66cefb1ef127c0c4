//! Ethernet addresses.
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 48-bit Ethernet address; text form `0a:58:0a:f4:01:02`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The locally administered address that flatnet derives from an IP address: `0a:58` and the four bytes of an
    /// IPv4 address, `0a:5a` and a hash of an IPv6 one (FNV-1a, 32 bits). Nodes can thus compute each other's.
    pub fn from_ip(ip: IpAddr) -> Self {
        let (kind, [a, b, c, d]) = match ip {
            IpAddr::V4(v4) => (0x58, v4.octets()),
            IpAddr::V6(v6) => {
                let hash = v6.octets().iter().fold(0x811c_9dc5_u32, |h, byte| {
                    (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
                });
                (0x5a, hash.to_be_bytes())
            }
        };
        MacAddr([0x0a, kind, a, b, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an Ethernet address.
#[derive(Debug, thiserror::Error)]
#[error("not an Ethernet address: {0:?} (expected six hexadecimal bytes joined by colons)")]
pub struct ParseMacError(String);

impl FromStr for MacAddr {
    type Err = ParseMacError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseMacError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            Err(bad())
        } else {
            Ok(MacAddr(bytes))
        }
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let mac: MacAddr = "0a:58:0a:F4:01:02".parse().unwrap();
        assert_eq!(mac, MacAddr([0x0a, 0x58, 0x0a, 0xf4, 0x01, 0x02]));
        assert_eq!(mac.to_string(), "0a:58:0a:f4:01:02");
        let json = serde_json::to_string(&mac).unwrap();
        assert_eq!(json, "\"0a:58:0a:f4:01:02\"");
        assert_eq!(serde_json::from_str::<MacAddr>(&json).unwrap(), mac);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "0a:58",
            "0a:58:0a:f4:01:02:03",
            "0a:58:0a:f4:01:0",
            "0a:58:0a:f4:01:0g",
            "0a-58-0a-f4-01-02",
            "+a:58:0a:f4:01:02",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_ip_address_has_one_mac_that_is_local_and_unicast() {
        assert_eq!(
            MacAddr::from_ip("10.244.1.2".parse().unwrap()).to_string(),
            "0a:58:0a:f4:01:02"
        );
        let (one, two) = (
            MacAddr::from_ip("fd00::1".parse().unwrap()),
            MacAddr::from_ip("fd00::2".parse().unwrap()),
        );
        assert_ne!(one, two);
        assert!([one, two].iter().all(|mac| mac.0[0] & 0b11 == 0b10));
    }
}
