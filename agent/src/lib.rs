//! The flatnet node agent.
pub mod node;
/// The program.
pub fn main() -> std::process::ExitCode { todo!() }
