//! The command line.
fn main() -> std::process::ExitCode {
    flatnet::cli::main()
}
