//! Readiness: whether this node can network pods. The agent answers at a Unix socket, `flatnet-agent ready SOCKET` asks.
//!
//! The kubelet's exec probe runs it. A socket is better than a file, because its answer cannot be out of date: after the
//! agent's end the connection is refused, and an agent that hangs does not answer in time. It is better than an HTTP port,
//! because the agent uses the host network, where any port may be in use.
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::error::file;
use crate::{Error, Result};

/// How long to wait for the answer of an agent that is busy with a pass. Shorter than the probe's timeout, so that the
/// reason is reported.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// The beginning of a positive answer.
const READY: &str = "ready";

/// The agent's end of the socket.
#[derive(Debug)]
pub(crate) struct ReadySocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ReadySocket {
    /// Listens at `path`, replacing the socket of an agent that has ended. Creates missing directories.
    ///
    /// # Errors
    /// Another agent answers there, or a file operation fails.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        if !dir.as_os_str().is_empty() {
            fs::create_dir_all(dir).map_err(file("make directory", dir))?;
        }
        let listen = file("listen at", path);
        if UnixStream::connect(path).is_ok() {
            return Err(listen(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another agent answers there",
            )));
        }
        // A killed agent leaves its socket behind.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(listen(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path)
            .and_then(|l| l.set_nonblocking(true).map(|()| l))
            .map_err(listen)?;
        Ok(ReadySocket {
            listener,
            path: path.to_owned(),
        })
    }

    /// Readable while a probe waits for an answer.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Answers all waiting probes. `wrong` lists what keeps the node from networking pods; it is called only if a probe
    /// waits.
    pub(crate) fn answer(&self, wrong: impl FnOnce() -> Vec<String>) {
        let Ok((first, _)) = self.listener.accept() else {
            return;
        };
        let wrong = wrong();
        let answer = if wrong.is_empty() {
            format!("{READY}\n")
        } else {
            format!("not ready: {}\n", wrong.join("; "))
        };
        let others = std::iter::from_fn(|| self.listener.accept().ok().map(|(s, _)| s));
        for mut asker in std::iter::once(first).chain(others) {
            // Fails for a probe that has disconnected or whose buffer is full; that is its own problem.
            let _ = asker
                .set_nonblocking(true)
                .and_then(|()| asker.write_all(answer.as_bytes()));
        }
    }
}

impl Drop for ReadySocket {
    fn drop(&mut self) {
        // The file would stay and refuse every connection.
        let _ = fs::remove_file(&self.path);
    }
}

/// Asks a running agent whether its node can network pods. Exit codes: 0 it can, 1 it cannot, and the answer says why;
/// 3 no agent answers.
#[derive(Debug, Parser)]
#[command(
    name = "flatnet-agent ready",
    override_usage = "flatnet-agent ready <SOCKET>"
)]
pub(crate) struct Ask {
    /// Socket that the agent was given with --ready-socket
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
}

impl Ask {
    /// Prints the agent's answer.
    pub(crate) fn run(&self) -> ExitCode {
        match self.ask() {
            Ok(answer) => {
                let _ = write!(io::stdout(), "{answer}");
                ExitCode::from(u8::from(!answer.starts_with(READY)))
            }
            Err(error) => {
                let _ = writeln!(io::stderr(), "flatnet-agent: {error}");
                ExitCode::from(error.exit_code())
            }
        }
    }

    fn ask(&self) -> Result<String> {
        let no_answer = |cause| Error::NoAnswer {
            path: self.socket.clone(),
            cause,
        };
        let mut answer = String::new();
        UnixStream::connect(&self.socket)
            .and_then(|mut stream| {
                stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                stream.read_to_string(&mut answer)
            })
            .map_err(|cause| match cause.kind() {
                // The error of a read that times out.
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => cause,
            })
            .map_err(no_answer)?;
        if answer.is_empty() {
            return Err(no_answer(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(socket: &Path) -> Ask {
        Ask {
            socket: socket.to_owned(),
        }
    }

    /// Connects before the answer is given: the kernel keeps the connection until it is accepted.
    fn asked(socket: &ReadySocket, wrong: &[&str]) -> String {
        let mut stream = UnixStream::connect(&socket.path).unwrap();
        socket.answer(|| wrong.iter().map(ToString::to_string).collect());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_answer_is_worked_out_when_it_is_asked_for_and_names_everything_that_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let socket = ReadySocket::open(&dir.path().join("run/agent.sock")).unwrap();
        socket.answer(|| panic!("not asked"));
        assert_eq!(asked(&socket, &[]), "ready\n");
        assert_eq!(asked(&socket, &["this", "that"]), "not ready: this; that\n");
        let many: Vec<_> = (0..3)
            .map(|_| UnixStream::connect(&socket.path).unwrap())
            .collect();
        socket.answer(Vec::new);
        for mut stream in many {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "ready\n");
        }
    }

    #[test]
    fn an_agent_that_is_gone_is_not_ready_and_the_next_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        let error = ask(&path).ask().unwrap_err();
        assert!(
            error.to_string().starts_with("no agent answers at "),
            "{error}"
        );
        assert_eq!(error.exit_code(), 3);
        let running = ReadySocket::open(&path).unwrap();
        let error = ReadySocket::open(&path).unwrap_err();
        assert!(
            error.to_string().ends_with("another agent answers there"),
            "{error}"
        );
        drop(running);
        // What SIGKILL leaves: the file, with no listener.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(ask(&path).ask().is_err());
        let next = ReadySocket::open(&path).unwrap();
        assert_eq!(asked(&next, &[]), "ready\n");
        drop(next);
        assert!(!path.exists());
    }
}
