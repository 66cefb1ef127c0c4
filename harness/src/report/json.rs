//! The report for programs.
use super::{Report, ReportError, SCHEMA};

/// One JSON object, indented, with a newline at its end.
///
/// # Errors
/// [`ReportError::Json`].
pub fn render(report: &Report) -> Result<String, ReportError> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
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
