//! What can go wrong on a netlink socket.

/// Result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A netlink request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the request. `ack` is its own sentence (NLMSGERR_ATTR_MSG), where it gave one.
    #[error("{what}: {errno}{}", ack.as_deref().map(|a| format!(" ({a})")).unwrap_or_default())]
    Kernel {
        /// What was asked, for example `create veth veth1a2b`.
        what: String,
        /// The error number of the answer.
        errno: nix::errno::Errno,
        /// The kernel's explanation.
        ack: Option<String>,
    },
    /// The socket itself failed.
    #[error("{what}: {cause}")]
    Socket {
        /// What was being done.
        what: String,
        /// The system call's error; part of the message, hence not a `source` that a chain would print again.
        cause: std::io::Error,
    },
    /// An answer that does not parse.
    #[error("{what}: malformed netlink answer: {detail}")]
    Malformed {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A request that was not sent, because it cannot be right.
    #[error("{what}: {detail}")]
    Invalid {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The kernel's table changed during every attempt to read it (NLM_F_DUMP_INTR).
    #[error("{what}: the table kept changing while it was read")]
    Unsettled {
        /// What was asked.
        what: String,
    },
}

impl Error {
    /// The kernel's error number, if it was the kernel that refused.
    pub fn errno(&self) -> Option<nix::errno::Errno> {
        match self {
            Error::Kernel { errno, .. } => Some(*errno),
            _ => None,
        }
    }
    /// The object is there already (EEXIST).
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(nix::errno::Errno::EEXIST)
    }
    /// The object, or the device it is on, is not there (ENODEV, ENOENT, ESRCH, EADDRNOTAVAIL).
    pub fn is_absent(&self) -> bool {
        use nix::errno::Errno::*;
        matches!(self.errno(), Some(ENODEV | ENOENT | ESRCH | EADDRNOTAVAIL))
    }
}
