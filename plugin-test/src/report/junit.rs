//! For CI systems: one suite per plugin, one case per clause and cell.
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::bench::Row;
use crate::clause::Level;
use crate::run::Outcome;
use crate::verdict::Verdict;
use crate::{Error, clauses};

/// A broken clause is a failure where it decides the exit code; one that could not be measured is an error.
///
/// # Errors
/// [`Error::Failed`] where it cannot be written as XML.
pub fn junit(outcomes: &[Outcome], strict: bool) -> Result<String, Error> {
    let mut report = Report::new("flatnet plugin-test");
    for outcome in outcomes {
        let mut suite = TestSuite::new(outcome.program.display().to_string());
        for row in outcome.all_rows() {
            suite.add_test_case(case(row, strict));
        }
        report.add_test_suite(suite);
    }
    report
        .to_string()
        .map_err(|e| Error::Failed(format!("write JUnit: {e}")))
}

fn case(row: &Row, strict: bool) -> TestCase {
    let words = clauses::find(&row.id).map_or("", |clause| clause.words);
    let bad = |kind: NonSuccessKind, message: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message);
        status
    };
    let skipped = |message: String| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(message);
        status
    };
    let status = match &row.verdict {
        Verdict::Pass { .. } | Verdict::Library { .. } => TestCaseStatus::success(),
        Verdict::Fail { findings } => {
            let all: Vec<&str> = findings.iter().map(|one| one.observed.as_str()).collect();
            match strict || Outcome::level(row) == Level::Must {
                true => bad(NonSuccessKind::Failure, all.join("\n")),
                false => skipped(format!(
                    "a clause of level should is broken: {}",
                    all.join("\n")
                )),
            }
        }
        Verdict::NotApplicable { reason } => skipped(format!("not applicable: {reason}")),
        Verdict::Advisory { readings } => skipped(format!("advisory: {}", readings.join("; "))),
        Verdict::Broken { error } => bad(NonSuccessKind::Error, error.clone()),
    };
    let mut case = TestCase::new(format!("{} {words}", row.id), status);
    case.set_time(std::time::Duration::from_millis(row.millis));
    case
}
