//! The flatnet CNI plugin: a bridge, one veth pair per pod, and addresses from the node's pod ranges.
//!
//! One execution is one command of the CNI specification (0.3.0 to 1.1.0). [`run`] reads variables (`args`) and
//! configuration (`types`), and calls
//! * `datapath` for ADD, CHECK and DEL, which takes addresses from `ipam` and configures the kernel through
//!   `flatnet-netlink`,
//! * `gc` for GC,
//! * `status` for STATUS.
//!
//! Every failure is an `error::Error`, whose code is the specification's. The only state is the reservations in
//! `ipam.dataDir` (see `ipam::Store`) and the kernel's; link names are computed, not stored.
mod args;
mod datapath;
mod dispatch;
mod error;
mod gc;
mod ipam;
mod owner;
mod status;
mod types;
mod validate;
mod version;

pub use dispatch::{Invocation, run};

/// The program `flatnet-cni`.
pub fn main() -> std::process::ExitCode {
    if dispatch::program() {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}
