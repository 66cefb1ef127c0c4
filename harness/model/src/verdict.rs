//! What a check found.
use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::skip::SkipReason;

/// What could not be measured for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmeasured {
    /// For example `routes of node2`; never empty.
    pub what: Vec<String>,
    /// Why, as far as that is known: for example `the probe could not run: …`.
    pub why: Option<String>,
}

/// What a check found: as data, or with what it says in words in place of evidence and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict<E = Evidence, R = SkipReason> {
    /// The promise holds; what was seen, in short lines.
    Pass {
        /// For example `72 of 72 ordered pairs over tcp, udp, icmp`.
        facts: Vec<String>,
    },
    /// There is no promise: facts for the reader, neither pass nor fail.
    Report {
        /// For example `9 of 9 pods inside the podCIDRs of their node`.
        facts: Vec<String>,
    },
    /// The promise is broken.
    Fail {
        /// One piece per deviation; never empty.
        evidence: Vec<E>,
    },
    /// The question does not arise here.
    Skip {
        /// Why not.
        reason: R,
    },
    /// It could not be measured: neither pass nor fail.
    Broken {
        /// What went wrong while measuring, with causes.
        error: String,
        /// The same by reason, where reasons are known apart.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unmeasured: Vec<Unmeasured>,
    },
}

impl<E, R> Verdict<E, R> {
    /// Nothing of it could be measured.
    pub fn broken(error: impl Into<String>) -> Self {
        Verdict::Broken {
            error: error.into(),
            unmeasured: Vec::new(),
        }
    }

    /// `pass`, `report`, `fail`, `skip` or `broken`: the tag of the JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass { .. } => "pass",
            Verdict::Report { .. } => "report",
            Verdict::Fail { .. } => "fail",
            Verdict::Skip { .. } => "skip",
            Verdict::Broken { .. } => "broken",
        }
    }

    /// Replaces each piece of evidence and the reason, such as by their form in words.
    pub fn map<F, S>(
        self,
        evidence_as: impl FnMut(E) -> F,
        reason_as: impl FnOnce(R) -> S,
    ) -> Verdict<F, S> {
        match self {
            Verdict::Pass { facts } => Verdict::Pass { facts },
            Verdict::Report { facts } => Verdict::Report { facts },
            Verdict::Fail { evidence } => Verdict::Fail {
                evidence: evidence.into_iter().map(evidence_as).collect(),
            },
            Verdict::Skip { reason } => Verdict::Skip {
                reason: reason_as(reason),
            },
            Verdict::Broken { error, unmeasured } => Verdict::Broken { error, unmeasured },
        }
    }
}
