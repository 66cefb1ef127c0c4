//! The flatnet CNI plugin.
/// The program.
pub fn main() -> std::process::ExitCode { todo!() }
