//! Where one of two sides is read from: a file, a directory that `--report` wrote, or a revision of a git repository.
use std::borrow::Cow;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Recorded;
use crate::report::{self, ReportError};
use crate::{Error, Result};

/// No report of a lab or of a cluster of some thousand pods is larger.
const LARGEST: u64 = 4 << 30;

/// Reads one side.
///
/// # Errors
/// [`Error::Input`] says what of it cannot be read and why; [`Error::Missing`] where git is not there.
pub fn read(given: &str) -> Result<Recorded> {
    let (text, name) = match given.strip_prefix("git:") {
        Some(rest) => (of_revision(given, rest)?, given.to_owned()),
        None => of_file(Path::new(given))?,
    };
    recorded(&name, &text)
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
    let file = std::fs::File::open(&path).map_err(|e| wrong(e.to_string()))?;
    let metadata = file.metadata().map_err(|e| wrong(e.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
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

fn recorded(name: &str, text: &str) -> Result<Recorded> {
    let wrong = |why: String| Error::Input(format!("{name}: {why}"));
    let text = &match report::html::embedded_json(text) {
        Some(unpacked) => unpacked.map_err(|e| wrong(e.to_string()))?,
        None => Cow::Borrowed(text),
    };
    if !text.trim_start().starts_with('{') {
        return Err(wrong(
            "neither a report nor the JSON of flatnet inspect".to_owned(),
        ));
    }
    match report::json::parse(text) {
        Ok(report) => Recorded::of_report(name, &report).ok_or_else(|| {
            wrong("the report has no observations: the cluster of that run did not come up, or a program removed them".to_owned())
        }),
        Err(ReportError::Schema { found }) => Err(wrong(format!(
            "report has schema {found:?}, this flatnet reads {:?}; make it again with this version",
            report::SCHEMA
        ))),
        Err(error) => Err(wrong(unreadable(text, &error.to_string()))),
    }
}

/// Why it is no report: one cut short is told apart from one that never was a report.
fn unreadable(text: &str, error: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Err(e) if e.is_eof() => format!(
            "it ends in the middle (line {}): the report was cut short; make it again",
            e.line()
        ),
        Err(e) => format!("it is not JSON: {e}"),
        Ok(_) => format!("it is not a report of flatnet test: {error}"),
    }
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
        let read = |name: &str| read(&dir.path().join(name).display().to_string());
        let (page, json) = (read("report.html").unwrap(), read("report.json").unwrap());
        let diff = diff(&page.side(), &json.side());
        assert!(!diff.differs() && diff.same > 0, "{}", diff.summary);

        let whole = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
        std::fs::write(dir.path().join("cut.html"), &whole[..whole.len() - 4000]).unwrap();
        std::fs::write(dir.path().join("other.html"), "<html></html>").unwrap();
        let cut = read("cut.html").unwrap_err().to_string();
        assert!(cut.contains("the report was cut short"), "{cut}");
        let other = read("other.html").unwrap_err().to_string();
        assert!(other.contains("neither a report"), "{other}");
    }
}
