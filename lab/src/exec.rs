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
    let process = match child.pidfd() {
        Ok(process) => process,
        Err(e) => {
            // Nothing would end it with its client.
            end_session(&child);
            child.wait().map_err(failed)?;
            return Err(failed(e));
        }
    };
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
            end_session(&child);
        }
        return child.wait().map(exit_code).map_err(failed);
    }
}

/// Kills the command with its process group. It is not reaped yet, so the number is still its own.
fn end_session(child: &Child) {
    let _ = killpg(child.id(), Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::process::Command;

    use nix::errno::Errno;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::sys::signal::kill;

    use super::*;
    use crate::spawn::Program;

    /// Set in the process that has the test for itself.
    const ALONE: &str = "EXEC_TEST_ALONE";

    #[test]
    fn a_command_that_cannot_be_watched_is_ended() {
        // A limit is one of the whole process.
        if std::env::var_os(ALONE).is_none() {
            let name = "exec::tests::a_command_that_cannot_be_watched_is_ended";
            let alone = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(ALONE, "1")
                .output()
                .unwrap();
            let words = String::from_utf8_lossy(&alone.stdout);
            assert!(
                alone.status.success() && words.contains("1 passed"),
                "{words}"
            );
            return;
        }
        let null: OwnedFd = File::open("/dev/null").unwrap().into();
        let argv = ["sleep", "600"].map(|word| CString::new(word).unwrap());
        let sleep = Program {
            path: c"/bin/sleep",
            argv: &argv,
            env: &[],
            directory: c"/",
            streams: [&null, &null, &null],
            mount_proc: false,
        };
        let child = sleep.spawn().unwrap();
        let pid = child.id();
        let (client, _server) = UnixStream::pair().unwrap();

        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
        let ended = wait(child, &client);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();

        let said = ended.unwrap_err().to_string();
        assert!(said.contains("Too many open files"), "{said}");
        assert_eq!(kill(pid, None), Err(Errno::ESRCH), "ended and reaped");
    }
}
