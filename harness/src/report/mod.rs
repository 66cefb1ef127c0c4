//! Shows what the checks found: pure consumers of one [`Report`].
//!
//! [`terminal`] for people, [`json`] (versioned, `docs/report-schema.md`) for programs and later comparison, [`junit`] and [`summary`] for CI.
pub mod cluster;
pub mod diagnosis;
pub mod inspection;
pub mod json;
pub mod junit;
mod lines;
pub mod matrix;
pub mod model;
pub mod route;
pub mod summary;
pub mod terminal;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use cluster::ClusterReport;
pub use matrix::{Grid, Matrix, Share};
pub use model::{CheckReport, Counts, Phase, Report, Run, SCHEMA};

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

/// Writes `report.json`, `junit.xml` and `summary.md` into `dir`, which is made where it is missing. Returns the paths.
///
/// # Errors
/// [`ReportError`]. Each file is complete or not there: it is written aside and renamed.
pub fn write_to(dir: &Path, report: &Report) -> Result<Vec<PathBuf>, ReportError> {
    let files = [
        ("report.json", json::render(report)?),
        ("junit.xml", junit::render(report)?),
        ("summary.md", summary::render(report)),
    ];
    write_files(dir, &files)
}

/// Each file is complete or not there: it is written aside and renamed.
fn write_files(dir: &Path, files: &[(&str, String)]) -> Result<Vec<PathBuf>, ReportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| ReportError::Write { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let mut written = Vec::new();
    for (name, text) in files {
        let path = dir.join(name);
        let aside = dir.join(format!(".{name}.{}", std::process::id()));
        std::fs::write(&aside, text).map_err(failed(&aside))?;
        std::fs::rename(&aside, &path).map_err(failed(&path))?;
        written.push(path);
    }
    Ok(written)
}
