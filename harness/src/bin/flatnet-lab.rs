//! Thin entry point; see the crate `flatnet-lab`.
fn main() -> std::process::ExitCode {
    flatnet_lab::main()
}
