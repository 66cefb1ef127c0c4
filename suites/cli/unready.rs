//! A CNI that does not come up: its cluster can be kept and looked at, and its run has a report.
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::flatnet;
use super::started::{unchosen, words};
use flatnet_analysis::checks::catalogue;

/// A plugin that says that it cannot work (CNI 1.1.0, STATUS, code 50).
const PLUGIN: &str = r#"#!/bin/sh
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.1.0"]}';;
STATUS) echo '{"cniVersion":"1.1.0","code":50,"msg":"my daemon is gone"}'; exit 1;;
esac
"#;

fn start(dir: &Path, report: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    command
        .args(arguments)
        .args(["--nodes", "1", "--cni", "./down.conflist", "--cni-bin", "."])
        .args(["--report", report])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flatnet starts")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}

/// One test, as each run waits half a minute for its CNI.
#[test]
fn a_cni_that_does_not_come_up_leaves_its_report_and_with_keep_its_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let plugin = dir.join("down");
    std::fs::write(&plugin, PLUGIN).expect("a plugin");
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let conflist = r#"{"cniVersion":"1.1.0","name":"down","plugins":[{"type":"down"}]}"#;
    std::fs::write(dir.join("down.conflist"), conflist).expect("a conflist");
    let name = |what: &str| format!("{what}-{}", std::process::id());
    let (kept, gone) = (name("unready-kept"), name("unready-gone"));
    let (up_kept, up_gone) = (name("unready-up-kept"), name("unready-up-gone"));

    let runs = [
        start(dir, "kept", &["test", "--keep", "--name", &kept]),
        start(dir, "gone", &["test", "--name", &gone]),
        start(dir, "up-kept", &["up", "--keep", "--name", &up_kept]),
        start(dir, "up-gone", &["up", "--name", &up_gone]),
    ];
    let said = runs.map(|run| {
        let output = run.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(4), "{}", words(&output));
        assert!(output.stdout.is_empty());
        words(&output)
    });
    let diagnosis = flatnet(&["diagnose", "--wait", "0", "--cluster", &kept]);
    let downs = [&kept, &up_kept, &gone, &up_gone].map(|lab| flatnet(&["down", lab]).status.code());

    let why = "plugin type=\"down\" failed (status): my daemon is gone";
    for said in &said {
        assert!(
            said.contains("error: CNI ./down.conflist does not come up: "),
            "{said}"
        );
        assert!(said.contains(why), "{said}");
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{said}");
    }
    assert_eq!(downs, [Some(0), Some(0), Some(2), Some(2)]);
    for (said, lab) in [(&said[0], &kept), (&said[2], &up_kept)] {
        assert!(
            said.contains(&format!(
                "note: cluster {lab} is kept; to delete it: flatnet down {lab}"
            )),
            "{said}"
        );
        assert!(
            said.contains(&format!(
                "to look at it: flatnet diagnose --cluster {lab}; "
            )),
            "{said}"
        );
    }
    for said in [&said[1], &said[3]] {
        assert!(
            said.contains(
                "note: the cluster is deleted; to keep it for a look, run it again with --keep"
            ),
            "{said}"
        );
    }
    let explained = String::from_utf8_lossy(&diagnosis.stdout).into_owned();
    assert_eq!(
        diagnosis.status.code(),
        Some(1),
        "{explained}{}",
        words(&diagnosis)
    );
    assert!(explained.contains("my daemon is gone"), "{explained}");

    for (folder, cluster) in [("kept", Value::from(kept)), ("gone", Value::Null)] {
        let report = read(&dir.join(folder).join("report.json"));
        assert_eq!(report["run"]["cluster"], cluster);
        assert_eq!(report["outcome"]["exit_code"], 4);
        let checks = report["checks"].as_array().expect("checks");
        assert_eq!(checks.len(), catalogue::all().len());
        for check in checks {
            assert_eq!(check["verdict"], "broken", "{check}");
            assert!(
                check["error"]
                    .as_str()
                    .is_some_and(|error| error.contains(why)),
                "{check}"
            );
        }
        let junit = std::fs::read_to_string(dir.join(folder).join("junit.xml")).expect("junit.xml");
        assert_eq!(junit.matches("my daemon is gone").count(), checks.len());
    }
    for (folder, cluster) in [("up-kept", Value::from(up_kept)), ("up-gone", Value::Null)] {
        let report = read(&dir.join(folder).join("cluster.json"));
        assert_eq!(report["name"], cluster);
        assert!(
            report["error"]
                .as_str()
                .is_some_and(|error| error.contains(why)),
            "{report}"
        );
    }
}
