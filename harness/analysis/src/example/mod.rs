//! Made-up observations of healthy clusters, which tests break one thing at a time.
#![expect(
    clippy::unwrap_used,
    missing_docs,
    reason = "constants that parse; names that tests read"
)]
pub mod build;
pub mod pieces;
pub mod plane;
mod talk;
