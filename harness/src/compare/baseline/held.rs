//! A baseline's file, and what a run leaves beside it.
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tempfile::NamedTempFile;

use super::accept::with_facts;
use super::write::{entries, render};
use super::{Baseline, Judgement, beside, judge};
use crate::compare::Recorded;
use crate::report::Against;
use crate::{Error, Result};

/// A baseline that was read before the run.
#[derive(Clone, Debug)]
pub struct Held {
    path: PathBuf,
    /// Its text and what that says; nothing where there is no file yet.
    read: Option<(String, Baseline)>,
}

/// Today, UTC: an allowance ends on the same day everywhere.
pub fn today() -> Date {
    Zoned::new(Timestamp::now(), TimeZone::UTC).date()
}

impl Held {
    /// Reads it. A file that is not there yet is a baseline without facts: a run finds all of them new.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that cannot be read or is not a baseline, and where nothing can be written beside it.
    pub fn read(path: &Path) -> Result<Held> {
        let wrong = |e: std::io::Error| {
            Error::Input(format!(
                "--baseline {}: {e}; name a file that can be read, or one that is not there yet in a directory that is",
                path.display()
            ))
        };
        let read = match std::fs::read_to_string(path) {
            Ok(text) => {
                let baseline = Baseline::parse(path, &text)?;
                Some((text, baseline))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(wrong(e)),
        };
        // Better known before the run than after it.
        aside(path).map_err(wrong)?;
        Ok(Held {
            path: path.to_owned(),
            read,
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there was a file.
    pub fn is_there(&self) -> bool {
        self.read.is_some()
    }

    /// Its text; none where there was no file.
    pub fn text(&self) -> Option<&str> {
        self.read.as_ref().map(|(text, _)| text.as_str())
    }

    /// Compares a run with it.
    pub fn judge(&self, run: &Recorded) -> Judgement {
        let none = Baseline::default();
        let baseline = self.read.as_ref().map_or(&none, |(_, baseline)| baseline);
        judge(baseline, &self.path.display().to_string(), run, today())
    }

    /// Compares a run with it, `made` saying what that was observed on; and whether what [`Held::leave`] leaves could be written.
    pub fn against(&self, run: &Recorded, made: &str) -> (Against, Result<()>) {
        let judgement = self.judge(run);
        let wrote = self.leave(&judgement, made);
        let path = wrote.as_ref().ok().and_then(Option::as_ref);
        let against = Against {
            file: self.path.display().to_string(),
            diff: self.is_there().then_some(judgement.diff),
            allowed: judgement.allowed,
            unused: judgement.unused,
            over: judgement.over,
            wrote: path.map(|path| path.display().to_string()),
        };
        (against, wrote.map(drop))
    }

    /// Leaves what a run found beside it where the run differs, `made` saying what it was observed on, and takes away what an
    /// earlier run left where it does not. Returns the path of what is there now.
    ///
    /// # Errors
    /// [`Error::Failed`] where it cannot be written.
    pub fn leave(&self, judgement: &Judgement, made: &str) -> Result<Option<PathBuf>> {
        let new = beside(&self.path);
        let failed = |e: std::io::Error| {
            Error::Failed(format!("write {}: {e}; free space there", new.display()))
        };
        if self.read.is_some() && !judgement.differs() {
            // Only what flatnet wrote: a file of that name may be somebody else's.
            let stale = std::fs::read_to_string(&new).ok();
            if stale.is_some_and(|text| Baseline::parse(&new, &text).is_ok()) {
                std::fs::remove_file(&new).map_err(failed)?;
            }
            return Ok(None);
        }
        let text = match &self.read {
            Some((text, _)) => with_facts(text, &entries(&judgement.facts)),
            None => render(made, &judgement.facts),
        };
        let mut file = aside(&self.path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.persist(&new).map_err(|e| failed(e.error))?;
        Ok(Some(new))
    }
}

/// Writes a baseline's text: the file is the old one or the new one, whole.
///
/// # Errors
/// [`Error::Failed`] where it cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::Failed(format!("write {}: {e}; free space there", path.display()))
    };
    let mut file = aside(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// A file in the same directory that goes away again unless it is renamed.
fn aside(path: &Path) -> std::io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".baseline.")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
}
