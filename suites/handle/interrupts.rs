//! Ctrl-C at every moment of a run in a lab: exit code 130, and no lab is left. The run is this test program once more, so that
//! it can interrupt itself exactly there.
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, exit};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet::config::RunArgs;
use flatnet::events::Event;
use flatnet::session;
use flatnet_cluster::Cluster as _;
use flatnet_cluster::lab::LabCluster;
use flatnet_lab::Lab;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use rstest::rstest;
use serde_json::json;

use crate::started::tells;
use crate::{flatnet, interrupt, running};

/// Which lab the run boots.
const NAME: &str = "HANDLE_SUITE_NAME";
/// The phase in which it interrupts itself.
const PHASE: &str = "HANDLE_SUITE_PHASE";
/// How long after the beginning of the phase, milliseconds; `end`: when the phase has ended.
const AFTER: &str = "HANDLE_SUITE_AFTER";

/// The run that interrupts itself; nothing where the variables do not say so.
#[test]
#[ignore = "is started by the tests below"]
fn interrupting_itself() {
    let (Ok(name), Ok(phase), Ok(after)) = (
        std::env::var(NAME),
        std::env::var(PHASE),
        std::env::var(AFTER),
    ) else {
        return;
    };
    let args = RunArgs::parse(["--name", &name, "--nodes", "2"]).expect("options that fit");
    let observer = move |event: &Event| {
        let now = || raise(Signal::SIGINT).expect("a signal to itself");
        match (event, after.as_str()) {
            (Event::PhaseEnded(ended, _), "end") if ended.name() == phase => now(),
            (Event::PhaseStarted(begun), "0") if begun.name() == phase => now(),
            (Event::PhaseStarted(begun), after) if begun.name() == phase && after != "end" => {
                let after = Duration::from_millis(after.parse().expect("milliseconds"));
                std::thread::spawn(move || {
                    std::thread::sleep(after);
                    now();
                });
            }
            _ => {}
        }
    };
    match session::run(session::conduct(&args, None, Arc::new(observer))) {
        Ok(_) => exit(0),
        Err(e) => {
            eprintln!("error: {e}");
            exit(i32::from(e.exit_code()));
        }
    }
}

/// A run of that lab which interrupts itself so long after the beginning of the phase.
fn interrupted(name: &str, phase: &str, after: &str) -> Output {
    Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "interrupts::interrupting_itself",
            "--ignored",
            "--nocapture",
        ])
        .env(NAME, name)
        .env(PHASE, phase)
        .env(AFTER, after)
        .output()
        .expect("flatnet starts")
}

/// Waits until no process of a lab of that name is left.
#[track_caller]
fn is_gone(name: &str) {
    no_process_has(&format!("serve\0{name}\0"));
}

/// Waits until no process with that in its arguments is left.
#[track_caller]
fn no_process_has(arguments: &str) {
    let begun = Instant::now();
    loop {
        let processes = std::fs::read_dir("/proc").expect("/proc");
        let lines = processes
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
        let left: Vec<String> = lines.filter(|line| line.contains(arguments)).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[rstest]
fn ctrl_c_ends_a_run_in_any_phase(
    #[values("boot", "install", "deploy", "observe", "tear-down")] phase: &str,
    #[values("0", "15")] after: &str,
) {
    let name = format!("int-{phase}-{after}-{}", std::process::id());

    let output = interrupted(&name, phase, after);

    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    // A phase may be over before its time comes, and the last one ends the run.
    let over = phase == "tear-down" && after != "0" && output.status.code() == Some(0);
    assert!(over || output.status.code() == Some(130), "{output:?}");
    assert!(over || words.contains("error: interrupted"), "{words}");
    is_gone(&name);
}

#[rstest]
fn ctrl_c_between_two_phases_is_not_lost(
    #[values("boot", "install", "deploy", "observe")] phase: &str,
) {
    let name = format!("int-{phase}-end-{}", std::process::id());

    let output = interrupted(&name, phase, "end");

    assert_eq!(output.status.code(), Some(130), "{output:?}");
    is_gone(&name);
}

/// What keeps a cluster has it outlive the run; one that was interrupted before it was there keeps nothing.
#[rstest]
fn an_interrupted_up_leaves_no_lab(#[values(0, 20, 60, 120)] after: u64) {
    let name = format!("int-up-{after}-{}", std::process::id());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let child = running(&mut flatnet(path.as_ref(), &["up", "--name", &name]));
    std::thread::sleep(Duration::from_millis(after));

    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");

    if output.status.code() == Some(0) {
        // It was faster than the signal: what it says is kept is there.
        let down = flatnet(path.as_ref(), &["down", &name]).output();
        assert!(down.expect("flatnet starts").status.success(), "{output:?}");
    } else {
        // Before flatnet listens, the signal itself ends it.
        let by_signal = output.status.signal() == Some(2);
        assert!(by_signal || output.status.code() == Some(130), "{output:?}");
    }
    is_gone(&name);
}

/// However it ends before it has succeeded; SIGKILL it cannot hear.
#[rstest]
fn an_up_that_is_killed_leaves_no_lab(
    #[values(Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL)] signal: Signal,
    #[values(30, 80)] after: u64,
) {
    let name = format!("kill-up-{signal}-{after}-{}", std::process::id()).to_lowercase();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let up = ["up", "--name", &name, "--nodes", "5"];
    let mut child = running(&mut flatnet(path.as_ref(), &up));
    std::thread::sleep(Duration::from_millis(after));

    kill(Pid::from_raw(child.id().cast_signed()), signal).expect("a signal to flatnet");
    let status = child.wait().expect("it ends");

    match (status.code(), status.signal()) {
        // It was faster than the signal: what it says is kept is there.
        (Some(0), _) => {
            let down = flatnet(path.as_ref(), &["down", &name]).output();
            assert!(down.expect("flatnet starts").status.success());
        }
        // Before flatnet listens, the signal itself ends it.
        (None, Some(by)) => assert_eq!(by, signal as i32),
        (code, _) => assert_eq!(code, Some(128 + signal as i32)),
    }
    is_gone(&name);
}

/// Whatever it was at: creating pods is what takes longest.
#[test]
fn an_interrupted_run_leaves_no_pod_in_a_lab_that_outlives_it() {
    let name = format!("int-pods-{}", std::process::id());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let up = ["up", "--name", &name, "--nodes", "2"];
    let up = flatnet(path.as_ref(), &up).output();
    assert!(up.expect("flatnet starts").status.success());
    let lab = Lab::connect(&name).expect("the lab");
    let there = lab.info().expect("its pods").pods;
    let test = ["test", "--cluster", &name, "--pods-per-node", "4"];
    for after in (20..140).step_by(8) {
        let child = running(&mut flatnet(path.as_ref(), &test));
        std::thread::sleep(Duration::from_millis(after));

        interrupt(&child);
        child.wait_with_output().expect("it ends");

        let left = lab.info().expect("its pods").pods;
        assert_eq!(left, there, "after {after} ms");
    }
    let down = flatnet(path.as_ref(), &["down", &name]).output();
    assert!(down.expect("flatnet starts").status.success());
    is_gone(&name);
}

/// As an interrupted run gives it up: the lab may carry it out at any later moment.
#[test]
fn a_pod_of_which_the_making_was_given_up_is_withdrawn() {
    let name = format!("int-given-up-{}", std::process::id());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let up = ["up", "--name", &name, "--nodes", "1"];
    let up = flatnet(path.as_ref(), &up).output();
    assert!(up.expect("flatnet starts").status.success());
    let lab = Lab::connect(&name).expect("the lab");
    let there = lab.info().expect("its pods").pods;
    let runtime = session::runtime().expect("a runtime");
    runtime.block_on(async {
        // Longer to read for the lab than a deletion.
        let notes: BTreeMap<String, String> = (0..2_000)
            .map(|number| (format!("note-{number}"), "x".repeat(100)))
            .collect();
        for round in 0..10 {
            let cluster = LabCluster::connect(&name).await.expect("the lab");
            let pod = json!({
                "metadata": {
                    "name": format!("given-up-{round}"),
                    "namespace": "default",
                    "annotations": &notes,
                },
                "spec": { "nodeName": "node1", "containers": [{ "name": "c", "image": "busybox" }] },
            });
            let pod = serde_json::from_value(pod).expect("a pod");
            let making = cluster.create_pod(&pod);
            let made = tokio::time::timeout(Duration::ZERO, making).await;
            cluster.withdraw().await.expect("withdrawn");
            assert_eq!(lab.info().expect("its pods").pods, there, "{made:?}");
        }
    });
    let down = flatnet(path.as_ref(), &["down", &name]).output();
    assert!(down.expect("flatnet starts").status.success());
}

#[test]
fn ctrl_c_ends_a_command_in_a_lab_and_what_it_started() {
    let name = format!("int-exec-{}", std::process::id());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let up = ["up", "--name", &name, "--nodes", "1"];
    let up = flatnet(path.as_ref(), &up)
        .output()
        .expect("flatnet starts");
    assert!(up.status.success(), "{up:?}");
    // A number by which it is known again.
    let seconds = format!("9{}", std::process::id());
    let script = format!("echo begun; exec sleep {seconds}");
    let arguments = [
        "exec",
        "--cluster",
        &name,
        "node1",
        "--",
        "sh",
        "-c",
        &script,
    ];
    let mut child = running(&mut flatnet(path.as_ref(), &arguments));
    let mut begun = [0; 6];
    let stdout = child.stdout.as_mut().expect("its output");
    stdout.read_exact(&mut begun).expect("the command runs");

    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");

    tells(&output, 130, &["interrupted"]);
    no_process_has(&format!("sleep\0{seconds}\0"));
    let down = flatnet(path.as_ref(), &["down", &name]).output();
    assert!(down.expect("flatnet starts").status.success());
    is_gone(&name);
}
