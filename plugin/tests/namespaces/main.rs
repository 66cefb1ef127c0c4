//! ADD, CHECK, DEL, GC and STATUS against a real kernel: every test has a node (a network namespace) and pods (others) of
//! its own. What the plugin wrote is read back with `ip`, `bridge` and `nft`.
#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]
mod add;
mod bridge;
mod check;
mod check_kernel;
mod del;
mod gc;
mod isolated;
mod several;
mod status;
mod world;
