//! Why no verdict could be given at all.
use std::path::PathBuf;

/// In the kinds that exit codes distinguish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was given is wrong.
    #[error("{0}")]
    Input(String),
    /// The machine lacks something.
    #[error("{what}; {remedy}")]
    Missing {
        /// What is missing, in the system's words.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A test bench broke.
    #[error("{0}")]
    Failed(String),
    /// A report cannot be written.
    #[error("write {}: {cause}; choose a folder that can be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

impl From<flatnet_lab::Error> for Error {
    fn from(error: flatnet_lab::Error) -> Self {
        match error {
            flatnet_lab::Error::Missing { what, remedy } => Error::Missing { what, remedy },
            other => Error::Failed(other.to_string()),
        }
    }
}
