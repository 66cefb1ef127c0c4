//! Thin entry point; see the crate `flatnet-cni`.
fn main() -> std::process::ExitCode {
    flatnet_cni::main()
}
