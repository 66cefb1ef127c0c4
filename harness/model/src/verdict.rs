//! What a check found.
use serde::{Deserialize, Serialize};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise holds; what was seen, in short lines.
    Pass {
        /// For example `72 of 72 ordered pairs over tcp, udp, icmp`.
        facts: Vec<String>,
    },
    /// The promise is broken.
    Fail {
        /// At least one.
        evidence: Vec<Evidence>,
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

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who and what: names pods, nodes, addresses, transports.
    pub what: String,
    /// What should have been seen.
    pub expected: String,
    /// What was.
    pub observed: String,
    /// The node whose row or column is red, or whose configuration is wrong, where the observations single one out.
    pub culprit: Option<String>,
    /// The likely cause, in one sentence.
    pub cause: Option<String>,
    /// The command a person types to see it; works with busybox alone (`flatnet exec busybox-1 -- ip route`).
    pub look: String,
}

impl Verdict {
    /// `pass`, `fail`, `skip` or `broken`: the tag of the JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass { .. } => "pass",
            Verdict::Fail { .. } => "fail",
            Verdict::Skip { .. } => "skip",
            Verdict::Broken { .. } => "broken",
        }
    }
}
