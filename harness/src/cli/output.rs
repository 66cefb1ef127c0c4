//! The one place that writes to standard output and standard error. Neither a reader that is gone nor a full device ends a run.
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::{Error, Result, report};

/// Prints `text` as it is on standard output, without colours where that is not a terminal. A reader that has gone away has
/// read what it wanted, which is not an error.
///
/// # Errors
/// [`Error::Failed`] where standard output takes no more, as a full disk does.
pub(super) fn print(text: impl Display) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Error::Failed(format!(
            "write to standard output: {e}; free space there, or send the output elsewhere"
        ))),
        Ok(()) => Ok(()),
    }
}

/// As [`print()`], with a line break at the end.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_line(text: impl Display) -> Result<()> {
    print(format_args!("{text}\n"))
}

/// Columns of the terminal that standard output is; none where it is none.
pub(super) fn width() -> Option<u16> {
    comfy_table::Table::new().width()
}

/// Says a line on standard error. What cannot be said even there is dropped.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Whether the `files` of a report can be written into the directory of `--report`, where one is named.
///
/// # Errors
/// [`Error::Input`] where they cannot: better known before a run than after it.
pub(super) fn check_report(dir: Option<&Path>, files: &[&str]) -> Result<()> {
    dir.map_or(Ok(()), |dir| report::check(dir, files))
        .map_err(|e| Error::Input(e.to_string()))
}

/// The exit code of a command that judged `verdict`, after its results were written: what could not be written is said, and
/// turns only a green verdict into [`Error::Failed`]'s.
pub(super) fn delivered(verdict: u8, writes: impl IntoIterator<Item = Result<()>>) -> u8 {
    let mut code = verdict;
    for error in writes.into_iter().filter_map(Result::err) {
        say(format_args!("error: {error}"));
        if code == 0 {
            code = error.exit_code();
        }
    }
    code
}
