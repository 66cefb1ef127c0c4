//! Two runs of one configuration are equal, whatever their names and addresses are.
use rstest::rstest;

use super::{Lab, Reports, all};

/// One pod on each of three nodes and a second one on the first, made in this order.
fn manifest(pods: [(&str, u8); 4]) -> String {
    let pods = pods.map(|(name, node)| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: node{node}\n  containers:\n  - {{name: c, image: busybox, command: [sleep, infinity]}}\n"
        )
    });
    pods.join("---\n")
}

#[rstest]
#[case::default(&[])]
#[case::dual_stack(&["--ip-family", "dual"])]
#[case::routed(&["--underlay", "routed"])]
#[case::vxlan(&["--backend", "vxlan", "--mtu", "1400"])]
#[case::reference(&["--cni", "reference"])]
fn other_names_and_addresses_are_no_difference(#[case] options: &[&str]) {
    let reports = Reports::new();
    let files = [
        (
            "first",
            [("alpha", 1), ("beta", 1), ("gamma", 2), ("delta", 3)],
        ),
        // Made in another order, so that addresses are handed out otherwise.
        (
            "second",
            [("zeta-10", 1), ("one", 3), ("zeta-9", 1), ("other", 2)],
        ),
    ];
    for (name, pods) in files {
        let file = reports.path(&format!("{name}.yaml"));
        std::fs::write(&file, manifest(pods)).expect("a manifest");
        let file = file.display().to_string();
        let options = [options, &["--manifest", &file]].concat();
        let output = reports.run(name, &options);
        assert!(output.status.success(), "{}", all(&output));
    }
    let (code, diff) = reports.diff("first", "second");
    assert_eq!((diff.texts(), code), (vec![], Some(0)));
    let compared = "of 20 verdicts, 3 nodes, 4 pods, 9 ways within and between nodes";
    assert!(diff.summary().contains(compared), "{}", diff.summary());
}

/// Ten runs of a lab that nobody changes, beside processes that take what the machine has.
#[test]
fn a_busy_machine_raises_no_false_alarm() {
    let reports = Reports::new();
    let lab = Lab::up("busy", &["--ip-family", "dual"]);
    let file = reports.path("lab.yaml");
    lab.baseline(&file);
    let loops: Vec<_> = (0..8)
        .map(|_| {
            std::process::Command::new("sh")
                .args(["-c", "while kill -0 $PPID 2>/dev/null; do :; done"])
                .spawn()
                .expect("a loop starts")
        })
        .collect();
    let outputs: Vec<_> = (0..10).map(|_| lab.test(&file, &[])).collect();
    for mut one in loops {
        let _ = one.kill();
        let _ = one.wait();
    }
    for output in outputs {
        assert_eq!(output.status.code(), Some(0), "{}", all(&output));
    }
}
