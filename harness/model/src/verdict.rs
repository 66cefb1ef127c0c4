//! What a check found.
use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict<E = Evidence> {
    /// The promise holds; what was seen, in short lines.
    Pass {
        /// For example `72 of 72 ordered pairs over tcp, udp, icmp`.
        facts: Vec<String>,
    },
    /// The promise is broken.
    Fail {
        /// One piece per deviation; never empty.
        evidence: Vec<E>,
    },
    /// The question does not arise here.
    Skip {
        /// Why, in words a reader can act on.
        reason: String,
    },
    /// It could not be measured: neither pass nor fail.
    Broken {
        /// What went wrong while measuring, with causes.
        error: String,
    },
}

impl<E> Verdict<E> {
    /// `pass`, `fail`, `skip` or `broken`: the tag of the JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass { .. } => "pass",
            Verdict::Fail { .. } => "fail",
            Verdict::Skip { .. } => "skip",
            Verdict::Broken { .. } => "broken",
        }
    }

    /// Replaces each piece of evidence, such as by its form in words.
    pub fn map<F>(self, change: impl FnMut(E) -> F) -> Verdict<F> {
        match self {
            Verdict::Pass { facts } => Verdict::Pass { facts },
            Verdict::Fail { evidence } => Verdict::Fail {
                evidence: evidence.into_iter().map(change).collect(),
            },
            Verdict::Skip { reason } => Verdict::Skip { reason },
            Verdict::Broken { error } => Verdict::Broken { error },
        }
    }
}
