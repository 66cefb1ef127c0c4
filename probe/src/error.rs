//! What can go wrong in the probe itself. What goes wrong on the path to a peer is a finding, not an error: see
//! [`DialOutcome::Failed`](crate::DialOutcome::Failed).
use std::io;

use nix::errno::Errno;

/// Result of the calls of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Something the probe could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {}", words(source))]
    System {
        /// What was being done, for example `listen on port 8080`.
        what: String,
        /// The system call's error.
        source: io::Error,
    },
    /// The kernel's tables could not be read.
    #[error(transparent)]
    Netlink(#[from] flatnet_netlink::Error),
    /// A name that does not fit into a message.
    #[error("the name has {bytes} bytes; between 1 and {most} are possible")]
    Name {
        /// Its length.
        bytes: usize,
        /// The longest that fits.
        most: usize,
    },
    /// Bytes from the network that are not a message of a probe.
    #[error("not a message of a probe: {0}")]
    Foreign(&'static str),
    /// A line of input that is not a question.
    #[error("not a question: {0}")]
    Question(serde_json::Error),
    /// A question that this probe does not know.
    #[error("not a question: {given:?} is not one of {known}")]
    UnknownQuestion {
        /// The value of `ask`.
        given: String,
        /// Those it knows.
        known: String,
    },
    /// Something that this kernel cannot do.
    #[error("this kernel does not do it: {0}")]
    Kernel(&'static str),
    /// The end of a watch that has not begun.
    #[error("nothing is being watched")]
    NoWatch,
    /// A report of streams that were not opened.
    #[error("no stream is open")]
    NoStreams,
    /// An answer that cannot be written as JSON.
    #[error("write the answer as JSON: {0}")]
    Answer(serde_json::Error),
}

impl Error {
    pub(crate) fn system(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::System {
            what: what.into(),
            source: source.into(),
        }
    }
}

/// The system's words for an error, as a lower-case fragment without the number: `connection refused`.
pub(crate) fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => errno_words(Errno::from_raw(number)),
        None => error.to_string(),
    }
}

/// As [`words`], for a bare error number.
pub(crate) fn errno_words(errno: Errno) -> String {
    let words = errno.desc();
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
