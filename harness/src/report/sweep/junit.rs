//! For CI: one test case a row.
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{RowReport, RowResult, Sweep};
use crate::report::ReportError;

/// JUnit XML: a row that is not as expected is a failure, one that could not be measured an error.
///
/// # Errors
/// [`ReportError::Junit`].
pub fn junit(sweep: &Sweep) -> Result<String, ReportError> {
    let mut suite = TestSuite::new(format!("flatnet sweep {}", sweep.file));
    suite.add_test_cases(sweep.rows.iter().map(case));
    let mut document = quick_junit::Report::new("flatnet");
    document.add_test_suite(suite);
    Ok(document.to_string()?)
}

fn case(row: &RowReport) -> TestCase {
    let other = |kind, word: &str| {
        let texts = row
            .misses
            .iter()
            .map(|miss| format!("expected {}\nobserved {}", miss.expected, miss.seen));
        let texts: Vec<String> = texts.chain([format!("repeat: {}", row.repeat)]).collect();
        let first = row.misses.first().map(|miss| miss.expected.as_str());
        let mut status = TestCaseStatus::non_success(kind);
        status
            .set_type(word)
            .set_message(first.unwrap_or_default())
            .set_description(texts.join("\n\n"));
        status
    };
    let status = match row.result {
        RowResult::AsExpected => TestCaseStatus::success(),
        RowResult::Unexpected => other(NonSuccessKind::Failure, "unexpected"),
        RowResult::Broken => other(NonSuccessKind::Error, "broken"),
    };
    let mut case = TestCase::new(row.name.as_str(), status);
    case.set_classname(format!(
        "flatnet.sweep.{}",
        row.matrix.as_deref().unwrap_or("rows")
    ));
    case.set_time(Duration::from_millis(row.ms));
    case.set_system_out(row.options.as_str());
    case
}
