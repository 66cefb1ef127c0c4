//! The report for CI: one test suite, one test case a check.
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::lines::evidence_lines;
use super::{Against, CheckReport, Report, ReportError};
use flatnet_analysis::diff::Class;
use flatnet_analysis::words::Words;
use flatnet_model::verdict::Verdict;

/// JUnit XML. Why pods do not run is the suite's output, and what the run comes to besides its verdicts its error output; failures
/// carry the evidence as text, broken checks are errors, skipped ones have their reason and are failures where they are required.
///
/// # Errors
/// [`ReportError::Junit`].
pub fn render(report: &Report) -> Result<String, ReportError> {
    let run = &report.run;
    let words = report.words();
    let mut suite = TestSuite::new(format!("flatnet {} {}", run.provider, run.cni));
    let mut properties = vec![
        ("flatnet_version", report.flatnet_version.clone()),
        ("started", report.started.clone()),
        ("provider", run.provider.clone()),
        ("cni", run.cni.clone()),
        ("nodes", run.nodes.to_string()),
        ("pods", run.pods.to_string()),
        ("ip_family", run.ip_family.clone()),
    ];
    properties.extend(run.underlay.clone().map(|underlay| ("underlay", underlay)));
    properties.extend(run.mtu.map(|mtu| ("mtu", mtu.to_string())));
    properties.extend(run.planted.clone().map(|planted| ("planted", planted)));
    for (name, value) in properties {
        suite.add_property(Property::new(name, value));
    }
    let outcome = report.outcome();
    if !outcome.notes.is_empty() {
        suite.set_system_err(outcome.notes.join("\n"));
    }
    if let Some(diagnosis) = &report.diagnosis {
        let text = crate::report::diagnosis::render(diagnosis);
        suite.set_system_out(anstream::adapter::strip_str(&text).to_string());
    }
    suite.add_test_cases(report.checks.iter().map(|check| case(check, &words)));
    suite.add_test_cases(report.comparison.baseline.iter().map(compared));
    let mut document = quick_junit::Report::new("flatnet");
    document.add_test_suite(suite);
    Ok(document.to_string()?)
}

/// The comparison with a baseline, as one more test case.
fn compared(against: &Against) -> TestCase {
    let changes = against.diff.iter().flat_map(|diff| &diff.changes);
    let differences: Vec<&str> = changes
        .filter(|change| change.class != Class::Noise)
        .map(|change| change.text.as_str())
        .collect();
    let status = match &against.diff {
        Some(diff) if !diff.differs() => TestCaseStatus::success(),
        _ => {
            let other = "there is no baseline yet, or nodes or pods were added or removed";
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type("differs")
                .set_message(differences.first().copied().unwrap_or(other))
                .set_description(differences.join("\n"));
            status
        }
    };
    let mut case = TestCase::new("baseline", status);
    case.set_classname("flatnet.baseline");
    if let Some(diff) = &against.diff {
        case.set_system_out(diff.summary.as_str());
    }
    case
}

fn case(check: &CheckReport, words: &Words<'_>) -> TestCase {
    let verdict = words.verdict(&check.verdict);
    let status = match &verdict {
        Verdict::Pass { .. } | Verdict::Report { .. } => TestCaseStatus::success(),
        Verdict::Fail { evidence } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let whats: Vec<&str> = evidence
                .iter()
                .map(|evidence| evidence.what.as_str())
                .collect();
            let texts: Vec<String> = evidence
                .iter()
                .map(|evidence| evidence_lines(evidence).join("\n"))
                .collect();
            status
                .set_type("fail")
                .set_message(whats.join("; "))
                .set_description(texts.join("\n\n"));
            status
        }
        Verdict::Skip { reason } if check.required => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type("skipped")
                .set_message(format!("required, and skipped: {reason}"));
            status
        }
        Verdict::Skip { reason } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
        Verdict::Broken { error, .. } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("broken")
                .set_message("could not be measured")
                .set_description(error.as_str());
            status
        }
    };
    let mut case = TestCase::new(check.id.as_str(), status);
    case.set_classname("flatnet.checks");
    if let Verdict::Pass { facts } | Verdict::Report { facts } = &verdict {
        case.set_system_out(facts.join("\n"));
    }
    case
}
