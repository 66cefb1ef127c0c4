//! Where one of two sides is read from: a file, a directory that `--report` wrote, or a revision of a git repository.
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use flatnet_analysis::facts::inspected;
use flatnet_model::fact::Role;
use flatnet_model::inspection::{self, Inspection};
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};
use serde_json::Value;
use serde_json::error::Category;

use super::Recorded;
use super::baseline::Baseline;
use super::content::Content;
use crate::report::{self, ReportError};
use crate::{Error, Result};

/// What a side is.
enum Source {
    /// A run, with what it observed.
    Run(Box<Recorded>),
    /// What a run is to be like.
    Baseline(String, Box<Baseline>),
    /// Answers of `flatnet inspect`.
    Inspection(Box<Recorded>),
}

/// Reads two sides.
///
/// # Errors
/// [`Error::Input`] says what of which cannot be read and why, and which two cannot be compared; [`Error::Missing`] where git is not
/// there.
pub fn read(before: &str, after: &str) -> Result<(Recorded, Recorded)> {
    let (a, b) = (source(before)?, source(after)?);
    let everybody = [&a, &b].into_iter().flat_map(Source::roles).collect();
    let two = format!(
        "{before} and {after}: answers of flatnet inspect are compared with answers only; give two of a kind"
    );
    match (&a, &b) {
        (Source::Inspection(_), Source::Inspection(_)) => {}
        (Source::Inspection(_), _) | (_, Source::Inspection(_)) => return Err(Error::Input(two)),
        _ => {}
    }
    Ok((a.recorded(&everybody), b.recorded(&everybody)))
}

impl Source {
    fn roles(&self) -> BTreeSet<Role> {
        match self {
            Source::Run(run) | Source::Inspection(run) => {
                run.facts().iter().map(|fact| fact.key.subject).collect()
            }
            Source::Baseline(_, baseline) => baseline.roles(),
        }
    }

    fn recorded(self, everybody: &BTreeSet<Role>) -> Recorded {
        match self {
            Source::Run(run) | Source::Inspection(run) => *run,
            Source::Baseline(name, baseline) => Recorded::of_facts(name, baseline.facts(everybody)),
        }
    }
}

fn source(given: &str) -> Result<Source> {
    let (content, name) = Content::of(given)?;
    let wrong = |why: &str| Error::Input(format!("{name}: {why}"));
    let unread = |e: io::Error| match e.kind() {
        io::ErrorKind::InvalidData => wrong("it is not text"),
        _ => wrong(&e.to_string()),
    };
    match content.first().map_err(unread)? {
        Some(b'{') => of_json(&name, &content),
        Some(b'<') => {
            let page = Content::Page(content.text().map_err(unread)?);
            page.open().map_err(unread)?;
            of_json(&name, &page)
        }
        _ => {
            let text = content.text().map_err(unread)?;
            if !text.lines().any(|line| line.starts_with("flatnet:")) {
                return Err(wrong(
                    "neither a report, nor a baseline, nor the JSON of flatnet inspect",
                ));
            }
            let baseline = Baseline::parse(Path::new(&name), &text)?;
            Ok(Source::Baseline(name, Box::new(baseline)))
        }
    }
}

fn of_json(name: &str, content: &Content) -> Result<Source> {
    let wrong = |why: String| Error::Input(format!("{name}: {why}"));
    match Recorded::read(name, || content.open()) {
        Ok(Some(run)) => Ok(Source::Run(Box::new(run))),
        Ok(None) => Err(wrong("the report has no observations: the cluster of that run did not come up, or a program removed them".to_owned())),
        Err(ReportError::Schema { found }) => Err(wrong(format!(
            "report has schema {found:?}, this flatnet reads {:?}; make it again with this version",
            report::SCHEMA
        ))),
        // JSON, but no report.
        Err(ReportError::Json(error)) if error.is_data() => match is_inspection(content) {
            Ok(true) => of_inspection(name, content),
            Ok(false) => Err(wrong(format!(
                "it is not a report of flatnet test: {}",
                ReportError::Json(error)
            ))),
            Err(broken) => Err(wrong(no_json(&broken))),
        },
        Err(ReportError::Json(broken)) => Err(wrong(no_json(&broken))),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn no_json(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => format!(
            "it ends in the middle (line {}): the report was cut short; make it again",
            error.line()
        ),
        // The reader's own words.
        Category::Io => error.to_string(),
        Category::Syntax | Category::Data => format!("it is not JSON: {error}"),
    }
}

/// Whether it has answers; nothing of it is held.
fn is_inspection(content: &Content) -> serde_json::Result<bool> {
    #[derive(Deserialize)]
    struct Answered {
        answers: Option<IgnoredAny>,
    }
    let opened = content.open().map_err(serde_json::Error::custom)?;
    let Answered { answers } = serde_json::from_reader(opened)?;
    Ok(answers.is_some())
}

fn of_inspection(name: &str, content: &Content) -> Result<Source> {
    let wrong = |why: String| Error::Input(format!("{name}: {why}"));
    let text = content.text().map_err(|e| wrong(e.to_string()))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| wrong(no_json(&e)))?;
    let schema = json.get("schema").cloned().unwrap_or_default();
    if schema != inspection::SCHEMA {
        return Err(wrong(format!(
            "answers have schema {schema}, this flatnet reads {}; ask again with this version",
            inspection::SCHEMA
        )));
    }
    let inspection: Inspection = serde_json::from_value(json)
        .map_err(|e| wrong(format!("not what flatnet inspect prints: {e}")))?;
    let facts = inspected::facts(&inspection);
    Ok(Source::Inspection(Box::new(Recorded::of_facts(
        name, facts,
    ))))
}

#[cfg(test)]
mod tests {
    use flatnet_analysis::checks::all;
    use flatnet_analysis::diff::{Side, diff};
    use flatnet_analysis::example::build::{Cluster, Style};

    use super::*;
    use crate::report::tests::judged;
    use flatnet_analysis::checks::Required;
    use flatnet_model::probe::{DialOutcome, Failure};

    #[test]
    fn a_page_is_read_like_the_report_that_is_in_it() {
        let observations = Cluster::new(Style::Direct, 2, 2).observe();
        let checks: Vec<_> = all().iter().collect();
        let report = judged(observations, &checks, &Required::OfProvider);
        let dir = tempfile::tempdir().unwrap();
        report::write_to(dir.path(), &report).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let read = |name: &str| read(&path(name), &path("report.json"));
        let (page, json) = read("report.html").unwrap();
        let diff = diff(&page.side(), &json.side());
        assert!(!diff.differs() && diff.same > 0, "{}", diff.summary);

        let whole = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
        std::fs::write(dir.path().join("cut.html"), &whole[..whole.len() - 4000]).unwrap();
        std::fs::write(dir.path().join("other.html"), "<html></html>").unwrap();
        let cut = read("cut.html").unwrap_err().to_string();
        assert!(cut.contains("the report was cut short"), "{cut}");
        let other = read("other.html").unwrap_err().to_string();
        assert!(other.contains("a page without a report"), "{other}");
    }

    /// A report with a failure, and its text.
    fn failing() -> (tempfile::TempDir, String) {
        let mut observations = Cluster::new(Style::Vxlan, 3, 2).observe();
        let checks: Vec<_> = all().iter().collect();
        for dial in &mut observations.dials {
            if dial.from == observations.pods[0].endpoint() {
                dial.result = DialOutcome::Failed {
                    kind: Failure::TimedOut,
                    detail: "no answer".to_owned(),
                    attempts: 3,
                };
            }
        }
        let mut report = judged(observations, &checks, &Required::OfProvider);
        report.flatnet_version = env!("CARGO_PKG_VERSION").to_owned();
        let dir = tempfile::tempdir().unwrap();
        report::write_to(dir.path(), &report).unwrap();
        let text = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
        (dir, text)
    }

    fn recorded(text: &str) -> Result<Recorded> {
        let content = Content::Text(text.as_bytes().to_vec());
        match of_json("it", &content)? {
            Source::Run(run) => Ok(*run),
            _ => panic!("not a run"),
        }
    }

    #[test]
    fn facts_that_a_report_carries_are_those_that_follow_from_what_it_observed() {
        let (_dir, text) = failing();
        let carried = recorded(&text).unwrap();
        let version = format!("\"flatnet_version\": \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version));
        let older = text.replace(&version, "\"flatnet_version\": \"0.0.1\"");
        let derived = recorded(&older).unwrap();
        assert_eq!(carried.facts(), derived.facts());
        let (a, b) = (carried.side(), derived.side());
        assert_eq!(a.names, b.names);
        assert!(!a.evidence.is_empty());
        assert_eq!(a.evidence, b.evidence);
        let json = |side: &Side<'_>| serde_json::to_value(side.observations.unwrap()).unwrap();
        assert_eq!(json(&a), json(&b));

        // What the facts of this version are made of is not read, that of another is.
        let odd = |text: &str| {
            let (before, dials) = text.split_once("\"dials\"").unwrap();
            let dials = dials.replace("\"transport\": \"tcp\"", "\"transport\": \"pigeon\"");
            format!("{before}\"dials\"{dials}")
        };
        assert_eq!(recorded(&odd(&text)).unwrap().facts(), carried.facts());
        let refused = recorded(&odd(&older)).unwrap_err().to_string();
        assert!(refused.contains("unknown variant `pigeon`"), "{refused}");
    }

    #[test]
    fn a_report_that_is_broken_or_cut_is_refused_with_the_place_where() {
        let (_dir, text) = failing();
        let dials = text.find("\"dials\"").unwrap();
        let at = dials + text[dials..].find("\"tcp\"").unwrap();
        let line = text[..at].matches('\n').count() + 1;
        let broken = format!("{}#{}", &text[..at], &text[at + 5..]);
        let cut = &text[..at];
        let longer = format!("{text}]");
        for (text, says) in [
            (
                &broken[..],
                format!("it: it is not JSON: expected value at line {line} column"),
            ),
            (
                cut,
                format!("it: it ends in the middle (line {line}): the report was cut short"),
            ),
            (
                &longer,
                "it: it is not JSON: trailing characters at line".to_owned(),
            ),
        ] {
            let said = recorded(text).unwrap_err().to_string();
            assert!(said.starts_with(&says), "{said}, not {says}");
        }
    }
}
