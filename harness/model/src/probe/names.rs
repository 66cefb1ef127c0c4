//! DNS: the nameservers that are configured, and what they answer.
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Failure, Protocol};

/// What resolv.conf(5) says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvConf {
    /// Nameservers, in the order in which they are asked.
    pub nameservers: Vec<IpAddr>,
    /// The search list; the last `search` (or `domain`) line counts.
    pub search: Vec<String>,
}

/// One question to a nameserver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// A whole name; no search list is applied.
    pub name: String,
    /// A or AAAA.
    pub record: Record,
    /// UDP or TCP.
    pub over: Protocol,
}

/// Kinds of records that hold an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Record {
    /// IPv4 (RFC 1035).
    A,
    /// IPv6 (RFC 3596).
    #[serde(rename = "AAAA")]
    Aaaa,
}

/// Answer to [`ask::Resolve`](super::ask::Resolve).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resolutions {
    /// One per lookup, in the order of the lookups.
    pub results: Vec<Resolved>,
}

/// What became of one lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Resolved {
    /// The nameserver answered.
    Answered {
        /// `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … (RFC 1035 section 4.1.1, in the spelling of the IANA registry).
        code: String,
        /// Addresses of the wanted kind, sorted.
        addresses: Vec<IpAddr>,
        /// Whether it left records out for want of room (TC).
        truncated: bool,
        /// Round trip of the attempt that succeeded, microseconds.
        rtt_us: u64,
        /// Attempts it took, from 1.
        attempts: u32,
    },
    /// No attempt was answered.
    Failed {
        /// What kind of failure the last attempt was.
        kind: Failure,
        /// The system's words.
        detail: String,
        /// Attempts made.
        attempts: u32,
    },
}
