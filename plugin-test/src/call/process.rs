//! The process of a plugin: its streams, its time, its end.
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

use super::{Answer, Ending, Request};

/// So many bytes of a stream are kept.
pub(super) const KEPT: usize = 256 << 10;
/// More than this on one stream, and the plugin is killed: no result is that long.
pub(super) const MOST: usize = 8 << 20;
/// Between two looks at whether it has written too much.
const SLICE: Duration = Duration::from_millis(50);
/// How long a plugin that has ended may leave its output open.
const HELD: Duration = Duration::from_secs(2);

pub(super) fn run(request: &Request, limit: Duration) -> Answer {
    let mut command = Command::new(&request.program);
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .envs(&request.env)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match start(&mut command) {
        Ok(child) => Execution::of(child, &request.stdin).finish(limit),
        Err(error) => Answer {
            ending: Ending::NotStarted(error.to_string()),
            stdout: String::new(),
            stderr: String::new(),
        },
    }
}

/// Another thread may hold the descriptor by which a script was written until its child reaches exec (ETXTBSY).
fn start(command: &mut Command) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && tries < 50 => {
                tries += 1;
                thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}

struct Execution {
    child: Child,
    streams: Receiver<(Stream, Vec<u8>)>,
    overflow: std::sync::Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

impl Execution {
    fn of(mut child: Child, input: &str) -> Self {
        if let Some(mut stdin) = child.stdin.take() {
            let input = input.to_owned();
            // A plugin need not read it: an error here is no news.
            thread::spawn(move || stdin.write_all(input.as_bytes()));
        }
        let overflow = std::sync::Arc::new(AtomicBool::new(false));
        let (sender, streams) = channel();
        let read = |stream: Stream, source: Option<Box<dyn Read + Send>>| {
            let (sender, overflow) = (sender.clone(), overflow.clone());
            thread::spawn(move || {
                let kept = source.map(|source| drain(source, &overflow));
                // Nobody waits for it after the time is up.
                let _ = sender.send((stream, kept.unwrap_or_default()));
            });
        };
        let output = child
            .stdout
            .take()
            .map(|file| Box::new(file) as Box<dyn Read + Send>);
        read(Stream::Output, output);
        let error = child
            .stderr
            .take()
            .map(|file| Box::new(file) as Box<dyn Read + Send>);
        read(Stream::Error, error);
        Execution {
            child,
            streams,
            overflow,
        }
    }

    fn finish(mut self, limit: Duration) -> Answer {
        let deadline = Instant::now() + limit;
        let mut ending = match self.wait(deadline) {
            Some(status) => of_status(status),
            None => {
                let overflow = self.overflow.load(Ordering::Relaxed);
                self.kill_group();
                let _ = self.child.wait();
                if overflow {
                    Ending::TooMuch
                } else {
                    Ending::TimedOut
                }
            }
        };
        let [mut stdout, mut stderr] = [None, None];
        let until = Instant::now() + HELD.min(limit);
        while stdout.is_none() || stderr.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            match self.streams.recv_timeout(left) {
                Ok((Stream::Output, bytes)) => stdout = Some(bytes),
                Ok((Stream::Error, bytes)) => stderr = Some(bytes),
                Err(_) => {
                    self.kill_group();
                    if matches!(ending, Ending::Code(_)) {
                        ending = Ending::OutputHeld;
                    }
                    break;
                }
            }
        }
        if self.overflow.load(Ordering::Relaxed) {
            ending = Ending::TooMuch;
        }
        let text = |bytes: Option<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        Answer {
            ending,
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    /// None where it does not end in time or writes too much.
    fn wait(&mut self, deadline: Instant) -> Option<ExitStatus> {
        let process = pidfd_open(
            rustix::process::Pid::from_child(&self.child),
            PidfdFlags::empty(),
        );
        let Ok(process) = process else {
            return self.child.wait().ok();
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.overflow.load(Ordering::Relaxed) {
                return None;
            }
            let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            let slice = PollTimeout::try_from(left.min(SLICE)).unwrap_or(PollTimeout::ZERO);
            if matches!(poll(&mut fds, slice), Ok(1..)) {
                return self.child.wait().ok();
            }
        }
    }

    /// What is left of it, in its group.
    fn kill_group(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Reads to the end, keeps the beginning.
fn drain(mut source: Box<dyn Read + Send>, overflow: &AtomicBool) -> Vec<u8> {
    let (mut kept, mut total) = (Vec::new(), 0);
    let mut buffer = [0; 16 << 10];
    while let Ok(bytes @ 1..) = source.read(&mut buffer) {
        total += bytes;
        let room = KEPT.saturating_sub(kept.len()).min(bytes);
        kept.extend_from_slice(&buffer[..room]);
        if total > MOST {
            overflow.store(true, Ordering::Relaxed);
            break;
        }
    }
    kept
}

fn of_status(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    }
}
