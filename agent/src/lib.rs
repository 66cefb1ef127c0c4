//! The flatnet node agent: maintains one node's routes to the pods of all other nodes.
//!
//! A pass leads from the node list to the kernel in steps that can each be read on their own:
//!
//! 1. [`source`] provides the node list ([`node::NodesFile`]), from a file or the Kubernetes API;
//! 2. `cluster` validates it: which entry is this node, which others can be served, and why the rest cannot;
//! 3. `uplink` finds the interface that connects this node to the others;
//! 4. [`desired`] computes the desired state: bridge, VXLAN device, routes, MTU, masquerade. No system call;
//! 5. `device`, [`sysctl`], `masquerade` and `diff` compare it with the kernel's state and write only the difference;
//! 6. [`conflist`] and [`install`] write the CNI configuration and the plugin, last.
//!
//! [`reconcile`] is the sequence and [`pass`] its outcome; `daemon` repeats it when the list changes and at regular
//! intervals, and `ready` answers the readiness probe. State that is right is never written again, so a restart of the
//! agent changes nothing; wrong state is corrected, and what is no longer wanted (routes with our protocol number, entries
//! of our own VXLAN device) is removed.

pub mod args;
mod cluster;
pub mod conflist;
mod daemon;
pub mod desired;
mod device;
mod diff;
pub mod error;
mod foreign;
mod former;
pub mod install;
mod masquerade;
pub mod node_fault;
pub mod pass;
mod ready;
pub mod reconcile;
pub mod source;
pub mod sysctl;
mod uplink;
mod valid_node;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

pub use error::{Error, Result};
pub use flatnet_model::nodes_file as node;

/// The program `flatnet-agent`. Exit codes: 0 done (or ended by a signal), 1 something could not be applied (`--once`),
/// 2 wrong usage or input, 3 something needed is missing.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// [`main`] with an explicit command line, program name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.into_iter().collect();
    // Not a clap subcommand: the daemon's required options would then be required here too.
    if args.get(1).is_some_and(|word| word == "ready") {
        args.remove(1);
        return parsed::<ready::Ask>(args).map_or_else(|code| code, |ask| ask.run());
    }
    let args = match parsed::<args::Args>(args) {
        Ok(args) => args,
        Err(code) => return code,
    };
    match daemon::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "flatnet-agent: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn parsed<P: clap::Parser>(args: Vec<OsString>) -> std::result::Result<P, ExitCode> {
    P::try_parse_from(args).map_err(|refusal| {
        // Also --help and --version, with exit code 0. A failure to print cannot be reported anywhere.
        let _ = refusal.print();
        ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2))
    })
}
