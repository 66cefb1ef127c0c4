//! A node and its pods, for one test.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use flatnet_cni::{Invocation, run};
use flatnet_netlink::netns;
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::{Value, json};

use crate::isolated::in_own_network;

/// Runs `body` as [`in_own_network`] does, on a new node.
#[track_caller]
pub(crate) fn isolated(name: &str, body: impl FnOnce(&World)) {
    in_own_network(name, || body(&World::new()));
}

/// The node: the namespace this process is in, and the plugin's directory.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

/// A pod's network namespace, alive as long as this value.
pub(crate) struct Pod {
    file: OwnedFd,
}

/// What an execution of the plugin said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) fine: bool,
    /// `Null` where nothing was written.
    pub(crate) json: Value,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.fine, "{}", self.json);
        self.json
    }

    #[track_caller]
    pub(crate) fn error(self, code: u32) -> String {
        assert!(!self.fine, "{}", self.json);
        assert_eq!(self.json["code"], code, "{}", self.json);
        self.json["details"].as_str().unwrap().to_owned()
    }
}

impl World {
    fn new() -> Self {
        observe(Command::new("ip").args(["link", "set", "lo", "up"]));
        World {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn pod(&self) -> Pod {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Pod {
            file: made.join().unwrap().into(),
        }
    }

    /// Where reservations are.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("networks")
    }

    /// Names of the files that say who has what: not the hints, which may stay.
    pub(crate) fn reservations(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.data_dir().join("net")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| !name.starts_with("last@"));
        names.sort();
        names
    }

    /// A configuration of network `net` with 10.244.1.0/24, and `extra` laid over it.
    pub(crate) fn conf(&self, extra: Value) -> Value {
        let mut conf = json!({
            "cniVersion": "1.1.0",
            "name": "net",
            "type": "flatnet-cni",
            "ipam": {"dataDir": self.data_dir(), "ranges": [[{"subnet": "10.244.1.0/24"}]]},
        });
        overlay(&mut conf, extra);
        conf
    }

    /// The same for both families.
    pub(crate) fn dual(&self, extra: Value) -> Value {
        let ranges = json!([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]]);
        let mut conf = self.conf(json!({"ipam": {"ranges": ranges}}));
        overlay(&mut conf, extra);
        conf
    }

    /// Runs a command of the plugin for interface eth0 of container `id`.
    pub(crate) fn cni(&self, command: &str, id: &str, netns: &str, conf: &Value) -> Outcome {
        self.cni_of(command, id, "eth0", netns, conf)
    }

    /// Runs a command of the plugin for an interface of container `id`.
    pub(crate) fn cni_of(
        &self,
        command: &str,
        id: &str,
        ifname: &str,
        netns: &str,
        conf: &Value,
    ) -> Outcome {
        let vars = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", id),
            ("CNI_NETNS", netns),
            ("CNI_IFNAME", ifname),
            ("CNI_PATH", "/opt/cni/bin"),
            (
                "CNI_ARGS",
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=busybox-1",
            ),
        ];
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let fine = run(Invocation {
            env: &|name| {
                vars.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| OsString::from(value))
            },
            stdin: &mut conf.to_string().as_bytes(),
            stdout: &mut stdout,
            stderr: &mut stderr,
        });
        assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        let json = if stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&stdout).unwrap()
        };
        Outcome { fine, json }
    }

    #[track_caller]
    pub(crate) fn add(&self, id: &str, pod: &Pod, conf: &Value) -> Value {
        self.cni("ADD", id, &pod.path(), conf).ok()
    }

    #[track_caller]
    pub(crate) fn del(&self, id: &str, conf: &Value) {
        assert_eq!(self.cni("DEL", id, "", conf).ok(), Value::Null);
    }

    /// CHECK with `result` as the runtime kept it.
    pub(crate) fn check(&self, id: &str, pod: &Pod, conf: &Value, result: &Value) -> Outcome {
        let mut conf = conf.clone();
        conf["prevResult"] = result.clone();
        self.cni("CHECK", id, &pod.path(), &conf)
    }

    /// `ip -j ARGS` on the node.
    pub(crate) fn ip(&self, args: &str) -> Value {
        observe(Command::new("ip").args(["-j", "-d"]).args(args.split(' ')))
    }

    /// `bridge -j ARGS` on the node.
    pub(crate) fn bridge(&self, args: &str) -> Value {
        observe(
            Command::new("bridge")
                .args(["-j", "-d"])
                .args(args.split(' ')),
        )
    }

    /// `nft -j ARGS` on the node.
    pub(crate) fn nft(&self, args: &str) -> Value {
        observe(Command::new("nft").arg("-j").args(args.split(' ')))
    }

    /// Names of the veth links on the node.
    pub(crate) fn veths(&self) -> Vec<String> {
        names(&self.ip("link show type veth"))
    }

    /// Asserts that no pod has left anything on the node.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.veths(), Vec::<String>::new());
        assert_eq!(self.reservations(), Vec::<String>::new());
        assert_eq!(
            self.ip("neigh show nud permanent")
                .as_array()
                .map_or(0, Vec::len),
            0
        );
    }
}

impl Pod {
    /// CNI_NETNS.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// `ip -j ARGS` in the pod.
    pub(crate) fn ip(&self, args: &str) -> Value {
        let file = self.file.as_raw_fd();
        let mut command = Command::new("ip");
        command.args(["-j", "-d"]).args(args.split(' '));
        // SAFETY: between fork and exec only a system call is made, on a file that the parent keeps open.
        unsafe {
            command.pre_exec(move || {
                let file = std::os::fd::BorrowedFd::borrow_raw(file);
                Ok(setns(file, CloneFlags::CLONE_NEWNET)?)
            });
        }
        observe(&mut command)
    }

    /// Does something inside, on another thread.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::within(self.file.as_fd(), work).unwrap()
    }
}

/// Runs a program on the node; it must succeed.
#[track_caller]
pub(crate) fn run_on_node(program: &str, args: &str) {
    let status = Command::new(program).args(args.split(' ')).status();
    assert!(status.unwrap().success(), "{program} {args}");
}

/// `ifname` of every element of a list that `ip` or `bridge` wrote.
pub(crate) fn names(list: &Value) -> Vec<String> {
    let named = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["ifname"].as_str());
    named.map(str::to_owned).collect()
}

/// The JSON a program writes; `Null` where it writes nothing.
#[track_caller]
fn observe(command: &mut Command) -> Value {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    if output.stdout.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn overlay(base: &mut Value, extra: Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra,
    }
}

/// Addresses of an interface as `ip` writes them.
pub(crate) fn addresses(list: &Value, ifname: &str) -> Vec<String> {
    let link = list
        .as_array()
        .unwrap()
        .iter()
        .find(|link| link["ifname"] == ifname)
        .unwrap();
    let infos = link["addr_info"].as_array().unwrap().iter();
    infos
        .map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"]))
        .collect()
}

/// (destination, next hop, device) of every route.
pub(crate) fn routes(list: &Value) -> BTreeSet<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.as_array()
        .unwrap()
        .iter()
        .map(|route| {
            (
                text(&route["dst"]),
                text(&route["gateway"]),
                text(&route["dev"]),
            )
        })
        .collect()
}

/// (address, MAC, state) of every neighbour.
pub(crate) fn neighbours(list: &Value) -> BTreeSet<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = list.as_array().into_iter().flatten();
    entries
        .map(|one| {
            (
                text(&one["dst"]),
                text(&one["lladdr"]),
                text(&one["state"][0]),
            )
        })
        .collect()
}

pub(crate) fn triple(a: &str, b: &str, c: &str) -> (String, String, String) {
    (a.to_owned(), b.to_owned(), c.to_owned())
}
