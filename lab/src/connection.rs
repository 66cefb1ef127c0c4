//! A connection of the client's, and the one request it is for.
//!
//! The lab acknowledges a request immediately and answers when it is done: a lab that hangs is noticed early, however long
//! the work may take.
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::sockopt::{PeerCredentials, SendTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::protocol::{self, Received, Request};
use crate::{Error, Result};

/// How long a lab may take to accept a connection and a request. One that boots accepts none until its nodes are up.
pub(crate) const ATTENTION: Duration = Duration::from_secs(30);

/// Standard streams of a command, handed over to it (SCM_RIGHTS).
#[derive(Debug)]
pub struct Stdio {
    /// Read by the command.
    pub stdin: OwnedFd,
    /// Written by the command.
    pub stdout: OwnedFd,
    /// Written by the command; may be a duplicate of `stdout`.
    pub stderr: OwnedFd,
}

/// An open connection, good for one request.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    /// The lab's name.
    lab: String,
    /// Process id of the lab.
    pub(crate) pid: u32,
}

impl Connection {
    /// Reaches the lab at that address.
    ///
    /// # Errors
    /// [`Error::Absent`]: none runs there. [`Error::Invalid`]: it is another user's. [`Error::TimedOut`]: it does not accept connections.
    pub(crate) fn open(address: &Address) -> Result<Connection> {
        let failed = |e: io::Error| Error::failed(format!("reach the lab {}", address.name), e);
        let stream = reach(address, ATTENTION).map_err(|e| match e.kind() {
            io::ErrorKind::ConnectionRefused => Error::Absent {
                name: address.name.clone(),
            },
            io::ErrorKind::WouldBlock => Error::TimedOut {
                what: format!(
                    "the lab {} did not accept a connection within {} s: it hangs or is stopped; find its process with `pgrep -af 'flatnet-lab serve {}'` and end it with `kill -KILL`",
                    address.name,
                    ATTENTION.as_secs(),
                    address.name
                ),
            },
            _ => failed(e),
        })?;
        let peer = getsockopt(&stream, PeerCredentials).map_err(|e| failed(e.into()))?;
        // Abstract names are free for all: a stranger may have taken this one.
        if peer.uid() != address.uid {
            let what = format!(
                "the lab {} is held by another user (uid {}); choose another name",
                address.name,
                peer.uid()
            );
            return Err(Error::invalid(what));
        }
        Ok(Connection {
            stream,
            lab: address.name.clone(),
            pid: peer.pid().unsigned_abs(),
        })
    }

    /// Sends the request and waits for the answer, as long as [`Request::limit`] allows.
    ///
    /// # Errors
    /// The lab's own error, [`Error::TimedOut`], or [`Error::Failed`] where the lab has ended.
    pub(crate) fn ask<T: DeserializeOwned>(
        self,
        request: &Request,
        body: &[u8],
        stdio: Option<Stdio>,
    ) -> Result<T> {
        self.ask_within(request, body, stdio, ATTENTION, request.limit())
    }

    fn ask_within<T: DeserializeOwned>(
        self,
        request: &Request,
        body: &[u8],
        stdio: Option<Stdio>,
        attention: Duration,
        limit: Option<Duration>,
    ) -> Result<T> {
        let broken = |e| self.explain(e, request, "take the request", attention);
        self.stream
            .set_write_timeout(Some(attention))
            .and_then(|()| self.stream.set_read_timeout(Some(attention)))
            .map_err(broken)?;
        match stdio {
            // The command's streams are its own from here on: a copy kept here would hold its pipes open.
            Some(Stdio {
                stdin,
                stdout,
                stderr,
            }) => protocol::send(
                &self.stream,
                request,
                body,
                &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
            ),
            None => protocol::send(&self.stream, request, body, &[]),
        }
        .and_then(|()| protocol::receive::<Received>(&self.stream))
        .and_then(|_| self.stream.set_read_timeout(limit))
        .map_err(broken)?;
        let reply = protocol::receive::<Result<T>>(&self.stream);
        reply
            .map_err(|e| self.explain(e, request, "answer", limit.unwrap_or_default()))?
            .message
    }

    fn explain(&self, e: io::Error, request: &Request, act: &str, limit: Duration) -> Error {
        let Connection { lab, pid, .. } = self;
        match e.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Error::Failed {
                what: format!(
                    "the lab {lab} ended before it answered ({request}); boot it again with `flatnet up --name {lab}`"
                ),
            },
            // What SO_RCVTIMEO and SO_SNDTIMEO make of a time that is over (socket(7)).
            io::ErrorKind::WouldBlock => Error::TimedOut {
                what: format!(
                    "the lab {lab} did not {act} within {} s ({request}): it hangs or is stopped; `kill -KILL {pid}` ends it with all that runs in it",
                    limit.as_secs_f32()
                ),
            },
            _ => Error::failed(format!("talk to the lab {lab} ({request})"), e),
        }
    }
}

/// Whether a lab of the address's user listens there. It is not waited for.
pub(crate) fn is_there(address: &Address) -> bool {
    let connected = open_socket(SockFlag::SOCK_NONBLOCK)
        .and_then(|socket| connect_to(&socket, address).map(|()| socket));
    match connected {
        // Else a stranger has taken the name.
        Ok(socket) => getsockopt(&socket, PeerCredentials).is_ok_and(|p| p.uid() == address.uid),
        // Its queue of connections is full.
        Err(e) => e.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Connecting waits while the lab's queue of connections is full; `std` knows no limit for that.
fn reach(address: &Address, limit: Duration) -> io::Result<UnixStream> {
    let socket = open_socket(SockFlag::empty())?;
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    setsockopt(&socket, SendTimeout, &TimeVal::seconds(seconds))?;
    connect_to(&socket, address)?;
    Ok(UnixStream::from(socket))
}

fn open_socket(flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Unix, SockType::Stream, flags, None)?)
}

fn connect_to(socket: &OwnedFd, address: &Address) -> io::Result<()> {
    let name = address.socket()?;
    let name = UnixAddr::new_abstract(name.as_abstract_name().unwrap_or_default())?;
    Ok(connect(socket.as_raw_fd(), &name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    fn pair() -> (Connection, UnixStream) {
        let (stream, lab) = UnixStream::pair().unwrap();
        let connection = Connection {
            stream,
            lab: "demo".to_owned(),
            pid: 7,
        };
        (connection, lab)
    }

    fn ask(connection: Connection) -> String {
        let answer: Result<()> =
            connection.ask_within(&Request::Nodes, &[], None, SHORT, Some(SHORT));
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        error.to_string()
    }

    #[test]
    fn a_lab_that_does_not_take_a_request_is_given_up() {
        let (connection, _lab) = pair();
        assert_eq!(
            ask(connection),
            "the lab demo did not take the request within 0.05 s (list its nodes): it hangs or is stopped; `kill -KILL 7` ends it with all that runs in it"
        );
    }

    #[test]
    fn a_lab_that_takes_a_request_and_does_not_answer_is_given_up() {
        let (connection, lab) = pair();
        protocol::send(&lab, &Received, &[], &[]).unwrap();
        let error = ask(connection);
        assert!(
            error.contains("did not answer within 0.05 s (list its nodes)"),
            "{error}"
        );
    }

    #[test]
    fn a_lab_that_ends_is_distinguished_from_one_that_hangs() {
        let (connection, lab) = pair();
        protocol::send(&lab, &Received, &[], &[]).unwrap();
        drop(lab);
        let answer: Result<()> =
            connection.ask_within(&Request::Nodes, &[], None, ATTENTION, Some(ATTENTION));
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error:?}");
        assert!(
            error.to_string().contains("ended before it answered"),
            "{error}"
        );
    }
}
