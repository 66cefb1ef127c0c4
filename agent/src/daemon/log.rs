//! The agent's log, on standard error.
use std::collections::BTreeSet;

use crate::Error;
use crate::pass::Pass;

/// Writes one line per change. A problem is logged when it appears and when it is gone, not at every pass in between.
#[derive(Default)]
pub(super) struct Log {
    wrong: BTreeSet<String>,
    source: Option<String>,
    ready: bool,
}

impl Log {
    pub(super) fn line(&self, line: std::fmt::Arguments<'_>) {
        // A log that cannot be written does not stop the work.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    pub(super) fn pass(&mut self, pass: &Pass) {
        for change in &pass.changes {
            self.line(format_args!("{change}"));
        }
        let notices = pass.notices.iter().map(|e| {
            if e.is_waiting() {
                line(e)
            } else {
                format!("warning: {e}")
            }
        });
        let wrong: BTreeSet<String> = notices.chain(pass.failures.iter().map(line)).collect();
        for line in wrong.difference(&self.wrong) {
            self.line(format_args!("{line}"));
        }
        for line in self.wrong.difference(&wrong) {
            self.line(format_args!("no longer {line}"));
        }
        self.wrong = wrong;
        if pass.ready != self.ready {
            self.line(format_args!(
                "{}",
                if pass.ready {
                    "ready for pods"
                } else {
                    "not ready for pods"
                }
            ));
            self.ready = pass.ready;
        }
    }

    /// Logs the source's error, or with `None` that an earlier one is gone.
    pub(super) fn source(&mut self, error: Option<Error>) {
        let message = error.as_ref().map(line);
        match (&message, &self.source) {
            (Some(new), old) if old.as_ref() != Some(new) => self.line(format_args!("{new}")),
            (None, Some(old)) => self.line(format_args!("no longer {old}")),
            _ => {}
        }
        self.source = message;
    }
}

/// The log line of an error.
pub(super) fn line(error: &Error) -> String {
    let kind = if error.is_waiting() {
        "waiting"
    } else {
        "error"
    };
    format!("{kind}: {error}")
}
