//! What one reconciliation did to the node.
use std::fmt;

use crate::{Error, Result};

/// The outcome of one reconciliation.
#[derive(Debug, Default)]
pub struct Pass {
    /// One line per write, in order. Empty if the node was already as it should be.
    pub changes: Vec<String>,
    /// Worth reporting although nothing failed: new nodes that are still incomplete, a given MTU that is too large.
    pub notices: Vec<Error>,
    /// What failed. Everything that does not depend on it was done all the same.
    pub failures: Vec<Error>,
    /// The node is ready for pods: its own side is complete and the conflist is in place. Any failure concerns other
    /// nodes only ([`Error::is_elsewhere`]).
    pub ready: bool,
}

impl Pass {
    pub(crate) fn changed(&mut self, line: fmt::Arguments<'_>) {
        self.changes.push(line.to_string());
    }

    /// Records the error of a step that the following ones do not depend on.
    pub(crate) fn record(&mut self, outcome: Result<()>) {
        self.failures.extend(outcome.err());
    }
}
