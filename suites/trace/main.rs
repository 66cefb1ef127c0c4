//! Where packets go, as `flatnet inspect route` has it, against what kernels choose, bridges know and counters count.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod bed;
mod command_line;
mod counters;
mod decisions;
mod faults;
mod policy;
