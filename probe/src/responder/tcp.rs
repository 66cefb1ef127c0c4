//! The TCP responder: one hello and one answer per connection, one transfer, or numbers for as long as the connection lasts.
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, recv};
use socket2::{SockRef, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

use super::transfer::{self, Announced};
use super::{State, TURN, numbers};
use crate::Transport;
use crate::message::{MAX_MESSAGE, Message, NUMBER, lacking};
use crate::watched::watch;

/// Connections whose hello is still awaited or that carry numbers; more are closed.
const MOST_WAITING: usize = 1024;
/// How long a connection may take to send its hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listening socket.
pub(super) struct Listener(AsyncFd<OwnedFd>);

impl Listener {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Listener(
            watch(OwnedFd::from(socket), Interest::READABLE).map_err(|(_, error)| error)?,
        ))
    }
}

/// Answers forever.
pub(super) async fn serve(listener: Listener, state: Rc<State>) {
    let mut waiting = JoinSet::new();
    loop {
        let Ok(mut guard) = listener.0.readable().await else {
            return;
        };
        while waiting.try_join_next().is_some() {}
        for _ in 0..TURN {
            match SockRef::from(listener.0.get_ref()).accept() {
                Ok((socket, peer)) => {
                    let Some(peer) = peer.as_socket() else {
                        continue;
                    };
                    let mut hello = Hello::new(peer);
                    let progress = hello.advance(socket.as_fd(), &state);
                    if !matches!(progress, Progress::Over) && waiting.len() < MOST_WAITING {
                        waiting.spawn_local(finish(socket, hello, progress, Rc::clone(&state)));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    guard.clear_ready();
                    break;
                }
                // Out of descriptors or memory: the connection stays in the queue until others have ended.
                Err(error)
                    if matches!(
                        error.raw_os_error().map(Errno::from_raw),
                        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
                    ) =>
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    break;
                }
                // The connection failed before it was taken (accept(2)).
                Err(_) => {}
            }
        }
        tokio::task::yield_now().await;
    }
}

/// What has come over a connection so far.
struct Hello {
    peer: SocketAddr,
    buffer: [u8; MAX_MESSAGE],
    filled: usize,
}

/// Whether a connection is done with.
enum Progress {
    /// The hello is not complete yet.
    Waiting,
    /// The client announced data.
    Data(Announced),
    /// A number came instead, and more will.
    Numbers,
    /// It has been answered, or what came was not a hello.
    Over,
}

impl Hello {
    fn new(peer: SocketAddr) -> Self {
        Hello {
            peer,
            buffer: [0; MAX_MESSAGE],
            filled: 0,
        }
    }

    /// Reads what is there, and answers a hello that is complete. Most are when the connection is taken, so that epoll
    /// never hears of it.
    fn advance(&mut self, socket: BorrowedFd<'_>, state: &State) -> Progress {
        loop {
            match lacking(&self.buffer[..self.filled]) {
                Ok(0) => {
                    // The next numbers may be there already.
                    let message = Message::decode(&self.buffer[..self.filled.min(NUMBER)]);
                    return match message {
                        Ok(Message::Number { .. }) => Progress::Numbers,
                        _ => self.answer(socket, state),
                    };
                }
                Ok(_) => match recv(
                    socket.as_raw_fd(),
                    &mut self.buffer[self.filled..],
                    MsgFlags::MSG_DONTWAIT,
                ) {
                    Ok(got) if got > 0 => self.filled += got,
                    Err(Errno::EAGAIN) => return Progress::Waiting,
                    _ => return Progress::Over,
                },
                Err(_) => return Progress::Over,
            }
        }
    }

    fn answer(&self, socket: BorrowedFd<'_>, state: &State) -> Progress {
        let (nonce, name) = match Message::decode(&self.buffer[..self.filled]) {
            Ok(Message::Hello { nonce, name }) => (nonce, name),
            Ok(Message::Transfer {
                nonce,
                bytes,
                stall_ms,
            }) => {
                return Progress::Data(Announced {
                    nonce,
                    bytes,
                    stall_ms,
                });
            }
            _ => return Progress::Over,
        };
        let Some(ours) = SockRef::from(&socket)
            .local_addr()
            .ok()
            .and_then(|address| address.as_socket())
        else {
            return Progress::Over;
        };
        let source = self.peer.ip().to_canonical();
        state
            .received
            .borrow_mut()
            .note(Transport::Tcp, name, source, ours.ip(), nonce);
        let answer = Message::Answer {
            nonce,
            seen_as: source,
            name: &state.name,
        }
        .encode();
        // A new connection's send buffer is empty and far larger than this; what cannot be sent, its client notices.
        // MSG_MORE holds the answer back until the connection is closed, which is at once: both go in one packet.
        let flags = libc::MSG_MORE | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let _ = SockRef::from(&socket).send_with_flags(&answer, flags);
        Progress::Over
    }
}

/// Reads on after `progress`, until the hello is answered, the data has come or, of numbers, as long as they come.
async fn finish(socket: Socket, mut hello: Hello, mut progress: Progress, state: Rc<State>) {
    let Ok(socket) = watch(OwnedFd::from(socket), Interest::READABLE) else {
        return;
    };
    let exchange = async {
        while matches!(progress, Progress::Waiting) {
            let Ok(mut guard) = socket.readable().await else {
                return;
            };
            guard.clear_ready();
            progress = hello.advance(socket.as_fd(), &state);
        }
    };
    // One that takes too long is closed like one that is done.
    let _ = tokio::time::timeout(PATIENCE, exchange).await;
    match progress {
        Progress::Data(announced) => transfer::serve(socket.into_inner(), announced).await,
        Progress::Numbers => numbers::serve(&socket, &hello.buffer[..hello.filled]).await,
        Progress::Waiting | Progress::Over => {}
    }
}
