//! What a run differs in from its baseline, and from other runs of the same configuration.
use flatnet_analysis::diff::Diff;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// With what a run was compared, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The baseline, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Against>,
    /// How many runs there were.
    pub runs: usize,
    /// What differs among them, in words.
    pub flaky: Vec<String>,
}

/// A comparison with a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Against {
    /// Its file.
    pub file: String,
    /// What differs and is not allowed; absent where there is no such file yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
    /// What differs and is allowed, in words.
    pub allowed: Vec<String>,
    /// What is allowed and does not differ any more, in words.
    pub unused: Vec<String>,
    /// What differs and was allowed until a day that is over, in words.
    pub over: Vec<String>,
    /// Where what the run found was written, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote: Option<String>,
}

impl Comparison {
    /// Nothing was compared.
    pub fn is_empty(&self) -> bool {
        self.baseline.is_none() && self.runs < 2
    }

    /// What the run comes to with it: 1 where something differs, 4 where nothing does that could be compared, but not all could.
    pub(super) fn told(&self, outcome: &mut Outcome) {
        if !self.flaky.is_empty() {
            outcome.exit_code = 1;
            let what = self.flaky.join("; ");
            let runs = self.runs;
            outcome
                .notes
                .push(format!("flaky, differs among {runs} runs: {what}"));
        }
        let Some(against) = &self.baseline else {
            return;
        };
        let known = against.diff.as_ref().is_some_and(|diff| !diff.differs());
        if known && outcome.counts.failed > 0 && outcome.missed.is_empty() && self.flaky.is_empty()
        {
            outcome.exit_code = if outcome.counts.broken > 0 { 4 } else { 0 };
            outcome.notes.push(format!(
                "what fails does so as {} says, which is no difference",
                against.file
            ));
        }
        if against.diff.as_ref().is_none_or(Diff::differs) {
            outcome.exit_code = 1;
            outcome.notes.push(against.differs());
        } else if outcome.exit_code == 0 && against.diff.as_ref().is_some_and(Diff::is_partial) {
            outcome.exit_code = 4;
            let note = "not all facts of the baseline could be observed";
            outcome.notes.push(note.to_owned());
        }
    }
}

impl Against {
    fn differs(&self) -> String {
        let accept = match &self.wrote {
            Some(wrote) => format!(
                "; what is there now is in {wrote}: to accept it, flatnet baseline accept {}",
                self.file
            ),
            None => String::new(),
        };
        match &self.diff {
            Some(_) => format!("the run differs from {}{accept}", self.file),
            None => format!("there is no baseline {} yet{accept}", self.file),
        }
    }
}
