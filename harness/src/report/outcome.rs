//! What a run comes to: how many checks came out how, what was missed, and the exit code.
use flatnet_analysis::words::{all, count};
use flatnet_model::verdict::Verdict;
use serde::Serialize;

/// How many checks came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
    /// Could not be measured.
    pub broken: usize,
    /// Said facts, and promise nothing.
    pub reported: usize,
}

impl Counts {
    /// Counts verdicts.
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let mut counts = Counts::default();
        for verdict in verdicts {
            match verdict {
                Verdict::Pass { .. } => counts.passed += 1,
                Verdict::Report { .. } => counts.reported += 1,
                Verdict::Fail { .. } => counts.failed += 1,
                Verdict::Skip { .. } => counts.skipped += 1,
                Verdict::Broken { .. } => counts.broken += 1,
            }
        }
        counts
    }

    fn total(self) -> usize {
        self.passed + self.failed + self.skipped + self.broken + self.reported
    }

    /// Why none of them says whether the network is flat; none where one does, and where nothing but facts was asked for.
    fn unjudged(self) -> Option<&'static str> {
        match self {
            Counts { passed: 1.., .. } | Counts { failed: 1.., .. } => None,
            Counts {
                reported: 1..,
                skipped: 0,
                broken: 0,
                ..
            } => None,
            Counts {
                skipped: 0,
                broken: 0,
                ..
            } => Some("there was no check to judge by"),
            Counts { broken: 0, .. } => Some("every check was skipped"),
            Counts { skipped: 0, .. } => Some("no check could be measured"),
            Counts { .. } => Some("every check was skipped or could not be measured"),
        }
    }
}

/// `12 checks: 10 passed, 1 failed, 0 skipped, 0 broken, 1 reported`.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts {
            passed,
            failed,
            skipped,
            broken,
            reported,
        } = self;
        let checks = count(self.total(), "check");
        write!(
            f,
            "{checks}: {passed} passed, {failed} failed, {skipped} skipped, {broken} broken"
        )?;
        match reported {
            0 => Ok(()),
            reported => write!(f, ", {reported} reported"),
        }
    }
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// 1 when a check failed, or was skipped that must not be; else 4 when one could not be measured or none judged anything;
    /// else 0.
    pub exit_code: u8,
    /// How many checks came out how.
    #[serde(flatten)]
    pub counts: Counts,
    /// Ids of the checks that were skipped and must not be.
    pub missed: Vec<String>,
    /// What the counts alone do not say, one sentence each.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Of these checks.
    pub fn of<'a>(
        verdicts: impl IntoIterator<Item = &'a Verdict>,
        missed: Vec<(String, String)>,
    ) -> Self {
        let counts = Counts::of(verdicts);
        let unjudged = counts.unjudged();
        let nothing = unjudged.map(|why| format!("nothing was judged: {why}"));
        Outcome {
            exit_code: match (counts.failed + missed.len(), counts.broken, unjudged) {
                (1.., ..) => 1,
                (0, 1.., _) | (0, 0, Some(_)) => 4,
                (0, 0, None) => 0,
            },
            counts,
            notes: notes(&missed).into_iter().chain(nothing).collect(),
            missed: missed.into_iter().map(|(id, _)| id).collect(),
        }
    }
}

/// One sentence for each reason: `nodeport, egress were required and were skipped: …`.
fn notes(missed: &[(String, String)]) -> Vec<String> {
    let first = |at: usize| missed[..at].iter().all(|(_, why)| *why != missed[at].1);
    let notes = (0..missed.len()).filter(|at| first(*at)).map(|at| {
        let why = &missed[at].1;
        let same = missed.iter().filter(|(_, other)| other == why);
        let ids: Vec<&str> = same.map(|(id, _)| id.as_str()).collect();
        let were = if ids.len() == 1 { "was" } else { "were" };
        format!(
            "{} {were} required and {were} skipped: {why}",
            all(ids, ", ")
        )
    });
    notes.collect()
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
