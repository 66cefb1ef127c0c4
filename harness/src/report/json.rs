//! Reports and diagnoses for programs: the data, and for readers the sentences made of them.
use flatnet_analysis::words::{Text, Words};
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::evidence::Evidence;
use serde::Serialize;

use super::{CheckReport, Report, ReportError, SCHEMA};

/// Evidence with its text.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    evidence: Evidence,
    text: Text,
}

impl Told {
    fn by(words: &Words<'_>) -> impl FnMut(Evidence) -> Told {
        |evidence| Told {
            text: words.text(&evidence),
            evidence,
        }
    }
}

/// One JSON object, indented, with a newline at its end.
///
/// # Errors
/// [`ReportError::Json`].
pub fn render(report: &Report) -> Result<String, ReportError> {
    let words = report.words();
    let check = |check: CheckReport| CheckReport {
        id: check.id,
        promise: check.promise,
        verdict: check.verdict.map(Told::by(&words)),
    };
    let Report {
        schema,
        flatnet_version,
        started,
        run,
        phases,
        checks,
        matrix,
        diagnosis,
        observations,
    } = report.clone();
    let mut text = serde_json::to_string_pretty(&Report {
        schema,
        flatnet_version,
        started,
        run,
        phases,
        checks: checks.into_iter().map(check).collect(),
        matrix,
        diagnosis: diagnosis.map(told),
        observations,
    })?;
    text.push('\n');
    Ok(text)
}

/// One JSON object, indented.
///
/// # Errors
/// [`ReportError::Json`].
pub fn render_diagnosis(diagnosis: Diagnosis) -> Result<String, ReportError> {
    Ok(serde_json::to_string_pretty(&told(diagnosis))?)
}

fn told(diagnosis: Diagnosis) -> Diagnosis<Told> {
    let words = Words::of_diagnosis(&diagnosis);
    diagnosis.map(Told::by(&words))
}

/// Reads a report back.
///
/// # Errors
/// [`ReportError::Schema`] for another version of the schema, [`ReportError::Json`] with line and column otherwise.
pub fn parse(text: &str) -> Result<Report, ReportError> {
    // The schema first: with another one, the first field that differs would be a misleading complaint.
    #[derive(serde::Deserialize)]
    struct Versioned {
        schema: String,
    }
    let Versioned { schema } = serde_json::from_str(text)?;
    if schema != SCHEMA {
        return Err(ReportError::Schema { found: schema });
    }
    Ok(serde_json::from_str(text)?)
}
