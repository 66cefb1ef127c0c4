//! The flatnet node agent: keeps one node's way to the pods of all the others.
//!
//! One pass goes from the node list to the kernel in steps that can each be read alone:
//!
//! 1. [`source`] says what nodes there are ([`node::NodesFile`]), whoever told it: a file here, the Kubernetes API elsewhere;
//! 2. [`cluster`] judges the list: which node is this one, which others can be served, and why the rest cannot;
//! 3. [`uplink`] finds the interface that joins this node to the others, from links and addresses;
//! 4. [`desired`] says what the node should look like: bridge, VXLAN device, routes, MTU, masquerade. No system call;
//! 5. [`device`], [`sysctl`], [`masquerade`] and [`diff`] compare that with what the kernel has and send only the difference;
//! 6. [`conflist`] and [`install`] hand the node over to the container runtime, last.
//!
//! [`reconcile`] is the sequence, [`daemon`] repeats it when the list changes and once in a while. What is right is
//! never written again, so a restart of the agent touches nothing; what is wrong is mended, and what nobody wants any
//! more (routes with the protocol number [`diff::PROTOCOL`], entries of our own VXLAN device) is removed.

pub mod args;
pub mod cluster;
pub mod conflist;
pub mod daemon;
pub mod desired;
pub mod device;
pub mod diff;
pub mod error;
pub mod install;
pub mod masquerade;
pub mod member;
pub mod node;
pub mod reconcile;
pub mod source;
pub mod sysctl;
pub mod uplink;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

pub use error::{Error, Result};

/// The program. Exit codes: 0 done (or told to stop), 1 something could not be applied (`--once`), 2 wrong usage or
/// input, 3 something that is needed is missing.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// The same with the command line given, program name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match args::Args::try_parse_from(args) {
        Ok(args) => args,
        Err(refusal) => {
            // --help and --version come this way too, with exit code 0. Nowhere is left to say that printing failed.
            let _ = refusal.print();
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2));
        }
    };
    match daemon::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flatnet-agent: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
