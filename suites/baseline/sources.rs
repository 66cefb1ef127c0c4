//! What `flatnet diff` takes besides reports: baselines, answers of `flatnet inspect`, revisions of a git repository.
use std::path::Path;
use std::process::{Command, Output};

use super::{Lab, Reports, all, flatnet, stdout};

fn diff(dir: &Path, before: &str, after: &str) -> Output {
    let mut command = flatnet();
    command.current_dir(dir).args(["diff", before, after]);
    command.output().expect("flatnet starts")
}

/// What a lab answers, into a file.
#[track_caller]
fn answers(lab: &Lab, file: &Path) {
    let mut command = flatnet();
    command.args(["inspect", "--cluster", &lab.0, "--output", "json"]);
    let output = command.output().expect("flatnet starts");
    assert!(output.status.success(), "{}", all(&output));
    std::fs::write(file, stdout(&output)).expect("a file");
}

#[test]
fn answers_of_two_clusters_differ_in_what_differs() {
    let reports = Reports::new();
    let dir = reports.0.path();
    let [one, two] = ["one", "two"].map(|word| Lab::up(word, &["--backend", "vxlan"]));
    answers(&one, &dir.join("one.json"));
    answers(&two, &dir.join("two.json"));
    let same = diff(dir, "one.json", "two.json");
    assert_eq!(same.status.code(), Some(0), "{}", all(&same));
    assert!(
        stdout(&same).contains("nothing differs: "),
        "{}",
        all(&same)
    );
    two.exec("node3", "ip link set cni0 mtu 1400");
    answers(&two, &dir.join("two.json"));
    let other = diff(dir, "one.json", "two.json");
    assert_eq!(other.status.code(), Some(1), "{}", all(&other));
    let says = "bridges: bridge cni0: mtu: 1450 → 1400 (node3 only)";
    assert!(stdout(&other).contains(says), "{}", all(&other));
    assert!(stdout(&other).contains("1 difference; "), "{}", all(&other));
}

#[test]
fn a_baseline_and_a_revision_are_sides_too() {
    let reports = Reports::new();
    let dir = reports.0.path();
    let base = dir.join("lab.yaml");
    let mut command = flatnet();
    command
        .args(["test", "--quiet", "--report"])
        .arg(dir.join("a"));
    command
        .arg("--baseline")
        .arg(&base)
        .output()
        .expect("flatnet starts");
    let mut command = flatnet();
    let accepted = command.args(["baseline", "accept"]).arg(&base).output();
    assert!(accepted.expect("flatnet starts").status.success());
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(dir)
            .args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        let output = command.args(arguments).output().expect("git starts");
        assert!(output.status.success(), "{arguments:?}: {}", all(&output));
    };
    git(&["init", "--quiet"]);
    git(&["add", "lab.yaml"]);
    git(&["commit", "--quiet", "-m", "a baseline"]);
    let text = std::fs::read_to_string(&base).expect("a baseline");
    std::fs::write(&base, text.replace("is: 1500}", "is: 1400}")).expect("a baseline");
    for (before, code, says) in [
        ("git:HEAD:lab.yaml", 0, "nothing differs: "),
        ("lab.yaml", 1, "MTU of cni0: 1400 → 1500 bytes (every node)"),
    ] {
        let output = diff(dir, before, "a");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{before}: {}",
            all(&output)
        );
        assert!(stdout(&output).contains(says), "{before}: {}", all(&output));
    }
}
