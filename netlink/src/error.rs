//! The crate's errors.

/// The crate's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// A netlink request that failed. `what` says what was requested: `create veth veth1a2b`.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what its fields hold"
)]
pub enum Error {
    /// The kernel refused the request. `ack` is its explanation (NLMSGERR_ATTR_MSG), if it gave one.
    #[error("{what}: {errno}{}", ack.as_deref().map(|a| format!(" ({a})")).unwrap_or_default())]
    Kernel {
        what: String,
        errno: nix::errno::Errno,
        ack: Option<String>,
    },
    /// A system call on the socket failed. The cause is part of the message and therefore not a `source`, which a
    /// chain would print again.
    #[error("{what}: {cause}")]
    Socket { what: String, cause: std::io::Error },
    /// An answer does not parse.
    #[error("{what}: malformed netlink answer: {detail}")]
    Malformed { what: String, detail: String },
    /// The request itself is invalid and was not sent.
    #[error("{what}: {detail}")]
    Invalid { what: String, detail: &'static str },
    /// The kernel's table changed during every attempt to read it (NLM_F_DUMP_INTR).
    #[error("{what}: the table kept changing while it was read")]
    Unsettled { what: String },
}

impl Error {
    /// The kernel's errno, if the kernel refused the request.
    pub fn errno(&self) -> Option<nix::errno::Errno> {
        match self {
            Error::Kernel { errno, .. } => Some(*errno),
            _ => None,
        }
    }
    /// The object exists already (EEXIST).
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(nix::errno::Errno::EEXIST)
    }
    /// The object, or its device, does not exist (ENODEV, ENOENT, ESRCH, EADDRNOTAVAIL).
    pub fn is_absent(&self) -> bool {
        use nix::errno::Errno::*;
        matches!(self.errno(), Some(ENODEV | ENOENT | ESRCH | EADDRNOTAVAIL))
    }
}
