//! A runtime whose plugins are shell scripts that write down how they were called.
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use flatnet_lab::cni::{Attachment, Runtime};
use flatnet_lab::node_root::NodeRoot;
use flatnet_model::cni::NetworkList;
use serde_json::{Value, json};

pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) runtime: Runtime,
}

impl Bench {
    pub(super) fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let mut runtime = Runtime::new(Arc::new(NodeRoot::here().unwrap()));
        runtime.conf_dir = dir.path().join("net.d");
        runtime.bin_dirs = vec![dir.path().join("none"), dir.path().join("bin")];
        runtime.cache_dir = dir.path().join("cache");
        for part in ["net.d", "bin", "calls"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
        }
        Bench { dir, runtime }
    }

    /// A plugin that writes down its command, environment and configuration, and then does as `then` says.
    pub(super) fn plugin(&self, name: &str, then: &str) -> &Self {
        let calls = self.dir.path().join("calls");
        let calls = calls.display();
        let script = format!(
            "#!/bin/sh\necho {name} $CNI_COMMAND >> {calls}/log\n\
             cat > {calls}/{name}.$CNI_COMMAND.stdin\nenv | grep ^CNI_ > {calls}/{name}.$CNI_COMMAND.env\n{then}\n"
        );
        let path = self.dir.path().join("bin").join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        self
    }

    pub(super) fn conflist(&self, conflist: &Value) -> NetworkList {
        std::fs::write(
            self.runtime.conf_dir.join("10-test.conflist"),
            conflist.to_string(),
        )
        .unwrap();
        self.runtime.network().unwrap()
    }

    pub(super) fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.path().join("calls/log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    pub(super) fn forget(&self) {
        std::fs::remove_dir_all(self.dir.path().join("calls")).unwrap();
        std::fs::create_dir(self.dir.path().join("calls")).unwrap();
    }

    pub(super) fn stdin(&self, call: &str) -> Value {
        let path = self.dir.path().join(format!("calls/{call}.stdin"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub(super) fn env(&self, call: &str) -> BTreeMap<String, String> {
        let text =
            std::fs::read_to_string(self.dir.path().join(format!("calls/{call}.env"))).unwrap();
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    pub(super) fn results(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.runtime.cache_dir.join("results"));
        entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

pub(super) fn attachment(id: &str) -> Attachment {
    Attachment {
        container_id: id.to_owned(),
        ifname: "eth0".to_owned(),
        netns: "/run/netns/test".to_owned(),
        args: vec![
            ("IgnoreUnknown".into(), "1".into()),
            ("K8S_POD_NAME".into(), "a".into()),
        ],
        capabilities: BTreeMap::from([("portMappings".to_owned(), json!([{"hostPort": 80}]))]),
    }
}

pub(super) fn two_plugins(version: &str) -> Value {
    json!({"cniVersion": version, "name": "net", "plugins": [
        {"type": "first", "mtu": 1400},
        {"type": "second", "capabilities": {"portMappings": true, "bandwidth": true}},
    ]})
}

pub(super) const FIRST_RESULT: &str =
    r#"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.5/24"}],"x-foreign":{"kept":true}}"#;
pub(super) const SECOND_RESULT: &str =
    r#"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.6/24"}]}"#;

pub(super) fn with_two_plugins() -> Bench {
    let bench = Bench::new();
    bench
        .plugin("first", &format!("echo '{FIRST_RESULT}'"))
        .plugin("second", &format!("echo '{SECOND_RESULT}'"));
    bench
}
