//! Commands in a node or pod on a client's behalf, as `kubectl exec` runs them.
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};

use crate::launch::{Launch, Streams, exit_code};
use crate::node_root::{self, Namespace};
use crate::spawn::Child;
use crate::{Error, Result};

/// Starts the command inside the namespaces and waits for it; kills it when the client goes first.
pub(crate) fn run(
    namespaces: &[Namespace],
    launch: &Launch,
    streams: Streams,
    client: &UnixStream,
) -> Result<i32> {
    let child = node_root::on_thread(|| {
        node_root::join(namespaces)
            .map_err(|e| Error::failed("enter the namespaces (has it just ended?)", e))?;
        launch.start(streams).map_err(Error::invalid)
    })??;
    wait(child, client)
}

fn wait(mut child: Child, client: &UnixStream) -> Result<i32> {
    let failed = |e: std::io::Error| Error::failed("wait for the command", e);
    let process = child.pidfd().map_err(failed)?;
    loop {
        // The client has said all it had to say: anything more from it is its end.
        let mut fds = [
            PollFd::new(process.as_fd(), PollFlags::POLLIN),
            PollFd::new(client.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(failed(errno.into())),
            Ok(_) => {}
        }
        if fds[0].any() != Some(true) {
            // Its session goes with it. Not reaped yet, so the number is still its own.
            let _ = killpg(child.id(), Signal::SIGKILL);
        }
        return child.wait().map(exit_code).map_err(failed);
    }
}
