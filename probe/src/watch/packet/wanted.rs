//! Whose packets are wanted.
use std::collections::BTreeSet;

/// Those with a probe's message, and those of these ports.
#[derive(Clone, Debug, Default)]
pub(in crate::watch) struct Wanted {
    pub(in crate::watch) ports: BTreeSet<u16>,
}

impl Wanted {
    /// Whether a port of a TCP segment or UDP datagram is one of them.
    pub(super) fn has_either(&self, source: u16, destination: u16) -> bool {
        self.ports.contains(&source) || self.ports.contains(&destination)
    }
}
