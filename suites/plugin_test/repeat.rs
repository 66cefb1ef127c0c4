//! The shell line of a failure shows the failure, without flatnet.
use std::process::Command;

use serde_json::Value;

use crate::defects::{AFTER, BEFORE, OWN};
use crate::tested::{PLUGIN, run, script};

/// The first finding of a clause that a defect breaks: the line that repeats it, and the call.
fn finding(clause: &str) -> (String, Value, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let defect = OWN.iter().find(|defect| defect.clause == clause).unwrap();
    let text = format!("{BEFORE}{}{AFTER}", defect.shell).replace("REAL", PLUGIN);
    let plugin = script(folder.path(), "flatnet-cni", &text);
    let plugins = std::path::Path::new(PLUGIN)
        .parent()
        .unwrap()
        .to_str()
        .unwrap();
    let said = run(&[
        plugin.to_str().unwrap(),
        "--cni-bin",
        plugins,
        "--only",
        clause,
    ]);
    let evidence = said.rows[clause]["verdict"]["findings"][0]["evidence"].clone();
    (
        evidence["repeat"].as_str().unwrap().to_owned(),
        evidence,
        folder,
    )
}

/// What the line prints.
fn repeated(line: &str) -> String {
    assert!(!line.contains('\n'), "one line: {line}");
    assert!(!line.contains("flatnet plugin-test"), "{line}");
    let done = Command::new("sh").args(["-c", line]).output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn the_last_call_ends_again_as_it_did() {
    for clause in ["D2", "D3", "C2"] {
        let (line, evidence, _folder) = finding(clause);
        let (answer, printed) = (&evidence["call"][1], repeated(&line));
        let said = answer["stdout"].as_str().unwrap().trim();
        assert!(
            !said.is_empty() && printed.contains(said),
            "{clause}: {said} is not in {printed}"
        );
        assert_eq!(answer["ending"], serde_json::json!({"code": 1}));
        assert!(printed.contains("exit code 1"), "{printed}");
    }
}

#[test]
fn what_is_left_is_there_again() {
    let (line, evidence, _folder) = finding("D1");
    let left = evidence["difference"]
        .as_array()
        .unwrap()
        .iter()
        .find(|change| change["kind"] == "file")
        .unwrap();
    let printed = repeated(&line);
    assert!(
        printed.contains(left["name"].as_str().unwrap()),
        "{left} is not in {printed}"
    );
}
