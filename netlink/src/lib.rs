//! Blocking rtnetlink and nftables sockets, limited to what flatnet needs.
//!
//! A connection belongs to the network namespace in which its socket was opened, wherever the thread that uses it moves
//! later; [`Route::open_in`] and [`Nft::open_in`] open one in another namespace from a short-lived thread, so that no
//! caller runs `setns` itself. Errors say what was requested and include the kernel's extended ACK message.
//!
//! * [`Route`]: links, addresses, routes, neighbours and FDB entries; reads are dumps, writes go through a [`Batch`].
//! * [`request`]: the writes, one function per message.
//! * [`Nft`]: nftables transactions (table, chain, set, rule) and the masquerade table that plugin and agent share.

mod decode;
pub mod error;
pub mod netns;
pub mod nft;
pub mod request;
pub mod route;
mod socket;
mod uapi;
mod watch;
mod wire;

pub use error::{Error, Result};
pub use flatnet_model::kernel::{
    Address, BridgePort, Carries, FdbEntry, Flow, Link, LinkStats, MacAddr, MarkMatch, Neighbour,
    NeighbourTable, NextHop, PortState, RouteEntry, Rule, RuleAction, VxlanInfo,
};
pub use nft::Nft;
pub use request::Request;
pub use route::{Batch, Route};
pub use watch::LinkWatch;
