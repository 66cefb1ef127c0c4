//! What came of a table of configurations: [`text`] for people, [`markdown`] and [`junit`] for CI, JSON for programs.
mod junit;
mod markdown;
mod text;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Counts, ReportError, write_files};
use flatnet_analysis::words::count;

pub use junit::junit;
pub use markdown::markdown;
pub use text::text;

/// The version of the JSON form.
pub const SCHEMA: &str = "flatnet.sweep/v1";

/// What [`write_to`] writes.
pub const FILES: [&str; 3] = ["sweep.json", "junit.xml", "summary.md"];

/// A table of configurations after it was run.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Version of the flatnet that ran.
    pub flatnet_version: &'static str,
    /// Start, RFC 3339, UTC, whole seconds.
    pub started: String,
    /// The file, as it was named.
    pub file: String,
    /// How many rows ran side by side at most.
    pub jobs: usize,
    /// Wall time of all, milliseconds.
    pub ms: u64,
    /// Worst first, those of one kind in the file's order.
    pub rows: Vec<RowReport>,
}

/// One configuration.
#[derive(Clone, Debug, Serialize)]
pub struct RowReport {
    /// Its name in the file.
    pub name: String,
    /// The matrix that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<String>,
    /// Its options in words.
    pub options: String,
    /// How it compares with what is expected.
    pub result: RowResult,
    /// Everything in which it is not as expected.
    pub misses: Vec<Miss>,
    /// What its checks found; absent where there was no run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Counts>,
    /// The command that runs it alone.
    pub repeat: String,
    /// Wall time, milliseconds.
    pub ms: u64,
}

/// How a row compares with what is expected of it; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowResult {
    /// Something is otherwise.
    Unexpected,
    /// Something could not be measured, and nothing was otherwise.
    Broken,
    /// All is as expected.
    AsExpected,
}

/// Something in which a row is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Whether that was measured; otherwise it says why it could not be.
    pub measured: bool,
}

impl Miss {
    /// Something measured that is otherwise.
    pub fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Miss {
            expected: expected.into(),
            seen: seen.into(),
            measured: true,
        }
    }

    /// Something that could not be measured.
    pub fn broken(expected: impl Into<String>, why: impl Into<String>) -> Self {
        Miss {
            measured: false,
            ..Miss::new(expected, why)
        }
    }
}

impl RowResult {
    /// What these come to.
    pub fn of(misses: &[Miss]) -> Self {
        match misses {
            [] => RowResult::AsExpected,
            misses if misses.iter().any(|miss| miss.measured) => RowResult::Unexpected,
            _ => RowResult::Broken,
        }
    }
}

impl Sweep {
    fn of(&self, result: RowResult) -> impl Iterator<Item = &RowReport> {
        self.rows.iter().filter(move |row| row.result == result)
    }

    /// 1 where a row is not as expected, else 4 where one could not be measured, else 0.
    pub fn exit_code(&self) -> u8 {
        match self.rows.iter().map(|row| row.result).min() {
            Some(RowResult::Unexpected) => 1,
            Some(RowResult::Broken) => 4,
            Some(RowResult::AsExpected) | None => 0,
        }
    }

    /// `156 configurations: 155 as expected, 1 not; 48.2 s, 6 side by side`.
    pub fn closing(&self) -> String {
        let number = |result| self.of(result).count();
        let mut text = format!(
            "{}: {} as expected, {} not",
            count(self.rows.len(), "configuration"),
            number(RowResult::AsExpected),
            number(RowResult::Unexpected),
        );
        match number(RowResult::Broken) {
            0 => {}
            n => text += &format!(", {n} could not be measured"),
        }
        text + &format!("; {}, {} side by side at most", seconds(self.ms), self.jobs)
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

/// Indented JSON, with a newline at its end.
///
/// # Errors
/// [`ReportError::Json`].
pub fn json(sweep: &Sweep) -> Result<String, ReportError> {
    Ok(serde_json::to_string_pretty(sweep)? + "\n")
}

/// Writes [`FILES`] into `dir`, which is made where it is missing. Returns the paths.
///
/// # Errors
/// [`ReportError`]. Each file is complete or not there.
pub fn write_to(dir: &Path, sweep: &Sweep) -> Result<Vec<PathBuf>, ReportError> {
    let texts = [json(sweep)?, junit(sweep)?, markdown(sweep)];
    write_files(dir, FILES.into_iter().zip(texts))
}
