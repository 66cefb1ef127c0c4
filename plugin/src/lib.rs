//! The flatnet CNI plugin: a bridge, one veth pair a pod, and the addresses of the node's pod ranges.
//!
//! One execution is one command of the CNI specification (0.3.0 to 1.1.0). Its way through this crate:
//! [`run`] reads variables (`args`) and configuration (`types`), and calls
//! * `datapath` for ADD, CHECK and DEL, which takes addresses from `ipam` and speaks to the kernel through
//!   `flatnet-netlink`,
//! * `gc` for GC,
//! * `status` for STATUS.
//!
//! Every failure is an `error::Error`, whose code is the specification's. Nothing is kept but the reservations in
//! `ipam.dataDir` (see `ipam::Store`) and what the kernel holds; names of links are computed, not remembered.
mod args;
mod datapath;
mod dispatch;
mod error;
mod gc;
mod ipam;
mod status;
mod types;
mod validate;

pub use dispatch::{Invocation, about, run};

/// The program `flatnet-cni`.
pub fn main() -> std::process::ExitCode {
    if dispatch::program() {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}
