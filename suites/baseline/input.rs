//! Bad input: one clear message, the documented exit code, and nothing left.
use rstest::rstest;

use super::{Reports, all, flatnet};

#[rstest]
#[case::no_yaml("facts: [", 2, "it is not a baseline")]
#[case::other_version("flatnet: baseline/v9\n", 2, "this flatnet reads \"baseline/v1\"")]
#[case::unknown_fact(
    "flatnet: baseline/v1\nfacts:\n  devce-mtu:\n    - {is: 1}\n",
    2,
    "did you mean \"device-mtu\"?"
)]
#[case::expired(
    "flatnet: baseline/v1\nfacts:\n  pod-network:\n    - {is: [10.0.0.0/8]}\nallow:\n  - {fact: pod-network, reason: moving, until: 2026-01-31}\n",
    1,
    "pod-network was allowed until 2026-01-31, which is over: moving"
)]
fn a_wrong_baseline_is_told(#[case] text: &str, #[case] code: i32, #[case] says: &str) {
    let reports = Reports::new();
    let file = reports.path("lab.yaml");
    std::fs::write(&file, text).expect("a file");
    let mut command = flatnet();
    command.args([
        "test",
        "--quiet",
        "--nodes",
        "1",
        "--pods-per-node",
        "1",
        "--baseline",
    ]);
    let output = command.arg(&file).output().expect("flatnet starts");
    assert_eq!(output.status.code(), Some(code), "{}", all(&output));
    assert!(all(&output).contains(says), "{}", all(&output));
    let left: Vec<_> = std::fs::read_dir(reports.0.path())
        .expect("a folder")
        .collect();
    assert_eq!(left.len(), if code == 1 { 2 } else { 1 }, "{left:?}");
}

#[test]
fn a_report_cut_short_is_told_apart_from_something_else() {
    let reports = Reports::new();
    reports.run("a", &["--nodes", "1", "--pods-per-node", "1"]);
    let whole = reports.path("a").join("report.json");
    let text = std::fs::read_to_string(&whole).expect("a report");
    for (name, content, says) in [
        (
            "cut.json",
            text[..text.len() / 2].to_owned(),
            "it ends in the middle",
        ),
        (
            "old.json",
            text.replacen("flatnet.report/v", "flatnet.report/v0", 1),
            "make it again",
        ),
        (
            "other.json",
            "{\"a\": 1}".to_owned(),
            "not a report of flatnet test",
        ),
        (
            "text.json",
            "hello".to_owned(),
            "nor the JSON of flatnet inspect",
        ),
    ] {
        let file = reports.path(name);
        std::fs::write(&file, content).expect("a file");
        let mut command = flatnet();
        let output = command
            .arg("diff")
            .arg(&file)
            .arg(&whole)
            .output()
            .expect("flatnet starts");
        assert_eq!(output.status.code(), Some(2), "{name}: {}", all(&output));
        assert!(all(&output).contains(says), "{name}: {}", all(&output));
        assert!(all(&output).contains(name), "{name}: {}", all(&output));
    }
    for (given, says) in [
        ("/nowhere/report.json", "No such file"),
        ("git:HEAD", "expected git:REVISION:PATH"),
        ("git:nowhere-at-all:a.json", "git:nowhere-at-all:a.json"),
    ] {
        let mut command = flatnet();
        let output = command
            .args(["diff", given])
            .arg(&whole)
            .output()
            .expect("flatnet starts");
        assert_eq!(output.status.code(), Some(2), "{given}: {}", all(&output));
        assert!(all(&output).contains(says), "{given}: {}", all(&output));
    }
}
