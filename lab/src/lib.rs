//! The embedded cluster: nodes and pods as Linux namespaces, and a CNI runtime that runs real plugin binaries.
//!
//! One `flatnet-lab` process is to the lab what the container engine is to kind; it enters user (when not root), pid, mount
//! and network namespaces, and takes every node and pod with it when it dies. [`Lab`] is the client's end.
pub mod change;
pub mod client;
pub mod spec;

pub use change::Change;
pub use client::{Error, Lab, LabInfo, NodeFile, Place, Result, Stdio};
pub use spec::{IpFamily, LabSpec, NodeSpec, Underlay};

/// The program.
pub fn main() -> std::process::ExitCode { todo!() }
