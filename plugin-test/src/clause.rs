//! A clause of the CNI specification.
use serde::{Deserialize, Serialize};

use crate::bench::Bed;
use crate::bench::Stop;

/// How much the specification asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// "must", in whatever case, and what is required or follows from it.
    Must,
    /// "should".
    Should,
    /// The text does not say, and users depend on it.
    Unstated,
}

impl Level {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::Unstated => "unstated",
        }
    }
}

/// One clause, and how it is tried.
pub struct Clause {
    /// Stable; the letter is its group.
    pub id: &'static str,
    /// Of the specification.
    pub section: &'static str,
    /// How much is asked.
    pub level: Level,
    /// The first version of the specification that says it.
    pub since: &'static str,
    /// What it says, in our words.
    pub words: &'static str,
    /// How it is tried.
    pub tried: &'static str,
    /// Tries it: facts of a pass, or why there is none. Findings are left with the bed.
    pub(crate) run: fn(&mut Bed) -> Result<String, Stop>,
}

impl Clause {
    /// `E` of `E1`.
    pub fn group(&self) -> &'static str {
        self.id
            .split(|c: char| c.is_ascii_digit())
            .next()
            .unwrap_or(self.id)
    }
}
