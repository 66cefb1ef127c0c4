//! Bad input, files that cannot be read, and `flatnet test` showing the diagnosis by itself.
use flatnet_model::cause::CauseId;
use flatnet_model::diagnosis::Kind;

use crate::ground::{Ground, SLEEPER, flatnet};

#[test]
fn an_unknown_pod_is_answered_with_those_there_are() {
    let ground = Ground::new("input", "flatnet");
    let output = flatnet(&["diagnose", "--cluster", ground.name(), "nobody"]);

    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(
        words.contains("\"nobody\"") && words.contains("default/busybox-1"),
        "{words}"
    );
}

#[test]
fn a_cluster_that_does_not_run_is_wrong_input() {
    let output = flatnet(&["diagnose", "--cluster", "diagnose-nobody"]);

    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("cluster"), "{words}");
}

#[test]
fn a_file_that_cannot_be_read_is_said_and_the_others_are_read() {
    let ground = Ground::new("unreadable", "reference");
    // A link to itself, which cannot be opened.
    let name = "50-conflist.conflist";
    ground.on(
        "node1",
        &["ln", "-sf", name, &format!("/etc/cni/net.d/{name}")],
    );
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(CauseId::NodeNotReady, &["node1", name]);
    let (_, diagnosis) = ground.diagnose(&[]);

    let said = diagnosis
        .unread
        .iter()
        .any(|unread| unread.what.contains(name) && unread.why.contains("symbolic links"));
    assert!(said, "{diagnosis:#?}");
}

#[test]
fn a_run_whose_pod_does_not_come_up_says_why_by_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let manifest = dir.path().join("pods.yaml");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: odd}\nspec:\n  nodeName: node1\n  containers:\n  - {name: c, image: busybox, command: [sh, -c, 'echo no database; exit 7']}\n";
    std::fs::write(&manifest, pod).expect("a manifest");
    let report = dir.path().join("report");

    let output = flatnet(&[
        "test",
        "--provider",
        "lab",
        "--manifest",
        &manifest.display().to_string(),
        "--report",
        &report.display().to_string(),
    ]);

    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("why pods do not run"), "{shown}");
    assert!(shown.contains("1. crash-loop"), "{shown}");
    let read = |name: &str| std::fs::read_to_string(report.join(name)).expect("a report");
    let json: serde_json::Value = serde_json::from_str(&read("report.json")).expect("JSON");
    let first = &json["diagnosis"]["subjects"][0]["findings"][0];
    assert_eq!(first["id"], "crash-loop", "{first:#}");
    assert!(
        first["observed"].to_string().contains("no database"),
        "{first:#}"
    );
    assert!(read("junit.xml").contains("crash-loop"));
    assert!(read("summary.md").contains("`crash-loop`"));
}

#[test]
fn a_pod_that_was_just_made_is_waited_for() {
    // No agent puts the plugin back there.
    let ground = Ground::new("fresh", "reference");
    let plugin = "/opt/cni/bin/bridge";
    ground.on("node1", &["rm", plugin]);
    let slow = "#!/bin/sh\nsleep 5\nexec /.flatnet/bridge\n";
    ground.write("node1", plugin, slow, 0o755);
    ground.apply(SLEEPER);

    let (at_once, first) = ground.diagnose(&["app", "--wait", "0"]);
    let (waited, last) = ground.diagnose(&["app"]);

    assert_eq!(at_once, 4, "{first:#?}");
    assert_eq!(waited, 0, "{last:#?}");
}

#[test]
fn a_node_is_asked_about_by_its_name() {
    let ground = Ground::new("node", "flatnet");

    let (code, diagnosis) = ground.diagnose(&["node/node1"]);

    assert_eq!(code, 0, "{diagnosis:#?}");
    let subjects = diagnosis.subjects.iter();
    let named: Vec<(Kind, &str)> = subjects
        .map(|subject| (subject.kind, subject.name.as_str()))
        .collect();
    assert_eq!(named, [(Kind::Node, "node1")]);
}
