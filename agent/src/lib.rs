//! The flatnet node agent: keeps one node's way to the pods of all the others.
//!
//! One pass goes from the node list to the kernel in steps that can each be read alone:
//!
//! 1. [`source`] says what nodes there are ([`node::NodesFile`]), whoever told it: a file or the Kubernetes API;
//! 2. [`cluster`] judges the list: which node is this one, which others can be served, and why the rest cannot;
//! 3. [`uplink`] finds the interface that joins this node to the others, from links and addresses;
//! 4. [`desired`] says what the node should look like: bridge, VXLAN device, routes, MTU, masquerade. No system call;
//! 5. [`device`], [`sysctl`], [`masquerade`] and [`diff`] compare that with what the kernel has and send only the difference;
//! 6. [`conflist`] and [`install`] hand the node over to the container runtime, last.
//!
//! [`reconcile`] is the sequence, [`daemon`] repeats it when the list changes and once in a while, [`ready`] tells who asks
//! what came of it. What is right is
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
pub use flatnet_model::nodes_file as node;
pub mod ready;
pub mod reconcile;
pub mod source;
pub mod sysctl;
pub mod uplink;

use std::ffi::OsString;
use std::process::ExitCode;

pub use error::{Error, Result};

/// The program. Exit codes: 0 done (or told to stop), 1 something could not be applied (`--once`), 2 wrong usage or
/// input, 3 something that is needed is missing.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// The same with the command line given, program name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.into_iter().collect();
    // A word of its own and not an option: beside the options of the daemon, those it requires would be asked for.
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
            eprintln!("flatnet-agent: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn parsed<P: clap::Parser>(args: Vec<OsString>) -> std::result::Result<P, ExitCode> {
    P::try_parse_from(args).map_err(|refusal| {
        // --help and --version come this way too, with exit code 0. Nowhere is left to say that printing failed.
        let _ = refusal.print();
        ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2))
    })
}
