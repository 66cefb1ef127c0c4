//! Errors, in the three kinds that callers distinguish.
use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// Result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a lab could not do what was asked.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum Error {
    /// Something this machine lacks or forbids (user namespaces, a program); `remedy` says what to do.
    #[error("{what}; {remedy}")]
    Missing {
        /// What is missing or forbidden, with the system's words.
        what: String,
        /// What the person can do: the sysctl, the capability, the package.
        remedy: String,
    },
    /// No lab of that name runs: it never did, or it has ended.
    #[error("no lab named {name} runs; `flatnet list` shows those that do")]
    Absent {
        /// The name.
        name: String,
    },
    /// The request names something wrong: a node or pod that is not there, a bad manifest, a name that is taken.
    #[error("{what}")]
    Invalid {
        /// What is wrong, and what to do.
        what: String,
    },
    /// The lab did not accept a connection or a request, or did not answer it, in its time: it hangs or is stopped.
    #[error("{what}")]
    TimedOut {
        /// What was waited for, how long, and what to do.
        what: String,
    },
    /// Anything else.
    #[error("{what}")]
    Failed {
        /// What was being done, with the causes.
        what: String,
    },
}

impl Error {
    /// `what: cause`.
    pub(crate) fn failed(what: impl Display, cause: impl Display) -> Self {
        Error::Failed {
            what: format!("{what}: {cause}"),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Error::Invalid { what: what.into() }
    }
}

impl From<Error> for flatnet_model::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Missing { what, remedy } => flatnet_model::Error::Missing { what, remedy },
            Error::Absent { .. } => flatnet_model::Error::Input(error.to_string()),
            Error::Invalid { what } => flatnet_model::Error::Input(what),
            Error::TimedOut { what } | Error::Failed { what } => flatnet_model::Error::Failed(what),
        }
    }
}
