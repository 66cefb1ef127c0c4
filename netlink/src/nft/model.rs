//! nftables tables as data.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The netfilter hook of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

/// The type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub enum ChainType {
    Filter,
    Nat,
}

/// Part of a rule, evaluated left to right. An expression about addresses of one family matches, or acts on, packets of
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
    /// Destination address in the named interval set, or not in it.
    DestinationInSet {
        /// Name of a set of the same table.
        set: String,
        /// Family of the set.
        v6: bool,
        /// `!=` instead of `==`.
        negate: bool,
    },
    /// Source address in the named interval set, or not in it.
    SourceInSet {
        /// Name of a set of the same table.
        set: String,
        /// Family of the set.
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
    /// TCP or UDP source port, or that of another protocol after its [`Expr::Protocol`].
    SourcePort(u16),
    /// TCP or UDP destination port, or that of another protocol after its [`Expr::Protocol`].
    DestinationPort(u16),
    /// These bytes (up to 16) at that offset from the start of the transport's header, after a check of the protocol.
    TransportBytes {
        /// Bytes from the start of the header.
        offset: u8,
        /// What must be there.
        value: Vec<u8>,
    },
    /// Has every rule that the packet meets from now on reported ([`Trace`](super::Trace)).
    Trace,
    /// IP packets longer than so many bytes.
    LongerThan(u32),
    /// So many of a hundred packets, chosen at random.
    Percent(u8),
    /// The first so many packets that come here.
    First(u32),
    /// Sends a copy of the packet by way of this address. It makes its table one of family `ip`: the kernel has no such
    /// expression for `inet` (net/ipv4/netfilter/nft_dup_ipv4.c).
    CopyTo(Ipv4Addr),
    /// Counts packets and bytes.
    Counter,
    /// Drops the packet.
    Drop,
    /// Accepts the packet.
    Accept,
    /// Source NAT to the outgoing interface's address.
    Masquerade,
    /// Destination NAT to this address and port.
    Dnat(SocketAddr),
    /// Destination NAT to this address; the port stays.
    DnatAddress(IpAddr),
    /// Source NAT to this address.
    SnatAddress(IpAddr),
    /// Stateless: rewrites the source address in the header and updates the checksums (in a filter chain).
    SetSource(IpAddr),
}

/// A table of family `inet` (but see [`Expr::CopyTo`]), described completely; [`Nft::replace_table`](super::Nft::replace_table) makes the kernel's
/// equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub struct Table {
    pub name: String,
    pub sets: Vec<Set>,
    /// Base chains.
    pub chains: Vec<Chain>,
}

impl Table {
    /// Whether it is of family `ip`.
    pub(crate) fn is_ipv4(&self) -> bool {
        let mut rules = self.chains.iter().flat_map(|chain| &chain.rules);
        rules.any(|rule| rule.iter().any(|part| matches!(part, Expr::CopyTo(_))))
    }
}

/// A set of prefixes of one family (`flags interval`); overlapping and adjacent prefixes are merged. May be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub struct Set {
    pub name: String,
    /// IPv6 rather than IPv4 addresses.
    pub v6: bool,
    /// Elements, all of that family.
    pub prefixes: Vec<IpNet>,
}

/// A base chain with policy accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are nft's")]
pub struct Chain {
    pub name: String,
    pub kind: ChainType,
    pub hook: Hook,
    /// srcnat is 100, dstnat -100, filter 0.
    pub priority: i32,
    pub rules: Vec<Vec<Expr>>,
}
