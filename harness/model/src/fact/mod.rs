//! What is compared between two runs: facts, each about somebody by role, with a value in normal form.
//!
//! Two runs of one configuration differ in names, addresses that were handed out, MACs, ports and times. A fact holds none of those:
//! a node is the second one, an address is its node's first. What was really seen stands beside it, for readers, and is not compared.
mod kind;
mod role;
mod value;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use kind::{ALL, Entry, Kind, Nature, markdown};
pub use role::{NotARole, Place, Role};
pub use value::Value;

/// Version of the meaning of facts, raised when a kind changes its meaning or goes.
pub const SCHEMA: &str = "flatnet.facts/v1";

/// What a fact is about: two facts with the same key are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Which kind of fact.
    pub id: Kind,
    /// The part of the subject that it is about: an interface, a key of a file, a check; empty where the kind says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// About whom.
    pub subject: Role,
}

impl Key {
    /// A fact of that kind about somebody, or about a part of theirs.
    pub fn new(id: Kind, about: impl Into<String>, subject: impl Into<Role>) -> Self {
        Key {
            id,
            about: about.into(),
            subject: subject.into(),
        }
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub key: Key,
    /// What was observed.
    #[serde(flatten)]
    pub seen: Seen,
    /// As it was observed, where the value is a normal form of it; never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// What was observed of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// This, in normal form.
    Value(Value),
    /// Nothing, for this reason.
    Unread(String),
}

impl Seen {
    /// The value, where there is one.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Seen::Value(value) => Some(value),
            Seen::Unread(_) => None,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Value(value) => value.fmt(f),
            Seen::Unread(why) => write!(f, "not observed: {why}"),
        }
    }
}
