//! Why a run could not be done, sorted by who can mend it; each kind has its documented exit code.

/// Result of the harness' calls.
pub type Result<T> = std::result::Result<T, Error>;

/// Lower-case fragments that end with what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Wrong usage or input: a flag, a manifest, a conflist, a name. Exit code 2.
    #[error("{0}")]
    Input(String),
    /// Something the run needs is not there, or not allowed. Exit code 3.
    #[error("{what}; {remedy}")]
    Missing {
        /// What, and where it was looked for.
        what: String,
        /// How to get it.
        remedy: String,
    },
    /// The cluster's API refuses it: a right is missing. Exit code 3.
    #[error("{what}: not allowed: {rule}")]
    Denied {
        /// What was to be done.
        what: String,
        /// The server's own words: who lacks which right.
        rule: String,
    },
    /// The cluster could not be brought up or asked. Exit code 4.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C. Exit code 130.
    #[error("interrupted; everything that was started is gone")]
    Interrupted,
}

impl Error {
    /// A failure with what was being done in front of its cause.
    pub fn failed(doing: impl std::fmt::Display, cause: impl std::fmt::Display) -> Self {
        Error::Failed(format!("{doing}: {cause}"))
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Input(_) => 2,
            Error::Missing { .. } | Error::Denied { .. } => 3,
            Error::Failed(_) => 4,
            Error::Interrupted => 130,
        }
    }
}
