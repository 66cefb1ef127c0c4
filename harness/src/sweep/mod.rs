//! A table of configurations, each with what is expected of it, run on labs side by side.
//!
//! [`file`](mod@file) is the form of the table, `options` what a row may say, `conflist` the CNI configurations that it changes, `rows` expands
//! products to each `row`, `config` makes a run of a row, `run` runs them, `expect` compares. The format is told in `docs/sweep.md`.
mod config;
mod conflist;
mod expect;
mod file;
mod jobs;
mod key_path;
mod options;
mod row;
mod rows;
mod run;
mod word;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub use file::SCHEMA;
pub use run::OnRow;

use crate::report::sweep::Sweep;
use crate::{Error, Result};
use config::Config;
use file::File;
use row::{Row, described};
use run::Job;

/// A table that was read, before anything of it runs.
pub struct Planned {
    file: PathBuf,
    jobs: Vec<Job>,
    /// Conflists of rows; goes with the table.
    _conflists: TempDir,
}

impl Planned {
    /// Reads a file, and of it the rows of these names; all, where there is none.
    ///
    /// # Errors
    /// [`Error::Input`] with file, line, and what is allowed; also for a row that `flatnet test` would not take, unless the file expects that.
    pub fn read(path: &Path, names: &[String]) -> Result<Planned> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::Input(format!("{}: {e}; name a sweep's file", path.display())))?;
        let file = File::parse(path, &text)?;
        let rows = rows::named(rows::rows(path, &text, &file)?, names)?;
        let conflists = tempfile::Builder::new()
            .prefix("flatnet-sweep.")
            .tempdir()
            .map_err(|e| Error::failed("make a folder for conflists", e))?;
        let mut jobs = Vec::new();
        for row in rows {
            let config = Config::of(&row.options, &dir_of(conflists.path(), &row)?);
            match config {
                Err(e @ Error::Input(_)) if row.refusal().is_none() => {
                    let name = &row.name;
                    let matrix = row.group.as_ref().unwrap_or(name);
                    let why = format!("row {name}: {e}");
                    return Err(rows::wrong(path, &text, &["name", matrix], why));
                }
                config => jobs.push(Job {
                    at: jobs.len(),
                    row,
                    config,
                }),
            }
        }
        Ok(Planned {
            file: path.to_owned(),
            jobs,
            _conflists: conflists,
        })
    }

    /// Name and options of each row.
    pub fn rows(&self) -> impl Iterator<Item = (&str, String)> {
        let rows = self.jobs.iter().map(|job| &job.row);
        rows.map(|row| (row.name.as_str(), described(&row.options)))
    }

    /// As many as this machine takes side by side.
    pub fn fitting_jobs(&self) -> usize {
        let ends = self.jobs.iter().map(|job| job.row.ends()).max();
        jobs::fitting(ends.unwrap_or_default())
            .min(self.jobs.len())
            .max(1)
    }

    /// Runs all rows, so many side by side.
    ///
    /// # Errors
    /// [`Error::Interrupted`], after every lab is gone.
    pub fn run(self, jobs: usize, on_row: OnRow) -> Result<Sweep> {
        run::run(&self.file, self.jobs, jobs, on_row)
    }
}

/// A folder for the conflist of a row.
fn dir_of(conflists: &Path, row: &Row) -> Result<PathBuf> {
    let dir = conflists.join(&row.name);
    std::fs::create_dir(&dir).map_err(|e| Error::failed("make a folder for a conflist", e))?;
    Ok(dir)
}
