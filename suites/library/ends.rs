//! A cluster ends with its handle: when the test ends, panics, is interrupted or killed.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;

use super::{clusters, flatnet, lab, said};
use crate::started;

/// How long a lab may take to go once its process has ended.
const GONE_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn with_its_handle_and_with_a_panic() {
    let kept = lab();
    let name = kept.name().to_owned();
    assert!(clusters().contains(&name));
    drop(kept);
    assert!(!clusters().contains(&name));

    let mut name = String::new();
    said(|| {
        let lab = lab();
        name = lab.name().to_owned();
        panic!("as a failed assertion")
    });
    assert!(!name.is_empty() && !clusters().contains(&name));
}

/// Run by the tests below in a process of its own.
#[test]
#[ignore = "waits to be killed"]
fn boots_and_waits() {
    let lab = lab();
    eprintln!("booted {}.", lab.name());
    // Nothing that flatnet could be interrupted in.
    std::thread::sleep(Duration::from_secs(600));
}

/// This program at that test, with the name of the lab it has booted.
#[track_caller]
fn booted(program: &mut Command) -> (Child, String) {
    program.args([
        "ends::boots_and_waits",
        "--exact",
        "--ignored",
        "--nocapture",
    ]);
    program.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = program.spawn().expect("this program");
    let lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
    let mut names = lines.map_while(Result::ok).filter_map(|line| {
        let name = line.strip_prefix("booted ")?;
        Some(name.trim_end_matches('.').to_owned())
    });
    let name = names.next().expect("a lab");
    (child, name)
}

fn this_program() -> Command {
    let mut program = Command::new(std::env::current_exe().expect("its path"));
    started::unchosen(&mut program);
    program
}

#[rstest]
#[case::interrupted(Signal::SIGINT, Some(130))]
#[case::killed(Signal::SIGKILL, None)]
fn with_a_signal(#[case] signal: Signal, #[case] code: Option<i32>) {
    let (mut child, name) = booted(&mut this_program());
    assert!(clusters().contains(&name));
    let id = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(id), signal).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), code);
    let since = Instant::now();
    while clusters().contains(&name) {
        assert!(since.elapsed() < GONE_WITHIN, "lab {name} is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn unless_it_is_kept() {
    let mut program = this_program();
    program.args([
        "ends::with_its_handle_and_with_a_panic",
        "--exact",
        "--nocapture",
    ]);
    let output = program
        .env("FLATNET_KEEP", "true")
        .output()
        .expect("this program");
    let words = started::words(&output);
    let how = "to delete it: flatnet down ";
    let (_, name) = words.split_once(how).expect("how to delete what is kept");
    let name = name.lines().next().expect("a name").to_owned();
    assert!(clusters().contains(&name), "{words}");
    let down = flatnet()
        .args(["down", &name])
        .output()
        .expect("flatnet starts");
    assert!(down.status.success() && !clusters().contains(&name));
}
