//! Plugins that fail, are missing, or hang.
use std::time::Duration;

use flatnet_lab::cni::{Error, PluginError};
use serde_json::json;

use super::bench::{Bench, attachment, two_plugins};

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
        ("echo '[]'", "the result is not a JSON object"),
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
