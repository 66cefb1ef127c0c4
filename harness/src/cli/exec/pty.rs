//! A terminal of its own for a command in a lab: a pseudo-terminal of this machine, whose other end is joined with the terminal
//! of this process. The kernel does the rest: it turns Ctrl-C into a signal for what is in the foreground over there.
use std::os::fd::OwnedFd;
use std::pin::pin;

use flatnet_lab::Stdio;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::terminal;
use crate::{Error, Result};

/// Bytes that are read or written at once.
const BUFFER: usize = 16 << 10;
/// More than what the kernel keeps of the output of a pseudo-terminal (`TTYB_DEFAULT_MEM_LIMIT`, 64 KiB, and the line discipline's 4 KiB).
const KEPT: usize = 128 << 10;

/// The master end.
pub(super) struct Pty(AsyncFd<OwnedFd>);

impl Pty {
    /// A new one, of the size of this process's terminal, and its other end three times.
    ///
    /// # Errors
    /// A machine without pseudo-terminals, or with none left.
    pub(super) fn open() -> Result<(Pty, Stdio)> {
        let failed = |e: std::io::Error| {
            Error::failed(
                "make a terminal for the command",
                format!("{e}; without one: --tty=false"),
            )
        };
        let ours = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(ours).map_err(|e| failed(e.into()))?;
        let slave = unlockpt(&master)
            .and_then(|()| ioctl_tiocgptpeer(&master, ours))
            .map_err(|e| failed(e.into()))?;
        let stdio = Stdio {
            stdin: slave.try_clone().map_err(failed)?,
            stdout: slave.try_clone().map_err(failed)?,
            stderr: slave,
        };
        rustix::io::ioctl_fionbio(&master, true).map_err(|e| failed(e.into()))?;
        // SAFETY: an OwnedFd is open, and the same, until it is dropped.
        let master = unsafe { AsyncFd::register(master) };
        let pty = Pty(master.map_err(|e| failed(e.into()))?);
        pty.resize();
        Ok((pty, stdio))
    }

    /// As large as this process's terminal. A terminal without a size (serial line) leaves it unset.
    fn resize(&self) {
        if let Some(size) = terminal::size() {
            let size = Winsize {
                ws_row: size.rows,
                ws_col: size.columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            // The kernel tells the foreground of it (SIGWINCH). A terminal that is gone needs no size.
            let _ = tcsetwinsize(&self.0, size);
        }
    }

    /// Joins both terminals until `ended` yields the exit code; what the command printed has been shown then.
    ///
    /// # Errors
    /// That of `ended`, or where this process's streams break.
    pub(super) async fn relay_until(self, ended: impl Future<Output = Result<i32>>) -> Result<i32> {
        let mut resizes = terminal::resizes()?;
        let (over, told) = oneshot::channel();
        let follow = async {
            while resizes.recv().await.is_some() {
                self.resize();
            }
        };
        let feed = async {
            // What cannot be read or written any more: the command's end says what there is to say.
            let _ = self.feed().await;
            std::future::pending::<()>().await;
        };
        let end = async {
            let code = ended.await;
            // Whoever shows the output may have ended with it.
            let _ = over.send(());
            code
        };
        let whole = async {
            let failed = |e| Error::failed("show the command's output", e);
            let (mut end, mut show) = (pin!(end), pin!(self.show(told)));
            tokio::select! {
                // Nobody reads what is printed any more, and the command would wait for that: closing the master hangs it up.
                shown = &mut show => {
                    shown.map_err(failed)?;
                    end.await
                }
                code = &mut end => {
                    let shown = show.await;
                    // Where the command ended badly, that is the news.
                    let code = code?;
                    shown.map_err(failed)?;
                    Ok(code)
                }
            }
        };
        let mut whole = pin!(whole);
        tokio::select! {
            code = &mut whole => code,
            () = follow => whole.await,
            () = feed => whole.await,
        }
    }

    /// Hands on what is typed.
    async fn feed(&self) -> std::io::Result<()> {
        let (mut stdin, mut buffer) = (tokio::io::stdin(), vec![0; BUFFER]);
        loop {
            let bytes = stdin.read(&mut buffer).await?;
            if bytes == 0 {
                return Ok(());
            }
            let mut rest = &buffer[..bytes];
            while !rest.is_empty() {
                let mut ready = self.0.writable().await?;
                match ready.try_io(|master| Ok(rustix::io::write(master, rest)?)) {
                    Ok(written) => rest = &rest[written?..],
                    Err(_would_block) => {}
                }
            }
        }
    }

    /// Shows what is printed until nothing is left that could print, or until `over`: then what is there already.
    async fn show(&self, over: oneshot::Receiver<()>) -> std::io::Result<()> {
        let mut over = pin!(over);
        loop {
            tokio::select! {
                // What runs on may print without end.
                biased;
                _ = &mut over => return self.pass().await.map(drop),
                ready = self.0.readable() => {
                    let mut ready = ready?;
                    match self.pass().await? {
                        Output::Ended => return Ok(()),
                        Output::Drained => ready.clear_ready(),
                        Output::More => {}
                    }
                }
            }
        }
    }

    /// Shows what is there already; of more than [`KEPT`], that part.
    async fn pass(&self) -> std::io::Result<Output> {
        let (mut stdout, mut buffer) = (tokio::io::stdout(), vec![0; BUFFER]);
        let mut passed = 0;
        while passed < KEPT {
            match rustix::io::read(&self.0, &mut buffer) {
                // EIO: the other end is closed (pty(7)).
                Ok(0) | Err(Errno::IO) => return Ok(Output::Ended),
                Ok(bytes) => {
                    stdout.write_all(&buffer[..bytes]).await?;
                    stdout.flush().await?;
                    passed += bytes;
                }
                Err(Errno::AGAIN) => return Ok(Output::Drained),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(Output::More)
    }
}

/// What is left of a command's output.
enum Output {
    /// Nothing now.
    Drained,
    /// Perhaps more that is there already.
    More,
    /// Nothing, and nothing to come.
    Ended,
}
