//! Thin entry point; see the crate `flatnet-agent`.
fn main() -> std::process::ExitCode {
    flatnet_agent::main()
}
