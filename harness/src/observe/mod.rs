//! What was observed on one cluster: plain data, gathered once, judged by every check.
pub mod model;

pub use model::*;
