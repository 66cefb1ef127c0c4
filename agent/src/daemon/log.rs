//! What the agent says.
use std::collections::BTreeSet;

use crate::Error;
use crate::reconcile::Pass;

/// One line a change; what is wrong is told when it comes and when it is gone, not at every pass between.
#[derive(Default)]
pub(super) struct Log {
    wrong: BTreeSet<String>,
    source: Option<String>,
    ready: bool,
}

impl Log {
    pub(super) fn line(&self, line: std::fmt::Arguments<'_>) {
        // Standard error is unbuffered; where nobody reads it, work goes on.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    pub(super) fn pass(&mut self, pass: &Pass) {
        for change in &pass.changes {
            self.line(format_args!("{change}"));
        }
        let notices = pass.notices.iter().map(|e| {
            if e.is_waiting() {
                told(e)
            } else {
                format!("warning: {e}")
            }
        });
        let wrong: BTreeSet<String> = notices.chain(pass.failures.iter().map(told)).collect();
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

    /// What keeps the source from yielding a list; `None`: it yielded one.
    pub(super) fn source(&mut self, error: Option<Error>) {
        let message = error.as_ref().map(told);
        match (&message, &self.source) {
            (Some(new), old) if old.as_ref() != Some(new) => self.line(format_args!("{new}")),
            (None, Some(old)) => self.line(format_args!("no longer {old}")),
            _ => {}
        }
        self.source = message;
    }
}

/// An error as a line.
pub(super) fn told(error: &Error) -> String {
    let kind = if error.is_waiting() {
        "waiting"
    } else {
        "error"
    };
    format!("{kind}: {error}")
}
