//! What is said of a clause.
use serde::{Deserialize, Serialize};

use crate::call::{Answer, Request};
use crate::ledger::Change;

/// The verdict on one clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The plugin does what the clause says.
    Pass {
        /// What was seen.
        facts: String,
    },
    /// It does not.
    Fail {
        /// Each way in which it does not.
        findings: Vec<Finding>,
    },
    /// The clause is not about such a plugin.
    NotApplicable {
        /// Why.
        reason: String,
    },
    /// The specification can be read in two ways, and the plugin follows one of them.
    Advisory {
        /// What the plugin does, and both readings.
        readings: Vec<String>,
    },
    /// So do all plugins built on the same library.
    Library {
        /// What they do.
        findings: Vec<Finding>,
    },
    /// It could not be measured.
    Broken {
        /// Why.
        error: String,
    },
}

/// One way in which a clause is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was seen, and what should have been.
    pub observed: String,
    /// The Go library does this, not the plugin.
    pub library: bool,
    /// What it was seen by.
    pub evidence: Evidence,
}

/// What a person needs to see it, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The call, and what came of it.
    pub call: Option<(Request, Answer)>,
    /// What the node had before that call and after it.
    pub difference: Vec<Change>,
    /// One shell line that does it again.
    pub repeat: String,
}

impl Verdict {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass { .. } => "pass",
            Verdict::Fail { .. } => "fail",
            Verdict::NotApplicable { .. } => "not applicable",
            Verdict::Advisory { .. } => "advisory",
            Verdict::Library { .. } => "library",
            Verdict::Broken { .. } => "broken",
        }
    }
}
