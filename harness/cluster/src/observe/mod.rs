//! Looks at a cluster for the checks: starts probes, sends the traffic, reads both ends and every node.
pub mod before;
mod calls;
pub mod changes;
mod conversation;
mod dials;
mod exposed;
pub mod fleet;
pub mod follow;
pub mod gather;
pub(crate) mod inside;
mod matrix;
mod mtu;
mod names;
pub mod once;
pub mod scope;
mod series;
mod transfers;
mod translated;
