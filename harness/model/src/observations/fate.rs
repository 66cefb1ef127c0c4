//! What became of a dial: the one place that decides whether it reached the end it was for.
use super::{Dial, Observations};
use crate::network::Transport;
use crate::probe::{DialOutcome, Failure};
use crate::reference::Endpoint;

/// What a dial says about the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// The end that was dialled answered. An echo is answered by a kernel, which gives no name.
    Reached,
    /// Another end answered in its place: the name it gave.
    Diverted(&'a str),
    /// No attempt was answered.
    Failed {
        /// What kind of failure the last attempt was.
        kind: Failure,
        /// The system's words.
        detail: &'a str,
    },
    /// The client could not make it; its words.
    NotMade(&'a str),
    /// The probe that was to answer had ended by the end of the traffic; its last words.
    NobodyThere(&'a str),
}

impl DialOutcome {
    /// The name of who answered, where it is another end than the one that was dialled.
    pub fn answered_by_other(&self, dialled: &Endpoint) -> Option<&str> {
        match self {
            DialOutcome::Answered { responder, .. } => {
                responder.as_deref().filter(|name| !dialled.is_called(name))
            }
            DialOutcome::Failed { .. } => None,
        }
    }
}

impl Observations {
    /// What became of a dial. Matrices and checks ask here, and nowhere else.
    pub fn fate<'a>(&'a self, dial: &'a Dial) -> Fate<'a> {
        if let Some(name) = dial.result.answered_by_other(&dial.to) {
            return Fate::Diverted(name);
        }
        match &dial.result {
            DialOutcome::Answered { .. } => Fate::Reached,
            DialOutcome::Failed {
                kind: Failure::Unsupported,
                detail,
                ..
            } => Fate::NotMade(detail),
            DialOutcome::Failed { kind, detail, .. } => match self.received.get(&dial.to) {
                // A kernel answers echoes without a probe.
                Some(Err(why)) if dial.request.transport != Transport::Icmp => {
                    Fate::NobodyThere(why)
                }
                _ => Fate::Failed {
                    kind: *kind,
                    detail,
                },
            },
        }
    }
}

impl Fate<'_> {
    /// Whether the end that was dialled answered; nothing where the dial says nothing about that.
    pub fn reached(self) -> Option<bool> {
        match self {
            Fate::Reached => Some(true),
            Fate::Diverted(_) | Fate::Failed { .. } => Some(false),
            Fate::NotMade(_) | Fate::NobodyThere(_) => None,
        }
    }
}
