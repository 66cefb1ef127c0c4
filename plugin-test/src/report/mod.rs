//! What is said of a plugin, in the formats that people and programs read.
mod json;
mod junit;
mod markdown;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use text::text;

use crate::Error;
use crate::run::Outcome;

/// Names of the files that [`write_to`] writes.
pub const FILES: [&str; 3] = ["plugin-test.json", "junit.xml", "summary.md"];

/// Writes [`FILES`] into the folder, which is made where it is missing; their paths.
///
/// # Errors
/// [`Error::Write`].
pub fn write_to(folder: &Path, outcomes: &[Outcome], strict: bool) -> Result<Vec<PathBuf>, Error> {
    let failed = |path: &Path, cause| Error::Write {
        path: path.to_owned(),
        cause,
    };
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let contents = [
        json(outcomes, strict)?,
        junit(outcomes, strict)?,
        markdown(outcomes),
    ];
    let mut paths = Vec::new();
    for (name, content) in FILES.iter().zip(contents) {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|e| failed(&path, e))?;
        paths.push(path);
    }
    Ok(paths)
}
