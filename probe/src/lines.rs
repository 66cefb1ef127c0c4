//! JSON lines in and out, on whatever the standard streams are: pipes, sockets, a terminal, a file.
//!
//! The streams stay in blocking mode, because that flag belongs to the open file, which the parent process may share.
//! Instead each call is made only when poll(2) says that it will not block; peers are answered meanwhile.
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, Result};
use crate::watched::watch;

/// Bytes written at once: a pipe that polls writable takes a page without blocking (pipe(7)).
const PAGE: usize = 4096;
/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// A stream that is waited for.
enum Stream {
    /// epoll(7) tells when it is ready.
    Watched(AsyncFd<OwnedFd>),
    /// A regular file or the like (EPERM from epoll): always ready.
    Always(OwnedFd),
}

impl Stream {
    fn new(fd: impl AsFd, interest: Interest) -> io::Result<Self> {
        let fd = fd.as_fd().try_clone_to_owned()?;
        watch(fd, interest)
            .map(Stream::Watched)
            .or_else(|failed| match failed {
                (fd, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Ok(Stream::Always(fd))
                }
                (_, error) => Err(error),
            })
    }

    /// Returns once `events` (or a hang-up) is there.
    async fn ready(&self, interest: Interest, events: PollFlags) -> io::Result<()> {
        let Stream::Watched(fd) = self else {
            return Ok(());
        };
        loop {
            if poll(&mut [PollFd::new(fd.as_fd(), events)], PollTimeout::ZERO)? > 0 {
                return Ok(());
            }
            fd.ready(interest).await?.clear_ready();
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Stream::Watched(fd) => fd.as_fd(),
            Stream::Always(fd) => fd.as_fd(),
        }
    }
}

/// The questions.
pub(crate) struct Input {
    stream: Stream,
    buffer: Vec<u8>,
    ended: bool,
}

impl Input {
    pub(crate) fn new(fd: impl AsFd) -> Result<Self> {
        let stream =
            Stream::new(fd, Interest::READABLE).map_err(|e| Error::system("watch the input", e))?;
        Ok(Input {
            stream,
            buffer: Vec::new(),
            ended: false,
        })
    }

    /// The next line without its end; the last one may lack a newline. None at the end of input.
    pub(crate) async fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let rest = self.buffer.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(Some(std::mem::take(&mut self.buffer)).filter(|line| !line.is_empty()));
            }
            searched = self.buffer.len();
            self.more()
                .await
                .map_err(|e| Error::system("read the question", e))?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        self.stream
            .ready(Interest::READABLE, PollFlags::POLLIN)
            .await?;
        let end = self.buffer.len();
        self.buffer.resize(end + CHUNK, 0);
        let got = nix::unistd::read(&self.stream, &mut self.buffer[end..]);
        self.buffer.truncate(end + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The answers.
pub(crate) struct Output {
    stream: Stream,
}

impl Output {
    pub(crate) fn new(fd: impl AsFd) -> Result<Self> {
        let stream = Stream::new(fd, Interest::WRITABLE)
            .map_err(|e| Error::system("watch the output", e))?;
        Ok(Output { stream })
    }

    /// Writes one line, whole, its newline included.
    pub(crate) async fn line(&mut self, line: &[u8]) -> Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            let failed = |error| Error::system("write the answer", error);
            self.stream
                .ready(Interest::WRITABLE, PollFlags::POLLOUT)
                .await
                .map_err(failed)?;
            match nix::unistd::write(&self.stream, &rest[..rest.len().min(PAGE)]) {
                Ok(written) => rest = &rest[written..],
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        Ok(())
    }

    /// Returns when answers can no longer be read.
    pub(crate) async fn hung_up(&self) -> io::Result<()> {
        let Stream::Watched(fd) = &self.stream else {
            return std::future::pending().await;
        };
        loop {
            let mut guard = fd.writable().await?;
            if guard.ready().is_write_closed() {
                return Ok(());
            }
            guard.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    #[test]
    fn lines_come_whole_however_they_arrive() {
        let (reader, mut writer) = io::pipe().unwrap();
        let long = "x".repeat(3_000_000);
        let sent = format!("one\n\n{long}\nlast");
        let feeder = std::thread::spawn(move || writer.write_all(sent.as_bytes()));
        let lines = block_on(async {
            let mut input = Input::new(&reader).unwrap();
            let mut lines = Vec::new();
            while let Some(line) = input.line().await.unwrap() {
                lines.push(String::from_utf8(line).unwrap());
            }
            lines
        });
        feeder.join().unwrap().unwrap();
        assert!(lines == ["one", "", &long, "last"], "{} lines", lines.len());
    }

    #[test]
    fn a_file_is_read_though_epoll_refuses_it() {
        let path = std::env::temp_dir().join(format!("flatnet-probe-lines-{}", std::process::id()));
        std::fs::write(&path, "a\nb\n").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lines = block_on(async {
            let mut input = Input::new(&file).unwrap();
            [
                input.line().await.unwrap(),
                input.line().await.unwrap(),
                input.line().await.unwrap(),
            ]
        });
        assert_eq!(lines, [Some(b"a".to_vec()), Some(b"b".to_vec()), None]);
    }

    #[test]
    fn a_slow_reader_does_not_hold_up_other_work() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut line = vec![b'y'; 1_000_000];
        line.push(b'\n');
        let (stand_by, resume) = std::sync::mpsc::channel();
        let consumer = std::thread::spawn(move || {
            resume.recv().unwrap();
            let mut got = Vec::new();
            io::Read::read_to_end(&mut reader, &mut got).map(|_| got)
        });
        block_on(async {
            let mut output = Output::new(&writer).unwrap();
            // The pipe is full after 64 KiB and the reader begins only when the other future has had its turn.
            let (written, ()) =
                tokio::join!(output.line(&line), async { stand_by.send(()).unwrap() });
            written.unwrap();
        });
        drop(writer);
        let got = consumer.join().unwrap().unwrap();
        assert_eq!(got.len(), 1_000_001);
        assert!(got.ends_with(b"y\n"));
    }

    #[test]
    fn a_reader_that_goes_away_is_noticed() {
        let (reader, writer) = io::pipe().unwrap();
        block_on(async {
            let mut output = Output::new(&writer).unwrap();
            output.line(b"fits\n").await.unwrap();
            let (seen, ()) = tokio::join!(output.hung_up(), async { drop(reader) });
            seen.unwrap();
            assert!(output.line(b"lost\n").await.is_err());
        });
    }
}
