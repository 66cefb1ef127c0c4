//! A difference, as data.
use flatnet_model::fact::{Kind, Role, Seen};
use serde::{Deserialize, Serialize};

use super::class::Class;

/// Version of the JSON form.
pub const SCHEMA: &str = "flatnet.diff/v1";

/// What is different between two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// [`SCHEMA`].
    pub schema: String,
    /// What the first one is: a file, a baseline.
    pub before: String,
    /// What the second one is.
    pub after: String,
    /// What is the same and what was compared, in one sentence.
    pub summary: String,
    /// What is different, the worst first.
    pub changes: Vec<Change>,
    /// Facts that are the same.
    pub same: usize,
    /// What could not be compared.
    pub uncompared: Vec<Uncompared>,
    /// Who is there on one side only; their facts are not compared.
    pub newcomers: Newcomers,
}

impl Diff {
    /// Whether there is a difference that counts.
    pub fn differs(&self) -> bool {
        let Newcomers { appeared, gone } = &self.newcomers;
        let mut changes = self.changes.iter();
        changes.any(|change| change.class != Class::Noise)
            || !appeared.is_empty()
            || !gone.is_empty()
    }

    /// Whether something could not be compared that was to be.
    pub fn is_partial(&self) -> bool {
        self.uncompared.iter().any(|one| !one.by_choice)
    }
}

/// Who is there on one side only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomers {
    /// Only after.
    pub appeared: Vec<String>,
    /// Only before.
    pub gone: Vec<String>,
}

/// One difference, of all subjects that have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it means.
    pub class: Class,
    /// Which kind of fact.
    pub id: Kind,
    /// Which part of the subjects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// What was there before; absent where there was no such fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seen>,
    /// What is there after; absent where there is no such fact any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seen>,
    /// About whom.
    pub subjects: Vec<Role>,
    /// Of how many that have this fact on either side.
    pub of: usize,
    /// The same in a sentence.
    pub text: String,
    /// The document that promises what is broken or restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the check said, on the side where it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// One packet that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
}

/// The way of one packet on both sides, as the observed routes, neighbours and bridges lead it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Who sends it to whom.
    pub flow: String,
    /// Before.
    pub before: Vec<HopLine>,
    /// After.
    pub after: Vec<HopLine>,
}

impl Example {
    /// Whether both ways are the same.
    pub fn is_same(&self) -> bool {
        let differs = |hops: &[HopLine]| hops.iter().any(|hop| hop.differs);
        !differs(&self.before) && !differs(&self.after)
    }
}

/// One device on the way of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopLine {
    /// The device and whose it is.
    pub hop: String,
    /// Whether it is on this side only.
    pub differs: bool,
}

/// Facts that could not be compared for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncompared {
    /// Which kind.
    pub id: Kind,
    /// Whose.
    pub who: String,
    /// Why not.
    pub why: String,
    /// It was not asked for on one side: no fault of the run.
    pub by_choice: bool,
}

/// The same difference of several.
pub(super) struct Group {
    pub(super) class: Class,
    pub(super) id: Kind,
    pub(super) about: String,
    pub(super) before: Option<Seen>,
    pub(super) after: Option<Seen>,
    pub(super) subjects: Vec<Role>,
    pub(super) of: usize,
}
