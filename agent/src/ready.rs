//! Whether this node can network pods: the agent answers at a Unix socket, `flatnet-agent ready SOCKET` asks.
//!
//! It is what the kubelet's exec probe runs. A socket rather than a file, because what it says cannot be old: an agent that
//! is gone refuses the connection, and one that hangs does not answer in time. A socket rather than an HTTP port, because
//! an agent shares the node's network, where any port may be somebody's.
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

/// The longest that an agent may be busy with a pass. (Less than the probe's own time, so that the reason is told.)
const PATIENCE: Duration = Duration::from_secs(4);
/// How a good answer begins.
const READY: &str = "ready";

/// The agent's end.
#[derive(Debug)]
pub struct ReadySocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ReadySocket {
    /// Listens there, in place of an agent that is gone. Directories are made.
    ///
    /// # Errors
    /// Another agent answers there, or the file system's.
    pub fn open(path: &Path) -> Result<Self> {
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

    /// Readable while somebody waits for an answer.
    pub fn wake(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Tells everybody who asks. `wrong`: what keeps the node from networking pods; nothing does if it is empty. It is
    /// worked out only if somebody asks.
    pub fn answer(&self, wrong: impl FnOnce() -> Vec<String>) {
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
            // One who went away, or whose buffer is full from the start, has himself to blame.
            let _ = asker
                .set_nonblocking(true)
                .and_then(|()| asker.write_all(answer.as_bytes()));
        }
    }
}

impl Drop for ReadySocket {
    fn drop(&mut self) {
        // Left behind, it would still refuse every connection.
        let _ = fs::remove_file(&self.path);
    }
}

/// Asks a running agent whether its node can network pods. Exit codes: 0 it can, 1 it cannot, and the answer says why;
/// 3 no agent answers.
#[derive(Debug, Parser)]
#[command(name = "flatnet-agent ready")]
pub struct Ask {
    /// The agent's --ready-socket
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
}

impl Ask {
    /// Prints the answer.
    pub fn run(&self) -> ExitCode {
        match self.ask() {
            Ok(answer) => {
                print!("{answer}");
                ExitCode::from(u8::from(!answer.starts_with(READY)))
            }
            Err(error) => {
                eprintln!("flatnet-agent: {error}");
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
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_to_string(&mut answer)
            })
            .map_err(|cause| match cause.kind() {
                // What a timed-out read is called by the kernel.
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

    /// Connected before the answer is given: the kernel keeps the connection until it is accepted.
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
        socket.answer(|| panic!("nobody asks"));
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
        // What SIGKILL leaves: the file, and nobody behind it.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(ask(&path).ask().is_err());
        let next = ReadySocket::open(&path).unwrap();
        assert_eq!(asked(&next, &[]), "ready\n");
        drop(next);
        assert!(!path.exists());
    }
}
