//! The program flatnet runs inside pods and on nodes: it says what it sees, from where it stands.
//!
//! One probe a pod, started by one exec that lasts the whole session. It speaks JSON lines: a question ([`Ask`]) on
//! standard input, one answer ([`Answer`]) on standard output; at end of input it exits. The harness shares these types.

pub mod wire;

pub use wire::*;

/// The program.
pub fn main() -> std::process::ExitCode {
    todo!()
}
