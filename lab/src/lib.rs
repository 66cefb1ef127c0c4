//! The embedded cluster: nodes and pods as Linux namespaces, and a CNI runtime that runs real plugin binaries.
//!
//! One `flatnet-lab` process is to the lab what the container engine is to kind; it enters user (when not root), pid, mount
//! and network namespaces, and takes every node and pod with it when it dies. [`Lab`] is the client's end.
//!
//! Within the program: `process` is the life of its processes, `server` answers clients, `roots` and `underlay` make nodes and
//! what joins them, `kubelet` runs pods, and [`cni`] runs plugins.
mod address;
mod boot;
pub mod change;
mod changes;
pub mod client;
pub mod cni;
mod connection;
mod daemon;
mod error;
mod exec;
mod identifier;
mod kubelet;
mod launch;
mod limits;
mod mounts;
mod network;
mod node;
pub mod node_root;
mod process;
mod protocol;
mod refusal;
mod roots;
mod server;
mod sleep;
mod spawn;
pub mod spec;
mod underlay;

use std::io::Write as _;
use std::process::ExitCode;

pub use change::Change;
pub use client::{Lab, LabInfo, NodeFile};
pub use connection::Stdio;
pub use error::{Error, Result};
pub use protocol::LabTarget;
pub use spec::{IpFamily, LabSpec, NODE_NETWORKS, NodeSpec, PROGRAMS_DIR, Underlay};

const USE: &str = "flatnet-lab serves one lab and is started by flatnet; use `flatnet up`";

/// The program.
pub fn main() -> ExitCode {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    if name.rsplit('/').next() == Some(sleep::NAME) {
        return sleep::main(args);
    }
    match (args.next().as_deref(), args.next(), args.next()) {
        // The name is only for `ps`; the boot request on standard input is what counts.
        (Some("serve"), Some(_), None) => process::serve(),
        (Some("--help" | "-h"), None, None) => {
            let _ = writeln!(std::io::stdout(), "{USE}");
            ExitCode::SUCCESS
        }
        _ => {
            let _ = writeln!(std::io::stderr(), "{USE}");
            ExitCode::from(2)
        }
    }
}
