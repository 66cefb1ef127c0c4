//! A connection of the client's, and the one question it is for.
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::protocol::{self, Request};
use crate::{Error, Result};

/// Standard streams of a command, handed over to it (SCM_RIGHTS).
#[derive(Debug)]
pub struct Stdio {
    /// Its standard input.
    pub stdin: OwnedFd,
    /// Its standard output.
    pub stdout: OwnedFd,
    /// Its standard error.
    pub stderr: OwnedFd,
}

/// A connection to the lab at that address, and the lab's process id.
pub(crate) fn reach(address: &Address) -> Result<(UnixStream, u32)> {
    let failed = |e: std::io::Error| Error::failed(format!("reach the lab {}", address.name), e);
    let stream =
        UnixStream::connect_addr(&address.socket().map_err(failed)?).map_err(|e| {
            match e.kind() {
                std::io::ErrorKind::ConnectionRefused => Error::invalid(format!(
                    "no lab named {} runs; `flatnet list` shows those that do",
                    address.name
                )),
                _ => failed(e),
            }
        })?;
    let peer = getsockopt(&stream, PeerCredentials).map_err(|e| failed(e.into()))?;
    // Abstract names are free for all: a stranger may have taken this one.
    if peer.uid() != address.uid {
        let what = format!(
            "the lab {} is held by another user (uid {})",
            address.name,
            peer.uid()
        );
        return Err(Error::invalid(what));
    }
    Ok((stream, peer.pid().unsigned_abs()))
}

/// Sends the request, and waits for the answer as long as it takes.
pub(crate) fn ask<T: DeserializeOwned>(
    mut stream: UnixStream,
    request: &Request,
    body: &[u8],
    stdio: Option<Stdio>,
) -> Result<T> {
    let broken = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof
        | std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::BrokenPipe => Error::Failed {
            what: "the lab ended before it answered".to_owned(),
        },
        _ => Error::failed("talk to the lab", e),
    };
    match stdio {
        // The command's streams are its own from here on: a copy kept here would hold its pipes open.
        Some(Stdio {
            stdin,
            stdout,
            stderr,
        }) => protocol::send(
            &mut stream,
            request,
            body,
            &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        ),
        None => protocol::send(&mut stream, request, body, &[]),
    }
    .map_err(broken)?;
    protocol::receive::<Result<T>>(&mut stream)
        .map_err(broken)?
        .message
}
