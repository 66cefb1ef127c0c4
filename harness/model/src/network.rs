//! How a cluster's network is laid out, as far as it can be chosen.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that names none of the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of {known}")]
pub struct UnknownWord {
    given: String,
    known: String,
}

/// How nodes are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Underlay {
    /// One Ethernet segment, as kind's docker network: 172.18.0.0/16, fd00:18::/64.
    #[default]
    L2,
    /// Each node in a subnet of its own behind a router: 172.18.N.0/24, fd00:18:N::/64.
    Routed,
}

/// Which IP families nodes and pods have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are kind's, networking.ipFamily")]
pub enum IpFamily {
    #[default]
    Ipv4,
    Ipv6,
    Dual,
}

impl IpFamily {
    /// As options call it.
    pub fn name(self) -> &'static str {
        match self {
            IpFamily::Ipv4 => "ipv4",
            IpFamily::Ipv6 => "ipv6",
            IpFamily::Dual => "dual",
        }
    }

    /// Whether nodes have IPv4 addresses.
    pub fn has_v4(self) -> bool {
        self != IpFamily::Ipv6
    }

    /// Whether nodes have IPv6 addresses.
    pub fn has_v6(self) -> bool {
        self != IpFamily::Ipv4
    }
}

/// One IP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    #[serde(rename = "ipv4")]
    V4,
    #[serde(rename = "ipv6")]
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: std::net::IpAddr) -> Self {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// How one end reaches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
}

/// A transport with ports: what a socket is bound for, and how a DNS query travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl From<Protocol> for Transport {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
        }
    }
}

/// Words for the values of an enumeration: as options, files and reports write them.
macro_rules! words {
    ($kind:ident: $($value:ident = $word:literal),+) => {
        impl $kind {
            /// Every word, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// As options, files and reports write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($kind::$value => $word),+
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $kind {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok($kind::$value),)+
                    _ => Err(UnknownWord {
                        given: text.to_owned(),
                        known: $kind::WORDS.join(", "),
                    }),
                }
            }
        }
    };
}

words!(Underlay: L2 = "l2", Routed = "routed");
words!(IpFamily: Ipv4 = "ipv4", Ipv6 = "ipv6", Dual = "dual");
words!(Transport: Tcp = "tcp", Udp = "udp", Icmp = "icmp");
words!(Protocol: Tcp = "tcp", Udp = "udp");
