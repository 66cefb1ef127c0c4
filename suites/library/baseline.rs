//! A cluster and its baseline.
use flatnet::testing::Cluster;
use rstest::rstest;

use super::{flatnet, has, lab, said};

#[rstest]
fn what_differs_is_said_and_can_be_accepted(#[by_ref] lab: &Cluster) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("mine.yaml");
    let name = file.display().to_string();
    let accept = format!("to accept it, flatnet baseline accept {name}");
    has(
        &said(|| lab.matches_baseline(&file)),
        &[
            &format!("there is no baseline {name} yet"),
            &format!("{name}.new"),
            &accept,
        ],
    );
    let accepted = flatnet().args(["baseline", "accept"]).arg(&file).output();
    assert!(accepted.expect("flatnet starts").status.success());
    lab.matches_baseline(&file);

    lab.node("node2").exec("ip link set cni0 mtu 1492");
    let words = said(|| lab.matches_baseline(&file));
    has(
        &words,
        &[
            "MTU of cni0: 1500 → 1492 bytes (node2 only)",
            &format!("differs from {name}"),
            &accept,
        ],
    );
    assert!(!words.contains('\u{1b}'), "colours: {words:?}");

    std::fs::write(&file, "facts: 7\n").expect("a file");
    has(&said(|| lab.matches_baseline(&file)), &[&name]);
}
