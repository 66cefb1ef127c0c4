//! The embedded lab, end to end: nodes, pods through Debian's reference plugins, and that nothing is left of it.
//!
//! Every test boots a lab of its own, named after the test and this process, so that all run side by side.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod exec;
mod life;
mod nodes;
mod pods;
mod support;
mod trouble;
mod users;
