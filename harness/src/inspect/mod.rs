//! Questions a person asks about a running cluster's network, answered with facts and where each fact comes from.
pub mod model;
pub mod trace;

pub use model::{Answer, Fact, Inspection, Outcome, Problem, Source};
