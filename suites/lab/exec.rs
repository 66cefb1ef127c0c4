//! Commands.
use std::process::{Command, Stdio as Pipe};

use flatnet_lab::{Error, Lab, LabTarget};

use crate::support::*;

#[test]
fn exec_tells_exit_codes_and_missing_programs_apart() {
    let lab = boot(&spec("exec", 1));
    assert_eq!(
        run(
            &lab,
            &node(1),
            &["sh", "-c", "echo out; echo err >&2; exit 7"]
        ),
        (7, "out\nerr\n".to_owned())
    );
    assert_eq!(run(&lab, &node(1), &["sh", "-c", "kill -9 $$"]).0, 137);
    let error = try_run(&lab, &node(1), &["no-such-program"]).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "exec: \"no-such-program\": executable file not found in $PATH"
    );
    let error = try_run(&lab, &LabTarget::Node("node9".into()), &["true"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no node \"node9\"; the nodes are node1"
    );
}

#[test]
fn a_command_dies_with_the_client_that_asked_for_it() {
    let lab = boot(&spec("orphan", 1));
    let info = lab.info().unwrap();
    // The client is another process: this test itself, asked to do one thing.
    let mut client = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "exec::client_for_a_command_that_is_abandoned",
            "--ignored",
        ])
        .env("LAB_TEST_NAME", &info.spec.name)
        .stdout(Pipe::null())
        .spawn()
        .unwrap();
    let script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f 2>/dev/null | grep -x 'sleep 98765 '; done";
    let sleepers = || run(&lab, &node(1), &["sh", "-c", script]).1;
    eventually(sleepers, |text| !text.is_empty(), "the command to run");
    client.kill().unwrap();
    client.wait().unwrap();
    eventually(sleepers, String::is_empty, "the command to be gone");
}

#[test]
#[ignore = "run by a_command_dies_with_the_client_that_asked_for_it, in a process of its own"]
fn client_for_a_command_that_is_abandoned() {
    let Ok(name) = std::env::var("LAB_TEST_NAME") else {
        return;
    };
    let _ = try_run(&Lab::connect(&name).unwrap(), &node(1), &["sleep", "98765"]);
}
