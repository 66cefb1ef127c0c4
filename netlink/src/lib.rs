//! Blocking rtnetlink and nftables, as much as flatnet needs.
//!
//! A connection belongs to the network namespace in which its socket was opened, whatever the thread that uses it does
//! later; [`Route::open_in`] and [`Nft::open_in`] open one in another namespace from a short-lived thread, so that no
//! caller ever runs `setns` itself. Errors carry the kernel's own sentence (extended ACK) and say what was asked.
//!
//! * [`Route`]: links, addresses, routes, neighbours and FDB entries; reads are dumps, writes go through a [`Batch`].
//! * [`request`]: the writes, one function a message.
//! * [`Nft`]: nftables transactions (table, chain, set, rule) and the masquerade rule that plugin and agent share.

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
    Address, BridgePort, FdbEntry, Flow, Link, LinkStats, MacAddr, Neighbour, RouteEntry, VxlanInfo,
};
pub use nft::Nft;
pub use request::Request;
pub use route::{Batch, LinkWatch, Route};
