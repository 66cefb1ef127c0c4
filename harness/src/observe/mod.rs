//! What was observed on one cluster: plain data, gathered once, judged by every check.
pub mod fleet;
pub mod gather;
pub mod model;
mod mtu;

pub use model::*;
