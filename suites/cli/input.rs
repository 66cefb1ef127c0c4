//! Files named on the command line that are no text of a bearable size, or say one thing twice.
use std::time::{Duration, Instant};

use rstest::rstest;

use super::started::tells;
use super::{file, flatnet, pod};

/// Refused at once, with these words.
#[track_caller]
fn refused(option: &str, path: &str, says: &[&str]) {
    let start = Instant::now();
    let output = flatnet(&["test", option, path]);
    tells(&output, 2, &[&[path], says].concat());
    assert!(start.elapsed() < Duration::from_secs(5), "{path}");
}

#[rstest]
fn what_is_not_a_regular_file_is_not_read(
    #[values("--manifest", "--cni", "--busybox")] option: &str,
) {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("fifo.conflist");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");

    refused(option, "/dev/zero", &["not a regular file"]);
    refused(option, &fifo.display().to_string(), &["not a regular file"]);
}

#[rstest]
#[case::large("#".repeat((1 << 20) + 1), "larger than 1 MiB")]
#[case::deep("{\"a\":".repeat(100_000), "nested more than 128 levels deep")]
#[case::deep_lists("- ".repeat(500_000), "recursion limit exceeded")]
fn a_text_without_measure_is_refused_at_once(#[case] text: String, #[case] says: &str) {
    let (_dir, path) = file("pods.yaml", &text);
    refused("--manifest", &path, &[says]);
}

#[test]
fn a_pod_that_stands_twice_is_refused_before_anything_boots() {
    let text = format!("\u{feff}{0}---\n{0}", pod("node1", "[sleep, infinity]"));
    let (_dir, path) = file("pods.yaml", &text);
    refused(
        "--manifest",
        &path,
        &["default/odd stands twice, in documents 1 and 2"],
    );
}
