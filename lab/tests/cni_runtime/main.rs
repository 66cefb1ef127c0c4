//! The CNI runtime, driven without a lab: plugins are shell scripts that write down how they were called.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod bench;
mod chain;
mod failures;
mod upkeep;
