//! The agent as a process.
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wire::TestNode;

/// Holds the arguments when this test binary acts as the agent.
const ARGS: &str = "FLATNET_AGENT_ARGS";

/// Not a test: the program that the tests below run (the real one is a binary of another package).
#[test]
fn be_the_agent() {
    let Ok(args) = std::env::var(ARGS) else {
        return;
    };
    let args: Vec<String> = serde_json::from_str(&args).unwrap();
    // ExitCode does not reveal its number, and `exit_process` is unstable.
    let code = flatnet_agent::run(args.into_iter().map(OsString::from));
    let codes = [0, 1, 2, 3];
    let number = codes
        .into_iter()
        .find(|n| code == std::process::ExitCode::from(*n))
        .unwrap();
    std::process::exit(number.into());
}

pub(crate) fn agent(node: &TestNode, args: &[&str]) -> Command {
    let given: Vec<_> = std::iter::once("flatnet-agent")
        .chain(args.iter().copied())
        .collect();
    // Blocked from the start, so that no thread of the test runner receives them instead of the agent.
    let mut command = Command::new("env");
    command
        .arg("--block-signal=TERM,INT,HUP")
        .arg(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "process::be_the_agent",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env(ARGS, serde_json::to_string(&given).unwrap())
        .current_dir(node.dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The same with a read-only `/proc/sys`, as in an unprivileged container. The folder `net` of the working directory is a
/// writable mount of `/proc/sys/net`.
pub(crate) fn in_container(agent: &Command) -> Command {
    let script = "mount --bind /proc/sys/net net && mount --rbind /proc/sys /proc/sys && \
                  mount -o remount,bind,ro /proc/sys && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(agent.get_program())
        .args(agent.get_args());
    for (name, value) in agent.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(agent.get_current_dir().unwrap());
    command
}

/// An agent with a nodes file, in the node's own folder.
pub(crate) const STANDARD: [&str; 8] = [
    "--node",
    "node2",
    "--nodes-file",
    "nodes.json",
    "--conf-dir",
    "conf",
    "--bin-dir",
    "bin",
];

/// Runs it to its end; returns exit code and standard error.
pub(crate) fn once(node: &TestNode, args: &[&str]) -> (Option<i32>, String) {
    let output = node.ns.within(|| agent(node, args).output()).unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Replaces a file atomically.
pub(crate) fn write(path: &Path, content: &str) {
    let temporary = path.with_extension("new");
    fs::write(&temporary, content).unwrap();
    fs::rename(temporary, path).unwrap();
}

/// The agent as a daemon; killed if a test ends without stopping it.
pub(crate) struct Daemon {
    child: Child,
    said: BufReader<ChildStderr>,
    pub(crate) nodes: PathBuf,
}

impl Daemon {
    /// With a nodes file.
    pub(crate) fn start(node: &TestNode, more: &[&str]) -> Self {
        let args: Vec<_> = STANDARD.iter().chain(more).copied().collect();
        Self::start_with(node, &args)
    }

    pub(crate) fn start_with(node: &TestNode, args: &[&str]) -> Self {
        let mut child = node.ns.within(|| agent(node, args).spawn()).unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Daemon {
            child,
            said,
            nodes: node.dir.path().join("nodes.json"),
        }
    }

    /// Lines up to one that contains `wanted`; the test's own time limit is the runner's.
    pub(crate) fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended without saying {wanted:?}: {lines:#?}");
            lines.push(line.trim_end().to_owned());
            if line.contains(wanted) {
                return lines;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn stop(mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
