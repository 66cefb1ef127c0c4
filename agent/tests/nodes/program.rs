//! The program: what it waits for, what it says, how it ends.
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use flatnet_agent::desired::Backend;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wire::{Families, TestNode, Wire, as_root, list, talk};

/// Holds the arguments where this test binary shall be the agent.
const ARGS: &str = "FLATNET_AGENT_ARGS";

/// Not a test of its own: the program, for the tests below to run (the real one is a binary of another package).
#[test]
fn be_the_agent() {
    let Ok(args) = std::env::var(ARGS) else {
        return;
    };
    let args: Vec<String> = serde_json::from_str(&args).unwrap();
    // The exit code type has no number to be had; `exit_process` would be unstable.
    let code = flatnet_agent::run(args.into_iter().map(OsString::from));
    let codes = [0, 1, 2, 3];
    let number = codes
        .into_iter()
        .find(|n| code == std::process::ExitCode::from(*n))
        .unwrap();
    std::process::exit(number.into());
}

fn agent(node: &TestNode, args: &[&str]) -> Command {
    let given: Vec<_> = std::iter::once("flatnet-agent")
        .chain(args.iter().copied())
        .collect();
    // Blocked from the start, so that no thread of the test runner takes them in place of the agent.
    let mut command = Command::new("env");
    command
        .arg("--block-signal=TERM,INT,HUP")
        .arg(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "program::be_the_agent",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env(ARGS, serde_json::to_string(&given).unwrap())
        .current_dir(node.dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

const STANDARD: [&str; 8] = [
    "--node",
    "node2",
    "--nodes-file",
    "nodes.json",
    "--conf-dir",
    "conf",
    "--bin-dir",
    "bin",
];

/// Runs it to its end; exit code and what it said.
fn once(node: &TestNode, args: &[&str]) -> (Option<i32>, String) {
    let output = node.ns.within(|| agent(node, args).output()).unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn write(path: &Path, content: &str) {
    let temporary = path.with_extension("new");
    fs::write(&temporary, content).unwrap();
    fs::rename(temporary, path).unwrap();
}

/// The agent as a daemon; killed if a test ends without stopping it.
struct Daemon {
    child: Child,
    said: BufReader<ChildStderr>,
    nodes: PathBuf,
}

impl Daemon {
    fn start(node: &TestNode, more: &[&str]) -> Self {
        let args: Vec<_> = STANDARD.iter().chain(more).copied().collect();
        let mut child = node.ns.within(|| agent(node, &args).spawn()).unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Daemon {
            child,
            said,
            nodes: node.dir.path().join("nodes.json"),
        }
    }

    /// Lines up to one that contains `wanted`; the test's own time limit is the runner's.
    fn until(&mut self, wanted: &str) -> Vec<String> {
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

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn stop(mut self, signal: Signal) -> ExitStatus {
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

#[test]
fn it_waits_for_what_is_missing_follows_the_list_and_leaves_the_node_as_it_is() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, b) = (
            wire.on_segment(2, Families::V4),
            wire.on_segment(3, Families::V4),
        );
        let plugin = a.dir.path().join("plugin");
        fs::remove_file(a.dir.path().join("bin/flatnet-cni")).unwrap();
        fs::write(&plugin, "the plugin").unwrap();
        let mut daemon = Daemon::start(&a, &["--install-plugin", "plugin", "--resync", "3600"]);
        daemon.until("waiting: nodes file nodes.json is missing");
        write(&daemon.nodes, &serde_json::to_string(&list([&b])).unwrap());
        daemon.until("waiting: node \"node2\" is not in the node list (node3)");
        assert!(!a.dir.path().join("conf").exists());
        write(
            &daemon.nodes,
            &serde_json::to_string(&list([&a, &b])).unwrap(),
        );
        let lines = daemon.until("ready for pods");
        let order: Vec<_> = [
            "route 10.244.3.0/24 via 172.18.0.3 dev eth0: added",
            "plugin bin/flatnet-cni: installed",
            "conflist conf/10-flatnet.conflist: written",
            "no longer waiting: node \"node2\" is not in the node list (node3)",
            "ready for pods",
        ]
        .map(|line| lines.iter().position(|l| l == line))
        .to_vec();
        assert!(order.is_sorted() && order[0].is_some(), "{lines:#?}");
        assert_eq!(
            order[1].map(|i| i + 4),
            Some(lines.len()),
            "the conflist comes last: {lines:#?}"
        );
        assert_eq!(
            fs::read_to_string(a.dir.path().join("bin/flatnet-cni")).unwrap(),
            "the plugin"
        );
        // Nonsense keeps the last good list.
        write(&daemon.nodes, "{\"podNetwork\": [],\n \"nodes\": 7}");
        daemon.until("error: malformed nodes file nodes.json: invalid type: integer `7`, expected a sequence at line 2 column 11");
        daemon.signal(Signal::SIGHUP);
        write(&daemon.nodes, &serde_json::to_string(&list([&a])).unwrap());
        daemon.until("route 10.244.3.0/24 via 172.18.0.3: removed");
        write(
            &daemon.nodes,
            &serde_json::to_string(&list([&a, &b])).unwrap(),
        );
        daemon.until("route 10.244.3.0/24 via 172.18.0.3 dev eth0: added");
        let before = a.ns.snapshot();
        assert!(daemon.stop(Signal::SIGTERM).success());
        assert_eq!(a.ns.snapshot(), before);
        assert_eq!(a.conflist()["name"], "flatnet");
    });
}

#[test]
fn a_hang_up_mends_at_once_and_the_resync_without_being_asked() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, b) = (
            wire.on_segment(2, Families::V4),
            wire.on_segment(3, Families::V4),
        );
        write(
            &a.dir.path().join("nodes.json"),
            &serde_json::to_string(&list([&a, &b])).unwrap(),
        );
        let mut daemon = Daemon::start(&a, &["--resync", "3600"]);
        daemon.until("ready for pods");
        a.ns.run("ip route del 10.244.3.0/24");
        daemon.signal(Signal::SIGHUP);
        daemon.until("dev eth0: added");
        assert!(daemon.stop(Signal::SIGINT).success());
        let mut daemon = Daemon::start(&a, &["--resync", "1"]);
        daemon.until("ready for pods");
        a.ns.run("ip route del 10.244.3.0/24");
        daemon.until("dev eth0: added");
    });
}

#[test]
fn traffic_goes_on_while_the_agent_is_killed_and_started_again() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, b) = (
            wire.behind_router(2, Families::V4),
            wire.behind_router(3, Families::V4),
        );
        let all = list([&a, &b]);
        b.pass(&mut b.agent(Backend::Auto), &all);
        write(
            &a.dir.path().join("nodes.json"),
            &serde_json::to_string(&all).unwrap(),
        );
        let mut daemon = Daemon::start(&a, &[]);
        daemon.until("ready for pods");
        let (pod_a, pod_b) = (a.pod(), b.pod());
        daemon.stop(Signal::SIGKILL);
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
        let mut daemon = Daemon::start(&a, &[]);
        let lines = daemon.until("ready for pods");
        assert_eq!(
            lines,
            ["nftables table inet flatnet: written", "ready for pods"]
        );
        assert_eq!(talk(&pod_b, &pod_a, "10.244.2.2").to_string(), "10.244.3.2");
    });
}

#[test]
fn once_ends_with_the_code_that_says_what_is_the_matter() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, far) = (
            wire.on_segment(2, Families::V4),
            wire.behind_router(7, Families::V4),
        );
        let nodes = a.dir.path().join("nodes.json");
        let with = |more: &[&'static str]| -> Vec<&'static str> {
            let own_bin = more.contains(&"--bin-dir");
            let standard = if own_bin {
                &STANDARD[..6]
            } else {
                &STANDARD[..]
            };
            standard
                .iter()
                .chain(&["--once"])
                .chain(more)
                .copied()
                .collect()
        };
        let check = |args: &[&str], code: i32, says: &str| {
            let (got, said) = once(&a, args);
            assert!(
                got == Some(code) && said.contains(says),
                "{args:?}: {got:?} {said}"
            );
        };
        check(
            &with(&["--backend", "gre"]),
            2,
            "invalid value 'gre' for '--backend <BACKEND>'",
        );
        check(&["--node", "node2"], 2, "--nodes-file <FILE>");
        check(&["--help"], 0, "");
        check(&with(&[]), 3, "nodes file nodes.json is missing; write it");
        check(
            &["--once", "--node", "a", "--nodes-file", "no/n.json"],
            3,
            "directory of the nodes file no is missing",
        );
        check(
            &with(&["--install-plugin", "gone"]),
            3,
            "plugin to install gone is missing",
        );
        write(&nodes, "[]");
        check(&with(&[]), 2, "malformed nodes file nodes.json");
        write(&nodes, &serde_json::to_string(&list([&far])).unwrap());
        check(
            &with(&[]),
            3,
            "node \"node2\" is not in the node list (node7)",
        );
        write(&nodes, &serde_json::to_string(&list([&a, &far])).unwrap());
        check(
            &with(&["--backend", "routes"]),
            1,
            "cannot be reached by a plain route",
        );
        check(
            &with(&["--bin-dir", "nowhere"]),
            3,
            "plugin nowhere/flatnet-cni is missing",
        );
        check(&with(&[]), 0, "ready for pods");
        a.ns.run("ip addr del 172.18.0.2/16 dev eth0");
        check(
            &with(&[]),
            3,
            "no interface holds this node's address 172.18.0.2",
        );
    });
}
