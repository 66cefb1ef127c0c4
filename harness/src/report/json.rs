//! Reports and diagnoses for programs: the data, and for readers the sentences made of them.
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use flatnet_analysis::words::{Text, Words};
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::evidence::Evidence;
use flatnet_model::fact::Fact;
use flatnet_model::observations::Observations;
use flatnet_model::skip::SkipReason;
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    CheckReport, Comparison, Matrix, Outcome, Phase, Report, ReportError, Run, SCHEMA, shallow,
};

/// Data with its text.
#[derive(Serialize)]
struct Told<D, T> {
    #[serde(flatten)]
    data: D,
    text: T,
}

fn evidence(words: &Words<'_>) -> impl FnMut(Evidence) -> Told<Evidence, Text> {
    |data| Told {
        text: words.text(&data),
        data,
    }
}

fn reason(words: &Words<'_>) -> impl FnOnce(SkipReason) -> Told<SkipReason, String> {
    |data| Told {
        text: words.skip(&data),
        data,
    }
}

/// A [`Report`] as it is written: with its words, and with what follows from it.
#[derive(Serialize)]
struct Written<'a> {
    schema: &'a str,
    flatnet_version: &'a str,
    started: &'a str,
    run: &'a Run,
    phases: &'a [Phase],
    outcome: Outcome,
    checks: Vec<CheckReport<Told<Evidence, Text>, Told<SkipReason, String>>>,
    matrix: &'a Matrix,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnosis: Option<Diagnosis<Told<Evidence, Text>>>,
    #[serde(skip_serializing_if = "Comparison::is_empty")]
    comparison: &'a Comparison,
    #[serde(skip_serializing_if = "<[Fact]>::is_empty")]
    facts: Cow<'a, [Fact]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observations: Option<&'a Observations>,
}

/// One JSON object, with a newline at its end.
///
/// # Errors
/// [`ReportError::Json`].
pub fn render(report: &Report) -> Result<String, ReportError> {
    shallow::render(&written(report))
}

/// The same on one line.
///
/// # Errors
/// [`ReportError::Json`].
pub fn compact(report: &Report) -> Result<String, ReportError> {
    Ok(serde_json::to_string(&written(report))?)
}

fn written(report: &Report) -> Written<'_> {
    let words = report.words();
    let check = |check: CheckReport| CheckReport {
        id: check.id,
        promise: check.promise,
        required: check.required,
        verdict: check.verdict.map(evidence(&words), reason(&words)),
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
        comparison,
        facts: _,
        observations,
    } = report;
    Written {
        schema,
        flatnet_version,
        started,
        run,
        phases,
        outcome: report.outcome(),
        checks: checks.iter().cloned().map(check).collect(),
        matrix,
        diagnosis: diagnosis.clone().map(told),
        comparison,
        facts: report.facts(),
        observations: observations.as_ref(),
    }
}

/// One JSON object, indented.
///
/// # Errors
/// [`ReportError::Json`].
pub fn render_diagnosis(diagnosis: Diagnosis) -> Result<String, ReportError> {
    Ok(serde_json::to_string_pretty(&told(diagnosis))?)
}

fn told(diagnosis: Diagnosis) -> Diagnosis<Told<Evidence, Text>> {
    let words = Words::of_diagnosis(&diagnosis);
    diagnosis.map(evidence(&words))
}

/// Reads a report back, or as much of it as `T` has; the rest is skipped as it is read, and never held. What `open` opens is read from
/// its beginning twice.
///
/// # Errors
/// [`ReportError::Schema`] for another version of the schema, [`ReportError::Json`] with line and column otherwise;
/// [`ReportError::Read`] where it cannot be opened.
pub fn read<T: DeserializeOwned, R: Read>(
    open: impl Fn() -> io::Result<R>,
) -> Result<T, ReportError> {
    // The schema first: with another one, the first field that differs would be a misleading complaint.
    let found = schema(open()?)?;
    if found != SCHEMA {
        return Err(ReportError::Schema { found });
    }
    Ok(serde_json::from_reader(open()?)?)
}

/// What is said under `schema`, and no byte behind that: flatnet writes it first.
fn schema(reader: impl Read) -> serde_json::Result<String> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let read = deserializer.deserialize_map(Schema(&mut found));
    match found {
        Some(found) => Ok(found),
        None => read.and_then(|()| Err(serde_json::Error::missing_field("schema"))),
    }
}

struct Schema<'a>(&'a mut Option<String>);

impl<'de> Visitor<'de> for Schema<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "schema" {
                *self.0 = Some(map.next_value()?);
                break;
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
