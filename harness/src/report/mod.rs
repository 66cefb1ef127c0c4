//! Shows what the checks found: pure consumers of one [`Report`].
//!
//! [`terminal`] and [`html`] for people, [`json`] (versioned, `docs/report-schema.md`) for programs and later comparison, [`junit`] and
//! [`summary`] for CI.
pub mod annotations;
mod blocks;
pub mod cluster;
pub mod comparison;
pub mod diagnosis;
pub mod diff;
pub mod html;
pub mod inspection;
pub mod json;
pub mod junit;
mod lines;
pub mod live;
pub mod matrix;
pub mod model;
pub mod outcome;
mod repeated;
pub mod route;
mod shallow;
pub mod summary;
pub mod sweep;
pub mod terminal;

#[cfg(test)]
pub(crate) mod tests;

use std::fs::Permissions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

pub use cluster::ClusterReport;
pub use comparison::{Against, Comparison};
pub use matrix::{Grid, Matrix, Share};
pub use model::{CheckReport, Gone, Phase, Report, Run, SCHEMA, outcome};
pub use outcome::{Counts, Outcome};

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or directory could not be written.
    #[error("write {}: {source}; name another directory with --report", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The report cannot be written as JSON, or the text is not a report.
    #[error("report as json: {0}")]
    Json(#[from] serde_json::Error),
    /// What is read cannot be opened.
    #[error("read the report: {0}")]
    Read(#[from] std::io::Error),
    /// The report does not fit JUnit's XML.
    #[error("report as junit xml: {0}")]
    Junit(#[from] quick_junit::SerializeError),
    /// A report of another version of the schema.
    #[error(
        "report has schema {found:?}, this flatnet reads {SCHEMA:?}; make it again with this version"
    )]
    Schema {
        /// What it says.
        found: String,
    },
}

/// What [`write_to`] writes.
pub const FILES: [&str; 4] = ["report.html", "report.json", "junit.xml", "summary.md"];

/// Writes [`FILES`] into `dir`, which is made where it is missing. Returns the paths.
///
/// # Errors
/// [`ReportError`]. Each file is complete or not there.
pub fn write_to(dir: &Path, report: &Report) -> Result<Vec<PathBuf>, ReportError> {
    let texts = [
        html::render(report)?,
        json::render(report)?,
        junit::render(report)?,
        summary::render(report),
    ];
    write_files(dir, FILES.into_iter().zip(texts))
}

/// Whether these `files` can be written into `dir`, which is made where it is missing: to be asked before a run, whose result
/// would otherwise be lost.
///
/// # Errors
/// [`ReportError::Write`].
pub fn check(dir: &Path, files: &[&str]) -> Result<(), ReportError> {
    aside(dir)?;
    for path in files.iter().map(|name| dir.join(name)) {
        if path.is_dir() {
            return Err(unwritten(&path)(ErrorKind::IsADirectory.into()));
        }
    }
    Ok(())
}

/// Each file is complete or not there: it is written aside and renamed.
fn write_files(
    dir: &Path,
    files: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    for (name, text) in files {
        let path = dir.join(name);
        let mut file = aside(dir)?;
        file.write_all(text.as_bytes()).map_err(unwritten(&path))?;
        file.persist(&path).map_err(|e| unwritten(&path)(e.error))?;
        written.push(path);
    }
    Ok(written)
}

/// A file in `dir` that goes away again unless it is renamed.
fn aside(dir: &Path) -> Result<NamedTempFile, ReportError> {
    std::fs::create_dir_all(dir).map_err(unwritten(dir))?;
    tempfile::Builder::new()
        .prefix(".report.")
        // Reports are for others too, as far as the umask lets them.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)
        .map_err(unwritten(dir))
}

fn unwritten(path: &Path) -> impl Fn(std::io::Error) -> ReportError + use<> {
    let path = path.to_owned();
    move |source| ReportError::Write {
        path: path.clone(),
        source,
    }
}
