//! Why a run could not be done, sorted by who can fix it; each kind has its documented exit code.

/// Result of the harness' calls.
pub type Result<T> = std::result::Result<T, Error>;

/// The signals that end a run in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGHUP: its terminal is gone.
    HangUp,
    /// SIGINT: Ctrl-C.
    CtrlC,
    /// SIGTERM.
    Terminate,
}

impl Interrupt {
    /// What a shell makes of the signal.
    pub fn exit_code(self) -> u8 {
        match self {
            Interrupt::HangUp => 129,
            Interrupt::CtrlC => 130,
            Interrupt::Terminate => 143,
        }
    }
}

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
    #[error("{what}: not allowed: {rule}; {remedy}")]
    Denied {
        /// What was to be done.
        what: String,
        /// The server's own words: who lacks which right.
        rule: String,
        /// What to do about it.
        remedy: String,
    },
    /// The cluster could not be brought up or asked. Exit code 4.
    #[error("{0}")]
    Failed(String),
    /// A signal ended it. Exit code 128 and the signal's number.
    #[error("interrupted; everything that was started is gone")]
    Interrupted(Interrupt),
    /// Something failed, and then what had been started could not all be taken away either. Exit code of the first.
    #[error("{}; and then, while tearing down: {later}", before_tear_down(first))]
    TearDown {
        /// What failed first.
        first: Box<Error>,
        /// What failed while tearing down.
        later: Box<Error>,
    },
}

/// The first error without the promise that a tear-down which failed too did not keep.
fn before_tear_down(first: &Error) -> String {
    match first {
        Error::Interrupted(_) => "interrupted".to_owned(),
        other => other.to_string(),
    }
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
            Error::Interrupted(signal) => signal.exit_code(),
            Error::TearDown { first, .. } => first.exit_code(),
        }
    }

    /// Whether the run came as far as to need a cluster, and nobody ended it: else there is nothing to report.
    pub fn leaves_report(&self) -> bool {
        match self {
            Error::Input(_) | Error::Interrupted(_) => false,
            Error::Missing { .. } | Error::Denied { .. } | Error::Failed(_) => true,
            Error::TearDown { first, .. } => first.leaves_report(),
        }
    }

    /// This error, and the one that came after it, unless it says what was said already: Ctrl-C twice is still Ctrl-C.
    #[must_use]
    pub fn then(self, later: Error) -> Self {
        match (self, later) {
            (first, later) if first.says(&later.to_string()) => first,
            (first, later) => Error::TearDown {
                first: Box::new(first),
                later: Box::new(later),
            },
        }
    }

    fn says(&self, words: &str) -> bool {
        match self {
            Error::TearDown { first, later } => first.says(words) || later.says(words),
            other => other.to_string() == words,
        }
    }
}

/// What some work came to once it was torn down: its own error first, whatever the tear-down says.
///
/// # Errors
/// The work's, the tear-down's, or both.
pub fn torn_down<T>(work: Result<T>, tear_down: Result<()>) -> Result<T> {
    match (work, tear_down) {
        (work, Ok(())) => work,
        (Ok(_), Err(e)) => Err(e),
        (Err(first), Err(later)) => Err(first.then(later)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_tear_down_hides_nothing() {
        let failed = |what: &str| Error::Failed(what.to_owned());
        let both =
            torn_down::<()>(Err(Error::Input("a".to_owned())), Err(failed("b"))).unwrap_err();
        assert_eq!(both.to_string(), "a; and then, while tearing down: b");
        assert_eq!(both.exit_code(), 2);
        assert!(!both.leaves_report() && failed("b").then(both.clone()).leaves_report());
        assert_eq!(torn_down(Ok(1), Ok(())).unwrap(), 1);
        assert_eq!(
            torn_down(Ok(1), Err(failed("b"))).unwrap_err().to_string(),
            "b"
        );
        assert_eq!(
            torn_down::<()>(Err(failed("a")), Ok(()))
                .unwrap_err()
                .to_string(),
            "a"
        );
        let repeated = failed("a")
            .then(failed("b"))
            .then(failed("a"))
            .then(failed("b"));
        assert_eq!(repeated.to_string(), "a; and then, while tearing down: b");
    }

    #[test]
    fn who_interrupts_is_not_told_that_everything_is_gone_where_it_is_not() {
        let both = Error::Interrupted(Interrupt::CtrlC).then(Error::Failed("b".to_owned()));
        assert_eq!(
            both.to_string(),
            "interrupted; and then, while tearing down: b"
        );
        assert_eq!(both.exit_code(), 130);
        let twice =
            Error::Interrupted(Interrupt::Terminate).then(Error::Interrupted(Interrupt::CtrlC));
        assert_eq!(twice.exit_code(), 143);
        assert!(twice.to_string().contains("is gone"));
    }
}
