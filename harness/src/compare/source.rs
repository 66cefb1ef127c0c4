//! Where one of two sides is read from: a file, a directory that `--report` wrote, or a revision of a git repository.
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flatnet_analysis::facts::inspected;
use flatnet_model::fact::Role;
use flatnet_model::inspection::{self, Inspection};
use serde_json::Value;

use super::Recorded;
use super::baseline::Baseline;
use crate::report::{self, ReportError};
use crate::{Error, Result};

/// No report of a lab or of a cluster of some thousand pods is larger.
const LARGEST: u64 = 4 << 30;

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
    let (text, name) = match given.strip_prefix("git:") {
        Some(rest) => (of_revision(given, rest)?, given.to_owned()),
        None => of_file(Path::new(given))?,
    };
    match text.trim_start().starts_with('{') {
        true => of_json(&name, &text),
        false if text.starts_with('<') => {
            let wrong = |why: &str| Error::Input(format!("{name}: {why}"));
            let json = report::html::embedded_json(&text);
            let json = json.ok_or_else(|| wrong("a page without a report of flatnet in it"))?;
            of_json(&name, &json.map_err(|e| wrong(&e.to_string()))?)
        }
        false if text.lines().any(|line| line.starts_with("flatnet:")) => {
            let baseline = Baseline::parse(Path::new(&name), &text)?;
            Ok(Source::Baseline(name, Box::new(baseline)))
        }
        false => Err(Error::Input(format!(
            "{name}: neither a report, nor a baseline, nor the JSON of flatnet inspect"
        ))),
    }
}

fn of_file(path: &Path) -> Result<(String, String)> {
    let path: PathBuf = match path.is_dir() {
        true => path.join("report.json"),
        false => path.to_owned(),
    };
    let wrong = |why: String| {
        Error::Input(format!(
            "{}: {why}; name a report.json or report.html, the directory of --report, a baseline, what `flatnet inspect --output json` printed, or git:REVISION:PATH",
            path.display()
        ))
    };
    // A FIFO or device is not opened: that may wait, or never end.
    let metadata = std::fs::metadata(&path).map_err(|e| wrong(e.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    let file = std::fs::File::open(&path).map_err(|e| wrong(e.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|e| wrong(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    Ok((text, path.display().to_string()))
}

/// `REV:PATH`, as `git show` takes it.
fn of_revision(given: &str, rest: &str) -> Result<String> {
    if rest.starts_with('-') || !rest.contains(':') {
        return Err(Error::Input(format!(
            "{given}: expected git:REVISION:PATH, for example git:HEAD~1:baselines/lab.yaml"
        )));
    }
    let output = Command::new("git")
        .args(["show", rest])
        .output()
        .map_err(|e| Error::Missing {
            what: format!("git, to read {given}: {e}"),
            remedy: "install git, or name a file".to_owned(),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("git says nothing").trim();
        return Err(Error::Input(format!(
            "{given}: {said}; name a revision and a path in the repository of this directory"
        )));
    }
    String::from_utf8(output.stdout).map_err(|_| Error::Input(format!("{given}: it is not text")))
}

fn of_json(name: &str, text: &str) -> Result<Source> {
    let wrong = |why: String| Error::Input(format!("{name}: {why}"));
    match report::json::parse(text) {
        Ok(report) => {
            let run = Recorded::of_report(name, &report).ok_or_else(|| {
                wrong("the report has no observations: the cluster of that run did not come up, or a program removed them".to_owned())
            })?;
            Ok(Source::Run(Box::new(run)))
        }
        Err(ReportError::Schema { found }) => Err(wrong(format!(
            "report has schema {found:?}, this flatnet reads {:?}; make it again with this version",
            report::SCHEMA
        ))),
        Err(error) => match serde_json::from_str::<Value>(text) {
            Ok(json) if json.get("answers").is_some() => of_inspection(name, json),
            Err(e) if e.is_eof() => Err(wrong(format!(
                "it ends in the middle (line {}): the report was cut short; make it again",
                e.line()
            ))),
            Err(e) => Err(wrong(format!("it is not JSON: {e}"))),
            Ok(_) => Err(wrong(format!(
                "it is not a report of flatnet test: {error}"
            ))),
        },
    }
}

fn of_inspection(name: &str, json: Value) -> Result<Source> {
    let wrong = |why: String| Error::Input(format!("{name}: {why}"));
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
    use flatnet_analysis::diff::diff;
    use flatnet_analysis::example::build::{Cluster, Style};

    use super::*;
    use crate::report::tests::judged;
    use flatnet_analysis::checks::Required;

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
}
