//! Programs that observe the kernel, run from a thread inside the namespace in question.
use std::process::{Command, Output};

use serde_json::Value;

/// `ip -j …`
#[track_caller]
pub(crate) fn ip(arguments: &str) -> Value {
    json("ip", "iproute2", &format!("-j {arguments}"))
}

/// `bridge -j …`
#[track_caller]
pub(crate) fn bridge(arguments: &str) -> Value {
    json("bridge", "iproute2", &format!("-j {arguments}"))
}

/// `nft -j list …`, without the line about the program itself.
#[track_caller]
pub(crate) fn nft(arguments: &str) -> Vec<Value> {
    let mut listing = json("nft", "nftables", &format!("-j list {arguments}"));
    let Value::Array(mut objects) = listing["nftables"].take() else {
        panic!("not an nft listing: {listing}")
    };
    objects.retain(|object| object.get("metainfo").is_none());
    objects
}

/// What `ip …` prints.
#[track_caller]
pub(crate) fn ip_text(arguments: &str) -> String {
    let output = output("ip", "iproute2", arguments);
    String::from_utf8(output.stdout).expect("text")
}

/// Whether `ip …` succeeds: for what only it can do here.
#[track_caller]
pub(crate) fn ip_succeeds(arguments: &str) -> bool {
    output("ip", "iproute2", arguments).status.success()
}

/// Whether `bridge …` or `nft …` succeeds.
#[track_caller]
pub(crate) fn succeeds(program: &str, arguments: &str) -> bool {
    output(program, "iproute2 or nftables", arguments)
        .status
        .success()
}

#[track_caller]
fn json(program: &str, package: &str, arguments: &str) -> Value {
    let output = output(program, package, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments}: {}: {errors}",
        output.status
    );
    // An empty listing has no output at all.
    if output.stdout.trim_ascii().is_empty() {
        return Value::Array(Vec::new());
    }
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{program} {arguments}: {error}"))
}

#[track_caller]
fn output(program: &str, package: &str, arguments: &str) -> Output {
    let run = Command::new(program)
        .args(arguments.split_whitespace())
        .output();
    run.unwrap_or_else(|error| {
        panic!("{program}: {error}; these tests need the Debian package {package}")
    })
}
