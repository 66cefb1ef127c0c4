//! What is compared between runs.
use std::fmt;

use flatnet_model::fact::{self, Seen};

/// One fact about somebody, in the normal form in which two runs of one configuration are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its kind, one of `docs/facts.md`, as `device-mtu`.
    pub id: String,
    /// The part of the subject that it is about, as an interface; empty where the kind says it all.
    pub about: String,
    /// About whom, by role: `cluster`, `node2`, `node2/pod1`, `node1->node2`.
    pub subject: String,
    /// What was observed; nothing where it could not be.
    pub value: Option<String>,
}

impl Fact {
    pub(super) fn of(fact: &fact::Fact) -> Self {
        Fact {
            id: fact.key.id.id(),
            about: fact.key.about.clone(),
            subject: fact.key.subject.to_string(),
            value: match &fact.seen {
                Seen::Value(value) => Some(value.to_string()),
                Seen::Unread(_) => None,
            },
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("not observed");
        let space = if self.about.is_empty() { "" } else { " " };
        write!(
            f,
            "{} {}{space}{}: {value}",
            self.subject, self.id, self.about
        )
    }
}
