//! CHECK, GC and STATUS.
use flatnet_lab::cni::{Error, PluginError};
use serde_json::{Value, json};

use super::bench::{SECOND_RESULT, attachment, two_plugins, with_two_plugins};

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
