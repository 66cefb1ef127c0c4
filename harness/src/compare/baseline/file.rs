//! The form of a baseline's file.
use std::path::Path;

use flatnet_model::fact::{Kind, Value};
use indexmap::IndexMap;
use serde::Deserialize;

use super::allow::Allow;
use super::selector::Selector;
use crate::compare::yaml::located;
use crate::{Error, Result};

/// The version of the form.
pub const SCHEMA: &str = "baseline/v1";

/// What a cluster is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`SCHEMA`].
    pub(super) flatnet: String,
    /// What it was made of.
    #[serde(default)]
    pub(super) made: Option<String>,
    /// By their kinds.
    #[serde(default)]
    pub(super) facts: IndexMap<Kind, Vec<Entry>>,
    /// What may differ.
    #[serde(default)]
    pub(super) allow: Vec<Allow>,
    /// What was accepted, and why: for readers.
    #[serde(default)]
    pub(super) accepted: Vec<Acceptance>,
}

/// One fact, of all who have it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The part of the subject.
    #[serde(default)]
    pub(super) about: Option<String>,
    /// Whose.
    #[serde(default)]
    pub(super) on: Selector,
    /// The value.
    pub(super) is: Value,
}

/// A note of what was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acceptance {
    on: jiff::civil::Date,
    facts: Vec<Kind>,
    reason: String,
}

impl Baseline {
    /// Reads a baseline's text; `path` is what errors start with.
    ///
    /// # Errors
    /// [`Error::Input`] with file and line, and what is expected there.
    pub fn parse(path: &Path, text: &str) -> Result<Baseline> {
        #[derive(Deserialize)]
        struct Versioned {
            flatnet: Option<String>,
        }
        let wrong = |why: String| Error::Input(format!("{}{why}", path.display()));
        let versioned: Versioned =
            serde_yaml::from_str(text).map_err(|e| wrong(located(&e, "it is not a baseline")))?;
        match versioned.flatnet.as_deref() {
            Some(SCHEMA) => {}
            Some(other) => {
                return Err(wrong(format!(
                    ": it is {other:?}, and this flatnet reads {SCHEMA:?}; make it again: flatnet test --baseline FILE with a FILE that is not there writes one"
                )));
            }
            None => {
                return Err(wrong(format!(
                    ": it is not a baseline: the key `flatnet: {SCHEMA}` is missing"
                )));
            }
        }
        serde_yaml::from_str(text).map_err(|e| wrong(located(&e, "not as expected")))
    }
}
