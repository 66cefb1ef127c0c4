//! ADD and DEL: order, versions, and what each plugin is given.
use std::path::Path;

use serde_json::{Value, json};

use super::bench::{Bench, FIRST_RESULT, attachment, two_plugins, with_two_plugins};

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
