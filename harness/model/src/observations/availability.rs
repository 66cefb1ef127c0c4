//! Whether something could be had.
use serde::{Deserialize, Serialize};

/// Something that was looked for, and whether it could be had.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Availability<T> {
    /// It is there.
    Found(T),
    /// It is not available here, which is not a fault: a check that needs it is skipped for this reason.
    Absent {
        /// In words a reader can act on.
        why: String,
    },
    /// It should have been available and was not: a check that needs it could not be measured.
    Lost {
        /// What went wrong, with its causes.
        error: String,
    },
}

impl<T> Availability<T> {
    /// A value made of what was found.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Availability<U> {
        match self {
            Availability::Found(found) => Availability::Found(with(found)),
            Availability::Absent { why } => Availability::Absent { why },
            Availability::Lost { error } => Availability::Lost { error },
        }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Availability<&T> {
        match self {
            Availability::Found(found) => Availability::Found(found),
            Availability::Absent { why } => Availability::Absent { why: why.clone() },
            Availability::Lost { error } => Availability::Lost {
                error: error.clone(),
            },
        }
    }

    /// What was found, if it was.
    pub fn found(&self) -> Option<&T> {
        match self {
            Availability::Found(found) => Some(found),
            Availability::Absent { .. } | Availability::Lost { .. } => None,
        }
    }
}

impl<T> From<crate::Result<T>> for Availability<T> {
    /// A right that is missing makes it absent, any other error lost.
    fn from(result: crate::Result<T>) -> Self {
        match result {
            Ok(found) => Availability::Found(found),
            Err(denied @ crate::Error::Denied { .. }) => Availability::Absent {
                why: denied.to_string(),
            },
            Err(e) => Availability::Lost {
                error: e.to_string(),
            },
        }
    }
}
