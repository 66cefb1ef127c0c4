//! What a side is read from. It is opened as often as it is read: a report of many pods is larger than what is kept of it.
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::html;
use crate::{Error, Result};

/// Of what is held as a whole no more is read than this, bytes: baselines, pages, answers of `flatnet inspect`.
const LARGEST: u64 = 4 << 30;

/// Where bytes come from.
pub(super) enum Content {
    /// A file.
    File(PathBuf),
    /// What git printed.
    Text(Vec<u8>),
    /// A page with a report in it.
    Page(String),
}

/// Bytes, from the beginning.
pub(super) type Reader<'a> = BufReader<Box<dyn Read + 'a>>;

impl Content {
    /// A file or directory of a run, or `git:REVISION:PATH`; with its name.
    ///
    /// # Errors
    /// [`Error::Input`] for what cannot be read; [`Error::Missing`] where git is not there.
    pub(super) fn of(given: &str) -> Result<(Content, String)> {
        match given.strip_prefix("git:") {
            Some(rest) => Ok((Content::Text(of_revision(given, rest)?), given.to_owned())),
            None => of_file(Path::new(given)),
        }
    }

    /// Begins to read it.
    ///
    /// # Errors
    /// Of the file. What can only be seen later, the reader says.
    pub(super) fn open(&self) -> io::Result<Reader<'_>> {
        let reader: Box<dyn Read + '_> = match self {
            Content::File(path) => Box::new(File::open(path)?),
            Content::Text(bytes) => Box::new(&bytes[..]),
            Content::Page(page) => html::embedded_json(page)
                .ok_or_else(|| io::Error::other("a page without a report of flatnet in it"))?,
        };
        Ok(BufReader::with_capacity(BUFFER, reader))
    }

    /// The first byte of it that is not white space.
    pub(super) fn first(&self) -> io::Result<Option<u8>> {
        let mut bytes = self.open()?.bytes();
        let is_space =
            |byte: &io::Result<u8>| matches!(byte, Ok(byte) if byte.is_ascii_whitespace());
        bytes.find(|byte| !is_space(byte)).transpose()
    }

    /// All of it.
    pub(super) fn text(&self) -> io::Result<String> {
        let mut text = String::new();
        self.open()?.take(LARGEST).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// How much is read of a file at once, bytes.
const BUFFER: usize = 1 << 16;

fn of_file(path: &Path) -> Result<(Content, String)> {
    let path: PathBuf = match path.is_dir() {
        true => path.join("report.json"),
        false => path.to_owned(),
    };
    let name = path.display().to_string();
    let wrong = |why: String| {
        Error::Input(format!(
            "{name}: {why}; name a report.json or report.html, the directory of --report, a baseline, what `flatnet inspect --output json` printed, or git:REVISION:PATH"
        ))
    };
    // A FIFO or device is not opened: that may wait, or never end.
    let metadata = std::fs::metadata(&path).map_err(|e| wrong(e.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    File::open(&path).map_err(|e| wrong(e.to_string()))?;
    Ok((Content::File(path), name))
}

/// `REV:PATH`, as `git show` takes it.
fn of_revision(given: &str, rest: &str) -> Result<Vec<u8>> {
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
    Ok(output.stdout)
}
