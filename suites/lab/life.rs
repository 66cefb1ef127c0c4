//! How labs begin and end, whatever ends them.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as Pipe};

use flatnet_lab::{Error, Lab, LabSpec};

use crate::support::*;

#[test]
fn a_name_is_taken_until_its_lab_is_gone() {
    let spec = spec("taken", 1);
    let lab = boot(&spec);
    let error = Lab::boot(Path::new(PROGRAM), &spec, false).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&format!("flatnet down {}", spec.name)),
        "{error}"
    );
    assert!(Lab::names().unwrap().contains(&spec.name));
    let info = Lab::connect(&spec.name).unwrap().info().unwrap();
    assert_eq!((&info.spec, info.pid), (&spec, lab.info().unwrap().pid));
    let pid = info.pid;
    Lab::connect(&spec.name).unwrap().shutdown().unwrap();
    assert!(!is_alive(pid));
    assert!(
        Lab::connect(&spec.name)
            .unwrap_err()
            .to_string()
            .contains("no lab named")
    );
    drop(lab);
    boot(&spec);
}

/// Nobody else ends a detached lab when its test fails.
struct Ended(String);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Ok(lab) = Lab::connect(&self.0) {
            lab.shutdown().unwrap();
        }
    }
}

#[test]
fn a_detached_lab_outlives_its_handle_once_it_is_released() {
    let spec = spec("detached", 1);
    let lab = Lab::boot(Path::new(PROGRAM), &spec, true).unwrap();
    let _ended = Ended(spec.name.clone());
    drop(lab);
    assert!(Lab::connect(&spec.name).is_err());
    let lab = Lab::boot(Path::new(PROGRAM), &spec, true).unwrap();
    lab.release().unwrap();
    drop(lab);
    let lab = Lab::connect(&spec.name).unwrap();
    assert_eq!(ok(&lab, &node(1), &["hostname"]), "node1\n");
    lab.shutdown().unwrap();
    assert!(Lab::connect(&spec.name).is_err());
}

/// Kills the process that `victim` picks from the family of `flatnet-lab`; then nothing of it may be left.
fn killed_leaves_nothing(test: &str, victim: impl Fn(&[u32]) -> u32) {
    let lab = boot(&spec(test, 2));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    started(&lab, &pod("sleeper", 1, SLEEPER));
    lab.start_daemon("node2", "agent", &["sleep".into(), "infinity".into()])
        .unwrap();
    let pid = lab.info().unwrap().pid;
    let everyone = family(pid);
    assert!(
        everyone.len() >= 5,
        "lab, init, server, container, daemon: {everyone:?}"
    );
    let theirs = namespaces(&everyone);
    let before = processes();
    let killed = Command::new("kill")
        .args(["-9", &victim(&everyone).to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    eventually(
        || {
            everyone
                .iter()
                .copied()
                .filter(|pid| is_alive(*pid))
                .collect::<Vec<_>>()
        },
        Vec::is_empty,
        "every process to be gone",
    );
    drop(lab);
    // A namespace's number is soon given to another one: only who was there before can still be in theirs.
    let ours = namespaces(&[std::process::id()]);
    let mut left = namespaces(&before);
    left.retain(|ns| theirs.contains(ns) && !ours.contains(ns));
    assert!(left.is_empty(), "namespaces are left: {left:?}");
}

#[test]
fn killing_the_lab_leaves_nothing() {
    killed_leaves_nothing("kill-lab", |family| family[0]);
}

#[test]
fn killing_init_leaves_nothing() {
    killed_leaves_nothing("kill-init", |family| family[1]);
}

#[test]
fn killing_the_server_leaves_nothing() {
    killed_leaves_nothing("kill-server", |family| family[2]);
}

#[test]
fn a_lab_that_hangs_ends_with_its_handle() {
    let spec = spec("hangs", 1);
    let lab = boot(&spec);
    let everyone = family(lab.info().unwrap().pid);
    let stopped = Command::new("kill")
        .args(["-STOP", &everyone[2].to_string()])
        .status();
    assert!(stopped.unwrap().success());

    lab.shutdown().unwrap();

    assert!(everyone.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn killing_the_process_that_booted_it_ends_the_lab() {
    let name = format!("booter-{}", std::process::id());
    let mut booter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life::booter_of_a_lab", "--ignored"])
        .env("LAB_TEST_NAME", &name)
        .stdout(Pipe::null())
        .spawn()
        .unwrap();
    let lab = eventually(|| Lab::connect(&name), Result::is_ok, "the lab to be up").unwrap();
    let everyone = family(lab.info().unwrap().pid);
    booter.kill().unwrap();
    booter.wait().unwrap();
    eventually(
        || {
            everyone
                .iter()
                .copied()
                .filter(|pid| is_alive(*pid))
                .collect::<Vec<_>>()
        },
        Vec::is_empty,
        "every process to be gone",
    );
}

#[test]
#[ignore = "run by killing_the_process_that_booted_it_ends_the_lab, in a process of its own"]
fn booter_of_a_lab() {
    let Ok(name) = std::env::var("LAB_TEST_NAME") else {
        return;
    };
    let _lab = boot(&LabSpec {
        name,
        ..spec("booter", 2)
    });
    loop {
        std::thread::park();
    }
}

/// Process ids below `pid`, itself included.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", family[at]))
            .unwrap_or_default();
        family.extend(
            children
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
        at += 1;
    }
    family
}

/// Every process that there is.
fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The net and mount namespaces that these processes are in.
fn namespaces(pids: &[u32]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = pids
        .iter()
        .flat_map(|pid| {
            ["net", "mnt"].map(|kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")))
        })
        .flatten()
        .collect();
    all.sort();
    all.dedup();
    all
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
