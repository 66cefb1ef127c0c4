//! What differs from a baseline, as GitHub Actions shows it.
use super::{Lab, Reports, all, flatnet};

#[test]
fn what_differs_is_an_annotation_at_the_line_that_holds_it() {
    let reports = Reports::new();
    let file = reports.path("lab.yaml");
    let lab = Lab::up("annotated", &[]);
    lab.baseline(&file);
    lab.exec("node2", "ip link set cni0 mtu 1492");
    let baseline = std::fs::read_to_string(&file).expect("the baseline");
    let line = |words: &str| {
        let at = baseline.lines().position(|line| line.contains(words));
        at.expect(words) + 1
    };
    let mut command = flatnet();
    command
        .args(["test", "--quiet", "--cluster", &lab.0, "--baseline"])
        .arg(&file)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", reports.path(""));
    let output = command.output().expect("flatnet starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let at = line("{about: cni0, on: every node, is: 1500}");
    let expected = format!(
        "::error file=lab.yaml,line={at},title=flatnet%3A fact differs::MTU of cni0: 1500 → 1492 bytes (node2 only)"
    );
    assert!(
        said.lines().any(|line| line == expected),
        "{expected}\n{said}"
    );
    // Nobody reads them elsewhere.
    let plain = lab.test(&file, &[]);
    assert!(!all(&plain).contains("::error"), "{}", all(&plain));
}
