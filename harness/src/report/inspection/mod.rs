//! Answers for people and for programs.
mod markdown;
mod rows;
mod table;

pub use markdown::markdown;
pub use table::table;

use crate::{Error, Result};
use flatnet_model::inspection::Inspection;

/// JSON, as docs/inspect-schema.md has it.
///
/// # Errors
/// None that is known of.
pub fn json(inspection: &Inspection) -> Result<String> {
    serde_json::to_string_pretty(inspection).map_err(|e| Error::failed("write JSON", e))
}

/// The same as YAML.
///
/// # Errors
/// None that is known of.
pub fn yaml(inspection: &Inspection) -> Result<String> {
    serde_yaml::to_string(inspection).map_err(|e| Error::failed("write YAML", e))
}
