//! Starting a lab, as its parent: the program is given a boot request on standard input, which stays open as its lifeline.
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::protocol::{BootReply, BootRequest, RELEASE};
use crate::{Error, LabSpec, Result, sleep};

/// How long nodes may take to come up: a third of a second, unless the machine is busy or the nodes are many.
const BOOT: Duration = Duration::from_secs(120);
/// How long a lab may take to end: its init is killed, and the kernel takes down every namespace.
const END: Duration = Duration::from_secs(30);

/// A lab as its parent has it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Open as long as the lab shall live with this process; none once it is released.
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts it and waits for its reply. `detached`: it keeps none of this process's streams, and may be released.
    pub(crate) fn start(program: &Path, spec: &LabSpec, detached: bool) -> Result<Process> {
        let mut spec = with_real_paths(spec)?;
        spec.validate()?;
        sleep::offer(&mut spec, program);
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
        let request = BootRequest { spec, detached };
        match request_boot(&mut child, &request) {
            Ok((BootReply::Ready, lifeline)) => Ok(Process { child, lifeline }),
            Ok((BootReply::Failed(error), lifeline)) => {
                drop(lifeline);
                // It has reported why and is ending; its status adds nothing.
                let _ = child.wait();
                Err(error)
            }
            Err(cause) if cause.kind() == io::ErrorKind::TimedOut => {
                let (name, limit) = (&request.spec.name, BOOT.as_secs());
                let killed = kill(&mut child).err();
                let killed = killed.map_or_else(|| "it was killed".to_owned(), |e| e.to_string());
                Err(Error::TimedOut {
                    what: format!(
                        "the nodes of the lab {name} did not come up within {limit} s; {killed}; try fewer nodes, or an idle machine"
                    ),
                })
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

    /// Lets it outlive this process.
    pub(crate) fn release(&mut self) -> Result<()> {
        let Some(mut lifeline) = self.lifeline.take() else {
            return Ok(());
        };
        lifeline
            .write_all(RELEASE)
            .map_err(|e| Error::failed("let the lab outlive this process (has it ended?)", e))
    }

    /// Ends it, without asking: it may hang. Whether this process could, as it holds the lifeline.
    pub(crate) fn end(&mut self) -> Option<Result<()>> {
        drop(self.lifeline.take()?);
        Some(self.wait())
    }

    /// Waits until it has ended; kills it when it takes too long, which is an error.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let ended = has_ended(&mut self.child);
        if ended.map_err(|e| Error::failed("wait for the lab to end", e))? {
            return Ok(());
        }
        let pid = self.child.id();
        self.kill()?;
        Err(Error::TimedOut {
            what: format!(
                "the lab did not end within {} s; it was killed (process {pid})",
                END.as_secs()
            ),
        })
    }

    /// Kills it and everything in it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        kill(&mut self.child)
    }
}

/// Kills a lab: its init and with that every process in it follows.
fn kill(child: &mut Child) -> Result<()> {
    let killed = child.kill().and_then(|()| child.wait());
    killed
        .map(drop)
        .map_err(|e| Error::failed("kill the lab", e))
}

fn has_ended(child: &mut Child) -> io::Result<bool> {
    // Not reaped before it is waited for, so its pid is not reused.
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    Ok(ends(&process)? && child.wait().is_ok())
}

/// Waits until the process of this pidfd has ended; returns whether it ended within a lab's time limit.
pub(crate) fn ends(process: &impl AsFd) -> io::Result<bool> {
    is_readable_within(process, END)
}

/// What to say of another process's lab that does not end.
pub(crate) fn lingers(pid: u32) -> Error {
    Error::TimedOut {
        what: format!(
            "the lab said that it shuts down, and did not end within {} s; end it with `kill -KILL {pid}`",
            END.as_secs()
        ),
    }
}

fn is_readable_within(fd: &impl AsFd, limit: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(
            &mut fds,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        ) {
            Err(Errno::EINTR) => {}
            other => return Ok(other? > 0),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its standard input is its end; nothing can be done about an error here.
        let _ = self.end();
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

/// Sends a new lab its boot request; the reply, and the lab's standard input, still open.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when it says nothing in time.
fn request_boot(
    child: &mut Child,
    request: &BootRequest,
) -> io::Result<(BootReply, Option<ChildStdin>)> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin.write_all(&line)?;
    }
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        if !is_readable_within(&stdout, BOOT)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        BufReader::new(stdout).read_line(&mut answer)?;
    }
    if answer.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it said nothing",
        ));
    }
    Ok((serde_json::from_str(&answer)?, stdin))
}
