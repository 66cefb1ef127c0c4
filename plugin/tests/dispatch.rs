//! The protocol's outside: variables and configuration in, one JSON object and a verdict out. No command here gets as far as
//! the kernel.
#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]
use std::ffi::OsString;
use std::io::{self, Write};

use flatnet_cni::{Invocation, run};
use serde_json::{Value, json};

struct Outcome {
    fine: bool,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    fn assert_error(&self, code: u32, words: &str) {
        let json = self.json();
        assert!(!self.fine);
        assert_eq!(json["code"], code, "{json}");
        assert!(json["details"].as_str().unwrap().contains(words), "{json}");
    }
}

fn invoke(vars: &[(&str, &str)], input: &str) -> Outcome {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let fine = run(Invocation {
        env: &|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        },
        stdin: &mut input.as_bytes(),
        stdout: &mut stdout,
        stderr: &mut stderr,
    });
    Outcome {
        fine,
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

const ATTACHMENT: [(&str, &str); 4] = [
    ("CNI_CONTAINERID", "c1"),
    ("CNI_NETNS", "/nowhere/netns"),
    ("CNI_IFNAME", "eth0"),
    ("CNI_PATH", "/opt/cni/bin"),
];

fn command(name: &str, input: &str) -> Outcome {
    let mut vars = ATTACHMENT.to_vec();
    vars.push(("CNI_COMMAND", name));
    invoke(&vars, input)
}

fn conf(version: &str) -> String {
    json!({"cniVersion": version, "name": "net", "type": "flatnet-cni", "ipam": {"subnet": "10.1.0.0/24"}}).to_string()
}

#[test]
fn version_gives_back_what_was_asked_and_lists_what_is_spoken() {
    for asked in ["0.3.1", "1.1.0", "0.1.0", "7.0.0"] {
        let outcome = command("VERSION", &json!({"cniVersion": asked}).to_string());
        assert!(outcome.fine);
        let versions = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
        assert_eq!(
            outcome.json(),
            json!({"cniVersion": asked, "supportedVersions": versions})
        );
    }
    assert_eq!(command("VERSION", "").json()["cniVersion"], "1.1.0");
    command("VERSION", "{").assert_error(6, "EOF");
}

#[test]
fn without_a_command_a_person_learns_what_this_is() {
    let outcome = invoke(&[], "");
    outcome.assert_error(4, "CNI_COMMAND");
    assert!(
        outcome.stderr.starts_with("CNI plugin flatnet-cni "),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn commands_are_refused_under_versions_that_lack_them() {
    for (name, version) in [
        ("CHECK", "0.3.0"),
        ("CHECK", "0.3.1"),
        ("GC", "0.4.0"),
        ("GC", "1.0.0"),
        ("STATUS", "1.0.0"),
    ] {
        let outcome = command(name, &conf(version));
        outcome.assert_error(1, name);
        assert_eq!(outcome.json()["cniVersion"], version);
    }
    for name in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
        command(name, &conf("0.2.0")).assert_error(1, "0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0");
    }
}

#[test]
fn errors_speak_the_version_of_the_configuration() {
    let outcome = command("ADD", &conf("0.4.0"));
    outcome.assert_error(3, "/nowhere/netns does not exist");
    let json = outcome.json();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["cniVersion", "code", "details", "msg"]);
    assert_eq!(outcome.json()["cniVersion"], "0.4.0");
    assert_eq!(command("ADD", "rubbish").json()["cniVersion"], "1.1.0");
}

#[test]
fn configurations_that_cannot_work_name_the_key() {
    let with = |extra: Value| {
        let mut conf: Value = serde_json::from_str(&conf("1.1.0")).unwrap();
        for (key, value) in extra.as_object().unwrap() {
            conf[key] = value.clone();
        }
        command("ADD", &conf.to_string())
    };
    with(json!({"ipam": null})).assert_error(7, "ipam: is missing");
    with(json!({"ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}))
        .assert_error(7, "ipam.type: \"host-local\"");
    with(json!({"ipam": {"subnet": "10.1.0.0/33"}})).assert_error(7, "network configuration");
    with(json!({"ipam": {"ranges": []}})).assert_error(7, "ipam.ranges: is missing");
    with(json!({"mtu": 67})).assert_error(7, "mtu: 67");
    with(json!({"mtu": "1450"})).assert_error(7, "invalid type: string");
    with(json!({"isGateway": false, "isDefaultGateway": false}))
        .assert_error(2, "isGateway: false");
    let routes = |routes: Value| with(json!({"ipam": {"subnet": "10.1.0.0/24", "routes": routes}}));
    routes(json!([{"dst": "10.9.0.1/16"}])).assert_error(7, "10.9.0.0/16");
    routes(json!([{"dst": "fd00::/64"}])).assert_error(7, "no range is of this address family");
    routes(json!([{"dst": "10.9.0.0/16", "gw": "fd00::1"}]))
        .assert_error(7, "other address family");
    routes(json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.9"}])).assert_error(7, "isDefaultGateway");
    routes(json!([{"dst": "10.9.0.0/16", "mtu": 1400}])).assert_error(2, "ipam.routes: mtu 1400");
    routes(json!([{"dst": "10.9.0.0/16", "scope": 254}])).assert_error(7, "scope 254");
    with(json!({"prevResult": 1})).assert_error(7, "prevResult");
    with(json!({"dns": []})).assert_error(7, "dns");
    with(json!({"runtimeConfig": {"portMappings": []}, "capabilities": {"x": true}, "cni.dev/any": 1}))
        .assert_error(3, "does not exist");
    command("CHECK", &conf("1.1.0")).assert_error(7, "prevResult: is missing");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut stderr = Vec::new();
    let fine = run(Invocation {
        env: &|name| (name == "CNI_COMMAND").then(|| OsString::from("VERSION")),
        stdin: &mut io::empty(),
        stdout: &mut Full,
        stderr: &mut stderr,
    });
    assert!(!fine);
    assert!(String::from_utf8(stderr).unwrap().contains("write result"));
}
