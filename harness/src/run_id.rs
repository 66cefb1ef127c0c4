//! What tells runs apart.
use std::hash::{BuildHasher, RandomState};

/// Six hexadecimal digits, new for each run.
pub fn run_id() -> String {
    format!(
        "{:06x}",
        RandomState::new().hash_one(std::process::id()) & 0xff_ffff
    )
}
