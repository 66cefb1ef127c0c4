//! A node and its pods for one test, and the plugin's executable.
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use crate::isolated::in_own_network;

pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_flatnet-cni");
/// Runs `body` as [`in_own_network`] does, on a new node.
#[track_caller]
pub(crate) fn isolated(name: &str, body: impl FnOnce(&Node)) {
    in_own_network(name, || {
        body(&Node {
            directory: tempfile::tempdir().unwrap(),
        });
    });
}

/// The namespace this process is in, with the plugin's directory.
pub(crate) struct Node {
    directory: tempfile::TempDir,
}

/// A pod's network namespace, alive as long as this value.
pub(crate) struct Pod(OwnedFd);

/// What an execution ended with.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        if self.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&self.stdout).unwrap()
        }
    }

    #[track_caller]
    pub(crate) fn assert_error(&self, code: u32, words: &str) {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        let error: Value = serde_json::from_str(&self.stdout).unwrap();
        assert_eq!(error["code"], code, "{error}");
        assert!(
            error["details"].as_str().unwrap().contains(words),
            "{error}"
        );
    }
}

impl Node {
    pub(crate) fn pod(&self) -> Pod {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Pod(made.join().unwrap().into())
    }

    pub(crate) fn conf(&self, ranges: Value) -> Value {
        let ipam = json!({"dataDir": self.data_dir(), "ranges": ranges});
        json!({"cniVersion": "1.1.0", "name": "net", "type": "flatnet-cni", "ipam": ipam})
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("networks")
    }

    /// Files that say who has what.
    pub(crate) fn reservations(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.data_dir().join("net")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with("last@")).collect()
    }

    /// Names under `key` in what `ip -j ARGS` lists on this node.
    pub(crate) fn ip(&self, args: &str, key: &str) -> BTreeSet<String> {
        let output = Command::new("ip")
            .arg("-j")
            .args(args.split(' '))
            .output()
            .expect("ip (package iproute2)");
        assert!(
            output.status.success(),
            "ip {args}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let list: Value = if output.stdout.is_empty() {
            json!([])
        } else {
            serde_json::from_slice(&output.stdout).unwrap()
        };
        list.as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one[key].as_str())
            .map(str::to_owned)
            .collect()
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.reservations(), BTreeSet::new());
        assert_eq!(self.ip("link show type veth", "ifname"), BTreeSet::new());
        assert_eq!(self.ip("neigh show nud permanent", "dst"), BTreeSet::new());
    }
}

impl Pod {
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

pub(crate) fn spawn(vars: &[(&str, &str)], args: &[&str], input: &str) -> Child {
    let mut command = Command::new(PLUGIN);
    command.env_clear().envs(vars.iter().copied()).args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A plugin that refuses its variables does not read; the pipe holds this much either way.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child
}

/// Waits for the exit and for the end of both streams: any process that holds them keeps a runtime waiting too.
pub(crate) fn finish(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn start(command: &str, id: &str, netns: &str, conf: &Value) -> Child {
    let vars = [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", id),
        ("CNI_NETNS", netns),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/opt/cni/bin"),
    ];
    spawn(&vars, &[], &conf.to_string())
}

pub(crate) fn cni(command: &str, id: &str, netns: &str, conf: &Value) -> Outcome {
    finish(start(command, id, netns, conf))
}

pub(crate) fn with(conf: &Value, key: &str, value: Value) -> Value {
    let mut conf = conf.clone();
    conf[key] = value;
    conf
}

pub(crate) fn gc(conf: &Value, valid: impl Iterator<Item = String>) {
    let valid: Vec<Value> = valid
        .map(|id| json!({"containerID": id, "ifname": "eth0"}))
        .collect();
    assert_eq!(
        cni(
            "GC",
            "",
            "",
            &with(conf, "cni.dev/valid-attachments", json!(valid))
        )
        .ok(),
        Value::Null
    );
}

pub(crate) fn address(result: &Value) -> String {
    result["ips"][0]["address"]
        .as_str()
        .unwrap()
        .trim_end_matches("/32")
        .to_owned()
}
