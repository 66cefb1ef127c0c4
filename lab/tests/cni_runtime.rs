//! The CNI runtime, driven without a lab: plugins are shell scripts that write down how they were called.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flatnet_lab::cni::{Attachment, Error, NetworkList, PluginError, Runtime};
use flatnet_lab::site::Site;
use serde_json::{Value, json};

struct Bench {
    dir: tempfile::TempDir,
    runtime: Runtime,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let mut runtime = Runtime::new(Arc::new(Site::here().unwrap()));
        runtime.conf_dir = dir.path().join("net.d");
        runtime.bin_dirs = vec![dir.path().join("none"), dir.path().join("bin")];
        runtime.cache_dir = dir.path().join("cache");
        for part in ["net.d", "bin", "calls"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
        }
        Bench { dir, runtime }
    }

    /// A plugin that writes down its command, environment and configuration, and then does as `then` says.
    fn plugin(&self, name: &str, then: &str) -> &Self {
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

    fn conflist(&self, conflist: &Value) -> NetworkList {
        std::fs::write(
            self.runtime.conf_dir.join("10-test.conflist"),
            conflist.to_string(),
        )
        .unwrap();
        self.runtime.network().unwrap()
    }

    fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.path().join("calls/log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    fn forget(&self) {
        std::fs::remove_dir_all(self.dir.path().join("calls")).unwrap();
        std::fs::create_dir(self.dir.path().join("calls")).unwrap();
    }

    fn stdin(&self, call: &str) -> Value {
        let path = self.dir.path().join(format!("calls/{call}.stdin"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn env(&self, call: &str) -> BTreeMap<String, String> {
        let text =
            std::fs::read_to_string(self.dir.path().join(format!("calls/{call}.env"))).unwrap();
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    fn results(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.runtime.cache_dir.join("results"));
        entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

fn attachment(id: &str) -> Attachment {
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

fn two_plugins(version: &str) -> Value {
    json!({"cniVersion": version, "name": "net", "plugins": [
        {"type": "first", "mtu": 1400},
        {"type": "second", "capabilities": {"portMappings": true, "bandwidth": true}},
    ]})
}

const FIRST_RESULT: &str =
    r#"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.5/24"}],"x-foreign":{"kept":true}}"#;
const SECOND_RESULT: &str = r#"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.6/24"}]}"#;

fn with_two_plugins() -> Bench {
    let bench = Bench::new();
    bench
        .plugin("first", &format!("echo '{FIRST_RESULT}'"))
        .plugin("second", &format!("echo '{SECOND_RESULT}'"));
    bench
}

#[test]
fn add_runs_the_chain_in_order_and_hands_each_result_on() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("1.0.0"));
    let result = bench.runtime.add(&network, &attachment("c1")).unwrap();
    assert_eq!(
        result.ips("eth0").unwrap(),
        ["10.0.0.6".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(bench.log(), ["first ADD", "second ADD"]);
    assert_eq!(
        bench.stdin("first.ADD"),
        json!({"cniVersion": "1.0.0", "name": "net", "type": "first", "mtu": 1400})
    );
    let expected = json!({"cniVersion": "1.0.0", "name": "net", "type": "second", "runtimeConfig": {"portMappings": [{"hostPort": 80}]},
        "prevResult": serde_json::from_str::<Value>(FIRST_RESULT).unwrap()});
    assert_eq!(
        bench.stdin("second.ADD"),
        expected,
        "foreign keys stay, capabilities become runtimeConfig"
    );
    let env = bench.env("first.ADD");
    assert_eq!(env["CNI_ARGS"], "IgnoreUnknown=1;K8S_POD_NAME=a");
    assert_eq!(
        (
            env["CNI_CONTAINERID"].as_str(),
            env["CNI_IFNAME"].as_str(),
            env["CNI_NETNS"].as_str()
        ),
        ("c1", "eth0", "/run/netns/test")
    );
    assert!(env["CNI_PATH"].ends_with("/bin"), "{env:?}");
    assert!(bench.results()[0].ends_with("net-c1-eth0"));
}

#[test]
fn del_runs_in_reverse_with_configuration_and_result_of_the_add() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("1.0.0"));
    bench.runtime.add(&network, &attachment("c1")).unwrap();
    bench.forget();
    let changed = bench
        .conflist(&json!({"cniVersion": "0.4.0", "name": "other", "plugins": [{"type": "first"}]}));
    bench
        .runtime
        .del(Some(&changed), &attachment("c1"))
        .unwrap();
    assert_eq!(bench.log(), ["second DEL", "first DEL"]);
    let stdin = bench.stdin("first.DEL");
    assert_eq!(
        (
            &stdin["name"],
            &stdin["mtu"],
            &stdin["prevResult"]["ips"][0]["address"]
        ),
        (&json!("net"), &json!(1400), &json!("10.0.0.6/24"))
    );
    assert!(bench.results().is_empty());
    bench.forget();
    bench.runtime.del(None, &attachment("c1")).unwrap();
    assert!(bench.log().is_empty(), "nothing is known of it any more");
}

#[test]
fn before_0_4_0_del_has_no_result_and_check_does_nothing() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("0.3.1"));
    bench.runtime.add(&network, &attachment("c1")).unwrap();
    bench.forget();
    bench.runtime.check(&attachment("c1")).unwrap();
    assert!(bench.log().is_empty());
    bench.runtime.del(None, &attachment("c1")).unwrap();
    assert_eq!(bench.stdin("first.DEL").get("prevResult"), None);
}

#[test]
fn a_plugin_that_fails_ends_the_chain_and_is_quoted() {
    let bench = Bench::new();
    let error =
        r#"{"cniVersion":"1.0.0","code":11,"msg":"no address","details":"10.0.0.0/24 is full"}"#;
    bench
        .plugin(
            "first",
            &format!("[ $CNI_COMMAND = DEL ] || {{ echo '{error}'; echo noise >&2; exit 1; }}"),
        )
        .plugin("second", "");
    let network = bench.conflist(&two_plugins("1.0.0"));
    let failed = bench.runtime.add(&network, &attachment("c1")).unwrap_err();
    assert_eq!(
        failed.to_string(),
        r#"plugin type="first" failed (add): no address; 10.0.0.0/24 is full"#
    );
    assert!(
        matches!(failed.root(), Error::Plugin(PluginError { code: 11, .. })),
        "{failed:?}"
    );
    assert_eq!(bench.log(), ["first ADD"]);
    bench
        .runtime
        .del(Some(&network), &attachment("c1"))
        .unwrap();
    assert_eq!(
        bench.log(),
        ["first ADD", "second DEL", "first DEL"],
        "all of them, even those that never ran"
    );
    assert_eq!(bench.stdin("second.DEL").get("prevResult"), None);
}

#[test]
fn plugins_without_an_error_object_are_quoted_as_libcni_does() {
    for (then, expected) in [
        (
            "exit 3",
            "netplugin failed with no error message: exit status: 3",
        ),
        (
            "echo 'line one' >&2; exit 3",
            "netplugin failed: \"line one\"",
        ),
        (
            "echo not json; exit 3",
            "netplugin failed but error parsing its diagnostic message \"not json\"",
        ),
        ("echo '[]'", "the result is no JSON object"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let bench = Bench::new();
        bench.plugin("first", then);
        let network = bench.conflist(
            &json!({"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "first"}]}),
        );
        let error = bench
            .runtime
            .add(&network, &attachment("c1"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected),
            "{expected} is missing from: {error}"
        );
    }
}

#[test]
fn a_plugin_that_is_missing_or_no_program_is_named() {
    let bench = Bench::new();
    let network = bench.conflist(&two_plugins("1.0.0"));
    let error = bench.runtime.add(&network, &attachment("c1")).unwrap_err();
    assert!(
        matches!(error.root(), Error::NotFound { plugin, .. } if plugin == "first"),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.starts_with(
            r#"plugin type="first" failed (add): failed to find plugin "first" in path ["#
        ),
        "{text}"
    );
    std::fs::write(bench.dir.path().join("bin/first"), "no program").unwrap();
    let error = bench
        .runtime
        .add(&network, &attachment("c1"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fork/exec") && error.contains("ermission denied"),
        "{error}"
    );
}

#[test]
fn a_plugin_that_hangs_is_killed_with_what_it_started() {
    let mut bench = Bench::new();
    bench.runtime.limit = Duration::from_millis(300);
    let pids = bench.dir.path().join("pids");
    bench.plugin(
        "first",
        &format!("sleep 1000 & echo $$ $! > {}; wait", pids.display()),
    );
    let network = bench
        .conflist(&json!({"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "first"}]}));
    let error = bench.runtime.add(&network, &attachment("c1")).unwrap_err();
    assert!(matches!(error.root(), Error::TimedOut { .. }), "{error:?}");
    for pid in std::fs::read_to_string(pids).unwrap().split_whitespace() {
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let gone = || state().is_empty() || state().contains(") Z ");
        while !gone() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn check_hands_over_the_result_and_reports_what_is_wrong() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("1.0.0"));
    let error = bench
        .runtime
        .check(&attachment("c1"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no result of an earlier ADD"), "{error}");
    bench.runtime.add(&network, &attachment("c1")).unwrap();
    bench.forget();
    bench.runtime.check(&attachment("c1")).unwrap();
    assert_eq!(bench.log(), ["first CHECK", "second CHECK"]);
    assert_eq!(
        bench.stdin("first.CHECK")["prevResult"],
        serde_json::from_str::<Value>(SECOND_RESULT).unwrap()
    );
    bench.plugin(
        "second",
        r#"echo '{"code": 100, "msg": "the route is gone"}'; exit 1"#,
    );
    let error = bench
        .runtime
        .check(&attachment("c1"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        r#"plugin type="second" failed (check): the route is gone"#
    );
}

#[test]
fn check_and_gc_can_be_switched_off() {
    let bench = with_two_plugins();
    let mut conflist = two_plugins("1.1.0");
    conflist["disableCheck"] = json!(true);
    conflist["disableGC"] = json!(true);
    let network = bench.conflist(&conflist);
    bench.runtime.add(&network, &attachment("c1")).unwrap();
    bench.forget();
    bench.runtime.check(&attachment("c1")).unwrap();
    bench.runtime.gc(&network, &[]).unwrap();
    assert!(bench.log().is_empty());
}

#[test]
fn gc_deletes_stale_attachments_and_tells_plugins_the_valid_ones() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("1.1.0"));
    bench.runtime.add(&network, &attachment("stays")).unwrap();
    bench.runtime.add(&network, &attachment("goes")).unwrap();
    bench.forget();
    bench
        .runtime
        .gc(&network, &[("stays".into(), "eth0".into())])
        .unwrap();
    assert_eq!(
        bench.log(),
        ["second DEL", "first DEL", "first GC", "second GC"]
    );
    assert_eq!(bench.env("first.DEL")["CNI_CONTAINERID"], "goes");
    let stdin = bench.stdin("second.GC");
    assert_eq!(
        stdin["cni.dev/valid-attachments"],
        json!([{"containerID": "stays", "ifname": "eth0"}])
    );
    assert_eq!(
        bench
            .env("second.GC")
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        ["CNI_COMMAND", "CNI_PATH"]
    );
    assert_eq!(bench.results().len(), 1);
}

#[test]
fn before_1_1_0_gc_is_del_alone_and_status_is_not_asked() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("1.0.0"));
    bench.runtime.add(&network, &attachment("goes")).unwrap();
    bench.forget();
    bench.runtime.status(&network).unwrap();
    bench.runtime.gc(&network, &[]).unwrap();
    assert_eq!(bench.log(), ["second DEL", "first DEL"]);
}

#[test]
fn status_asks_every_plugin() {
    let bench = with_two_plugins();
    let network = bench.conflist(&two_plugins("1.1.0"));
    bench.runtime.status(&network).unwrap();
    assert_eq!(bench.log(), ["first STATUS", "second STATUS"]);
    bench.plugin(
        "second",
        r#"echo '{"code": 50, "msg": "not available"}'; exit 1"#,
    );
    let error = bench.runtime.status(&network).unwrap_err();
    assert!(
        matches!(error.root(), Error::Plugin(PluginError { code: 50, .. })),
        "{error:?}"
    );
}

#[test]
fn of_several_versions_the_highest_that_all_plugins_speak_is_used() {
    let bench = Bench::new();
    let speaking = |versions: &str| {
        format!(
            r#"[ $CNI_COMMAND = VERSION ] && echo '{{"cniVersion": "1.1.0", "supportedVersions": {versions}}}' || echo '{FIRST_RESULT}'"#
        )
    };
    bench
        .plugin("first", &speaking(r#"["0.4.0", "1.0.0", "1.1.0"]"#))
        .plugin("second", &speaking(r#"["0.3.1", "0.4.0", "1.0.0"]"#));
    let mut conflist = two_plugins("0.4.0");
    conflist["cniVersions"] = json!(["0.4.0", "1.0.0", "1.1.0"]);
    let network = bench.conflist(&conflist);
    bench.runtime.add(&network, &attachment("c1")).unwrap();
    assert_eq!(bench.stdin("first.ADD")["cniVersion"], "1.0.0");
    bench.plugin("second", &speaking(r#"["0.2.0"]"#));
    let error = bench
        .runtime
        .add(&network, &attachment("c2"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("1.1.0, 1.0.0, 0.4.0"), "{error}");
}

#[test]
fn a_configuration_larger_than_a_pipe_and_a_plugin_that_reads_none_are_fine() {
    let bench = with_two_plugins();
    let mut conflist = two_plugins("1.0.0");
    conflist["plugins"][0]["long"] = json!("x".repeat(300_000));
    let network = bench.conflist(&conflist);
    bench.runtime.add(&network, &attachment("c1")).unwrap();
    assert_eq!(
        bench.stdin("first.ADD")["long"].as_str().map(str::len),
        Some(300_000)
    );
    let path: &Path = &bench.dir.path().join("bin/first");
    std::fs::write(path, format!("#!/bin/sh\necho '{FIRST_RESULT}'\n")).unwrap();
    bench.runtime.add(&network, &attachment("c2")).unwrap();
}
