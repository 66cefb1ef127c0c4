//! One run of one plugin (spec section 2): parameters in the environment, configuration on standard input, result or error
//! object on standard output.
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use rustix::process::{PidfdFlags, pidfd_open};

use super::{Error, PluginError};
use crate::launch::{PATH, retry_busy};
use crate::node_root::NodeRoot;

/// The most that a plugin may print on either stream, bytes: the lab keeps it in memory.
const PRINTED: usize = 1 << 20;

/// What a plugin is run with.
pub(super) struct Call<'a> {
    pub(super) root: &'a NodeRoot,
    pub(super) bin_dirs: &'a [PathBuf],
    /// `type` of its configuration.
    pub(super) kind: &'a str,
    /// The `CNI_*` variables, `CNI_PATH` excepted.
    pub(super) env: &'a [(&'static str, String)],
    pub(super) stdin: &'a [u8],
    pub(super) limit: Duration,
}

/// What it left.
struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Call<'_> {
    /// Runs it; what it printed.
    pub(super) fn run(&self) -> Result<Vec<u8>, Error> {
        let program = self.program()?;
        let paths: Vec<_> = self
            .bin_dirs
            .iter()
            .map(|dir| dir.display().to_string())
            .collect();
        let mut command = Command::new(&program);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("CNI_PATH", paths.join(":"));
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        // Its own process group, so that what it starts (an IPAM plugin) can be killed with it.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let spawned = self.root.enter(|| retry_busy(|| command.spawn()));
        let child = spawned
            .and_then(|child| child)
            .map_err(Error::io(format!("fork/exec {}", program.display())))?;
        let output = converse(child, self.stdin, self.limit)
            .map_err(Error::io(format!("run {}", program.display())))?;
        let Some(output) = output else {
            return Err(Error::TimedOut {
                plugin: self.kind.to_owned(),
                seconds: self.limit.as_secs(),
            });
        };
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Error::Plugin(explain(&output)))
        }
    }

    fn program(&self) -> Result<PathBuf, Error> {
        let found = self
            .bin_dirs
            .iter()
            .map(|dir| dir.join(self.kind))
            .find(|file| self.root.is_file(file));
        found.ok_or_else(|| Error::NotFound {
            plugin: self.kind.to_owned(),
            path: self
                .bin_dirs
                .iter()
                .map(|dir| Path::display(dir).to_string())
                .collect::<Vec<_>>()
                .join(" "),
        })
    }
}

/// The error object, or what libcni makes of something else.
fn explain(output: &Output) -> PluginError {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let just = |msg: String| PluginError {
        msg,
        ..PluginError::default()
    };
    if output.stdout.is_empty() {
        return just(match text(&output.stderr) {
            words if words.is_empty() => {
                format!("netplugin failed with no error message: {}", output.status)
            }
            words => format!("netplugin failed: {words:?}"),
        });
    }
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        just(format!(
            "netplugin failed but error parsing its diagnostic message {:?}: {e}",
            text(&output.stdout)
        ))
    })
}

/// Feeds it and hears it out, until it has ended and closed both outputs (a child that it leaves behind holding them is waited
/// for, as libcni waits for it). `None`: it did not end in time, and was killed.
///
/// # Errors
/// As of talking to it; [`io::ErrorKind::FileTooLarge`]: it printed more than [`PRINTED`], and was killed.
fn converse(mut child: Child, input: &[u8], limit: Duration) -> io::Result<Option<Output>> {
    let deadline = Instant::now() + limit;
    let process = pidfd_open(
        rustix::process::Pid::from_child(&child),
        PidfdFlags::empty(),
    )?;
    let mut stdin = child.stdin.take().filter(|_| !input.is_empty());
    let mut unsent = input;
    let mut outputs = [
        Stream::of(child.stdout.take()),
        Stream::of(child.stderr.take()),
    ];
    let mut running = true;
    if let Some(stdin) = &stdin {
        set_nonblocking(stdin)?;
    }
    while running || outputs.iter().any(Stream::is_open) {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = Vec::with_capacity(4);
        fds.extend(running.then(|| PollFd::new(process.as_fd(), PollFlags::POLLIN)));
        fds.extend(
            stdin
                .as_ref()
                .map(|stdin| PollFd::new(stdin.as_fd(), PollFlags::POLLOUT)),
        );
        fds.extend(outputs.iter().filter_map(|stream| {
            Some(PollFd::new(stream.fd.as_ref()?.as_fd(), PollFlags::POLLIN))
        }));
        match poll(
            &mut fds,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        ) {
            Ok(0) if left.is_zero() => {
                end(&mut child)?;
                return Ok(None);
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if running {
            let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            running = poll(&mut fds, PollTimeout::ZERO)? == 0;
        }
        if let Some(pipe) = &mut stdin {
            match pipe.write(unsent) {
                Ok(bytes) => unsent = &unsent[bytes..],
                Err(e)
                    if e.kind() == io::ErrorKind::WouldBlock
                        || e.kind() == io::ErrorKind::Interrupted => {}
                // A plugin need not read its configuration (VERSION, or an early refusal).
                Err(_) => unsent = &[],
            }
            if unsent.is_empty() {
                stdin = None;
            }
        }
        if let Err(e) = outputs.iter_mut().try_for_each(Stream::drain) {
            end(&mut child)?;
            return Err(e);
        }
    }
    let [stdout, stderr] = outputs.map(|stream| stream.bytes);
    Ok(Some(Output {
        status: child.wait()?,
        stdout,
        stderr,
    }))
}

/// Kills a plugin with what it started.
fn end(child: &mut Child) -> io::Result<()> {
    // It may end at this very moment; its group is not reused before it is reaped.
    let _ = killpg(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        Signal::SIGKILL,
    );
    child.wait().map(drop)
}

/// An output, read as far as it has come.
struct Stream {
    fd: Option<std::fs::File>,
    bytes: Vec<u8>,
}

impl Stream {
    fn of(pipe: Option<impl Into<OwnedFd>>) -> Stream {
        let fd = pipe
            .map(|pipe| std::fs::File::from(pipe.into()))
            .filter(|fd| set_nonblocking(fd).is_ok());
        Stream {
            fd,
            bytes: Vec::new(),
        }
    }

    fn is_open(&self) -> bool {
        self.fd.is_some()
    }

    fn drain(&mut self) -> io::Result<()> {
        let Some(fd) = &mut self.fd else {
            return Ok(());
        };
        let room = (PRINTED + 1).saturating_sub(self.bytes.len());
        match fd.take(room as u64).read_to_end(&mut self.bytes) {
            Ok(_) if self.bytes.len() > PRINTED => {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("it printed more than {} KiB and was killed", PRINTED / 1024),
                ));
            }
            Ok(_) => self.fd = None,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}
