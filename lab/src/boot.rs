//! Starting a lab, as its parent: the program is given its order on standard input, which stays open as its lifeline.
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::protocol::{Greeting, Order};
use crate::{Error, LabSpec, Result};

/// A lab as its parent has it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Open as long as an attached lab shall live; none for a detached one.
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts it and waits for its greeting.
    pub(crate) fn start(program: &Path, spec: &LabSpec, detached: bool) -> Result<Process> {
        let spec = with_real_paths(spec)?;
        spec.validate()?;
        let mut child = Command::new(program)
            .args(["serve", &spec.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Error::Missing {
                what: format!("cannot start the lab program {}: {e}", program.display()),
                remedy: "build it (`cargo build --bin flatnet-lab`) or reinstall flatnet"
                    .to_owned(),
            })?;
        match give_order(&mut child, &Order { spec, detached }) {
            Ok((Greeting::Ready, lifeline)) => {
                let lifeline = lifeline.filter(|_| !detached);
                Ok(Process { child, lifeline })
            }
            Ok((Greeting::Failed(error), lifeline)) => {
                drop(lifeline);
                // It told why and ends by itself; its status adds nothing.
                let _ = child.wait();
                Err(error)
            }
            Err(cause) => {
                let status = child.wait();
                let status = status.map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(Error::failed(
                    format!("the lab ended before it was ready ({status})"),
                    cause,
                ))
            }
        }
    }

    /// Until it has ended.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let status = self.child.wait();
        status
            .map(drop)
            .map_err(|e| Error::failed("wait for the lab to end", e))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.lifeline.take().is_some() {
            // The end of its standard input is its end; nothing can be done about an error here.
            let _ = self.child.wait();
        }
    }
}

/// The lab sees other paths (its own root, the caller's symbolic links do not lead anywhere there), and a file that is
/// missing is better said before anything is started.
fn with_real_paths(spec: &LabSpec) -> Result<LabSpec> {
    let real = |path: &PathBuf| {
        let found = std::fs::canonicalize(path)
            .and_then(|path| Ok((std::fs::metadata(&path)?.is_file(), path)));
        match found {
            Ok((true, path)) => Ok(path),
            Ok((false, path)) => Err(Error::invalid(format!("{} is not a file", path.display()))),
            Err(e) => Err(Error::invalid(format!("{}: {e}", path.display()))),
        }
    };
    let mut spec = spec.clone();
    if let Some(busybox) = &mut spec.busybox {
        *busybox = real(busybox)?;
    }
    for (_, path) in &mut spec.programs {
        *path = real(path)?;
    }
    Ok(spec)
}

/// Tells a new lab what to be; what it answers, and its standard input, still open.
fn give_order(child: &mut Child, order: &Order) -> std::io::Result<(Greeting, Option<ChildStdin>)> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin.write_all(&line)?;
    }
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut answer)?;
    }
    if answer.is_empty() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "it said nothing",
        ));
    }
    Ok((serde_json::from_str(&answer)?, stdin))
}
