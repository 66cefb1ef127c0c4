//! Thin entry point; see the crate `flatnet-probe`.
fn main() -> std::process::ExitCode {
    flatnet_probe::main()
}
