//! nftables through netlink: one transaction a call, no `nft` program needed.
use std::os::fd::BorrowedFd;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Result;

/// A blocking nfnetlink socket of one network namespace.
pub struct Nft {}

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

/// Part of a rule, worked left to right.
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
    /// TCP or UDP source port.
    SourcePort(u16),
    /// TCP or UDP destination port.
    DestinationPort(u16),
    /// Packet counter.
    Counter,
    /// Verdict drop.
    Drop,
    /// Verdict accept.
    Accept,
    /// Source address becomes the outgoing interface's.
    Masquerade,
    /// Destination becomes this address, and port where given.
    Dnat(std::net::SocketAddr),
    /// Destination address only.
    DnatAddress(std::net::IpAddr),
    /// Source becomes this address (nat chain).
    SnatAddress(std::net::IpAddr),
    /// Stateless: writes the source address into the header and mends the checksums (filter chain).
    SetSource(std::net::IpAddr),
}

/// One table of family `inet`, described whole; [`Nft::replace_table`] makes the kernel's equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Table name.
    pub name: String,
    /// Interval sets of addresses.
    pub sets: Vec<Set>,
    /// Base chains.
    pub chains: Vec<Chain>,
}

/// A set of prefixes of one family (`flags interval`); overlapping prefixes are merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Set name.
    pub name: String,
    /// IPv6 addresses.
    pub v6: bool,
    /// Elements.
    pub prefixes: Vec<IpNet>,
}

/// A base chain with its rules.
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

impl Nft {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self> {
        todo!()
    }
    /// In the namespace behind `ns`.
    pub fn open_in(ns: BorrowedFd<'_>) -> Result<Self> {
        let _ = ns;
        todo!()
    }
    /// Makes the table exactly this, in one transaction (add, delete, add anew): no packet sees a state between.
    pub fn replace_table(&mut self, table: &Table) -> Result<()> {
        let _ = table;
        todo!()
    }
    /// Deletes the table; absent is fine.
    pub fn delete_table(&mut self, name: &str) -> Result<()> {
        let _ = name;
        todo!()
    }
    /// Whether an `inet` table of that name is there: one small request.
    pub fn has_table(&mut self, name: &str) -> Result<bool> {
        let _ = name;
        todo!()
    }
}

/// The masquerade of one node, one rule an address family: traffic from `pods` (this node's pod ranges) to anywhere but
/// `unmasked` (every pod range of the cluster, and the nodes' own addresses) leaves with the node's address.
/// Multicast is never masqueraded. Plugin (standalone) and agent write this same table.
pub fn masquerade_table(name: &str, pods: &[IpNet], unmasked: &[IpNet]) -> Table {
    let _ = (name, pods, unmasked);
    todo!()
}
