//! Looks at a cluster for the checks: starts probes, sends the traffic, reads both ends and every node.
mod calls;
mod dials;
mod exposed;
pub mod fleet;
pub mod gather;
mod mtu;
mod names;
pub mod once;
