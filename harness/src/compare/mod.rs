//! Two runs beside each other: where they are read from, and their facts.
pub mod baseline;
mod content;
mod json_lines;
pub mod marks;
pub mod recorded;
pub mod source;
pub(crate) mod yaml;

pub use recorded::Recorded;
