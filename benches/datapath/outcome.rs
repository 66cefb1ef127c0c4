//! What a part of the benchmark tells: rows, notes, or why it could not measure.
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::table::Row;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why there are no figures.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Failure {
    /// A program or a permission that the measurement needs.
    #[error("{what}; {remedy}")]
    Missing { what: String, remedy: String },
    /// Everything was there, and still it went wrong.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// For `map_err`: what was being done, and the cause.
    pub(crate) fn broken<E: Display>(doing: impl Display) -> impl FnOnce(E) -> Failure {
        move |cause| Failure::Broken(format!("{doing}: {cause}"))
    }

    pub(crate) fn missing(what: impl Into<String>, remedy: impl Into<String>) -> Failure {
        Failure::Missing {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// As of the `flatnet` command.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Missing { .. } => 3,
            Failure::Broken(_) => 4,
        }
    }
}

/// One line from the process that measures to the one that prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Row(Row),
    Failed(Failure),
}
