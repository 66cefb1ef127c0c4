//! What a table holds.
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Where a base chain hooks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

/// What a base chain may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub enum ChainType {
    Filter,
    Nat,
}

/// Part of a rule, worked left to right. An expression about addresses of one family matches, or acts on, packets of
/// that family only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expr {
    /// Source address within.
    SourceIn(IpNet),
    /// Source address not within.
    SourceNotIn(IpNet),
    /// Destination address within.
    DestinationIn(IpNet),
    /// Destination address not within.
    DestinationNotIn(IpNet),
    /// Destination address in (or, negated, not in) the named interval set of that family.
    DestinationInSet {
        /// Name of the set.
        set: String,
        /// IPv6 set.
        v6: bool,
        /// `!=` instead of `==`.
        negate: bool,
    },
    /// Source address in (or not in) the named interval set.
    SourceInSet {
        /// Name of the set.
        set: String,
        /// IPv6 set.
        v6: bool,
        /// `!=` instead of `==`.
        negate: bool,
    },
    /// Leaves through this interface.
    OutInterface(String),
    /// Came in through this interface.
    InInterface(String),
    /// Layer 4 protocol number (6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6).
    Protocol(u8),
    /// TCP or UDP source port; of another protocol's only after its [`Expr::Protocol`].
    SourcePort(u16),
    /// TCP or UDP destination port; of another protocol's only after its [`Expr::Protocol`].
    DestinationPort(u16),
    /// Packet counter.
    Counter,
    /// Verdict drop.
    Drop,
    /// Verdict accept.
    Accept,
    /// Source address becomes the outgoing interface's.
    Masquerade,
    /// Destination becomes this address and port.
    Dnat(SocketAddr),
    /// Destination address only.
    DnatAddress(IpAddr),
    /// Source becomes this address (nat chain).
    SnatAddress(IpAddr),
    /// Stateless: writes the source address into the header and mends the checksums (filter chain).
    SetSource(IpAddr),
}

/// One table of family `inet`, described whole; [`Nft::replace_table`](super::Nft::replace_table) makes the kernel's
/// equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Table name.
    pub name: String,
    /// Interval sets of addresses.
    pub sets: Vec<Set>,
    /// Base chains.
    pub chains: Vec<Chain>,
}

/// A set of prefixes of one family (`flags interval`); overlapping and adjacent prefixes are merged. May be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Set name.
    pub name: String,
    /// IPv6 addresses.
    pub v6: bool,
    /// Elements, all of that family.
    pub prefixes: Vec<IpNet>,
}

/// A base chain with its rules; its policy is accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Chain name.
    pub name: String,
    /// Type.
    pub kind: ChainType,
    /// Hook.
    pub hook: Hook,
    /// Priority: srcnat is 100, dstnat -100, filter 0.
    pub priority: i32,
    /// Rules, in order.
    pub rules: Vec<Vec<Expr>>,
}
