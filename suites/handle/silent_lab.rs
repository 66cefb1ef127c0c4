//! A lab whose server is stopped: it concerns no other lab, whoever asks it is told, and Ctrl-C ends the waiting.
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, Target};
use flatnet_lab::Lab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::started::{smallest_lab, tells};
use crate::{flatnet, interrupt, running};

/// flatnet as a person starts it.
fn on_path(arguments: &[&str]) -> Command {
    flatnet(
        std::env::var_os("PATH").unwrap_or_default().as_ref(),
        arguments,
    )
}

fn run(arguments: &[&str]) -> Output {
    on_path(arguments).output().expect("flatnet starts")
}

/// A lab with one node, which ends with the test.
struct TestLab {
    name: String,
    /// Its server, once that is stopped.
    stopped: Option<Pid>,
}

impl TestLab {
    fn up(name: &str) -> TestLab {
        let name = format!("{name}-{}", std::process::id());
        let up = smallest_lab(&name);
        let up = run(&up);
        assert!(up.status.success(), "{up:?}");
        TestLab {
            name,
            stopped: None,
        }
    }

    /// Stops the innermost process of the lab, which is its server.
    fn stop(&mut self) {
        let serving = format!("serve\0{}\0", self.name);
        let is_of_lab = |pid: &i32| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            line.is_ok_and(|line| line.ends_with(&serving))
        };
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids: Vec<i32> = processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(is_of_lab)
            .collect();
        let parents: Vec<i32> = pids.iter().map(|pid| parent(*pid)).collect();
        let server = pids.iter().find(|pid| !parents.contains(pid));
        let server = Pid::from_raw(*server.expect("its server"));
        kill(server, Signal::SIGSTOP).expect("a signal to it");
        self.stopped = Some(server);
    }

    fn go_on(&mut self) {
        if let Some(server) = self.stopped.take() {
            // Gone already where a test failed.
            let _ = kill(server, Signal::SIGCONT);
        }
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        self.go_on();
        run(&["down", &self.name]);
    }
}

fn parent(pid: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|pid| pid.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn a_lab_that_does_not_answer_concerns_no_other() {
    let (good, mut bad) = (TestLab::up("answers"), TestLab::up("silent"));
    bad.stop();
    let begun = Instant::now();

    let exec = run(&[
        "exec",
        "--cluster",
        &good.name,
        "node1",
        "--",
        "echo",
        "hello",
    ]);
    let inspect = run(&["inspect", "--cluster", &good.name, "bridges"]);
    let list = run(&["list"]);
    let down = run(&["down", &good.name]);

    assert!(begun.elapsed() < Duration::from_secs(25));
    assert_eq!(String::from_utf8_lossy(&exec.stdout), "hello\n", "{exec:?}");
    assert!(inspect.status.success(), "{inspect:?}");
    assert!(down.status.success(), "{down:?}");
    assert!(list.status.success(), "{list:?}");
    let table = String::from_utf8_lossy(&list.stdout).into_owned();
    let row = |name: &str| -> Vec<String> {
        let row = table.lines().find(|line| line.contains(name));
        let cells = row.expect("a row").split_whitespace();
        cells.skip(1).map(str::to_owned).collect()
    };
    assert_eq!(row(&bad.name), ["lab", "?", "?", "?", "?", "?"]);
    assert_eq!(row(&good.name)[..4], ["lab", "flatnet", "1", "2"]);
}

/// Among the cases of `hangs`: it waits as long as those.
pub(crate) fn diagnose_says_that_a_lab_does_not_answer() {
    let mut lab = TestLab::up("mute");
    lab.stop();

    let output = run(&["diagnose", "--cluster", &lab.name, "node1"]);

    let said = format!("the lab {} did not take the request", lab.name);
    tells(&output, 4, &[&said, "it hangs or is stopped"]);
}

#[test]
fn ctrl_c_ends_the_waiting_for_a_lab() {
    let mut lab = TestLab::up("hung");
    lab.stop();
    let name = lab.name.as_str();
    for (arguments, limit) in [
        (&["inspect", "--cluster", name][..], 5),
        (&["diagnose", "--cluster", name], 5),
        (&["exec", "--cluster", name, "node1", "--", "true"], 5),
        (&["down", name], 5),
        (&["test", "--cluster", name], 5),
    ] {
        let mut child = running(&mut on_path(arguments));
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();

        interrupt(&child);
        // Not its output: what works on without it may have that open.
        let status = child.wait().expect("it ends");

        assert_eq!(status.code(), Some(130), "{arguments:?}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(limit), "{arguments:?}: {took:?}");
    }
}

/// Whether the lab has a pod that a run put there.
fn has_guests(name: &str) -> bool {
    let pods = Lab::connect(name).and_then(|lab| lab.pods());
    let pods = pods.expect("the lab answers");
    let mut namespaces = pods
        .iter()
        .filter_map(|pod| pod.metadata.namespace.as_ref());
    namespaces.any(|namespace| namespace.starts_with("flatnet-"))
}

#[track_caller]
fn waits_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ctrl_c_ends_a_run_on_a_lab_that_hangs_and_its_pods_go_once_it_answers() {
    let mut lab = TestLab::up("stuck");
    let mut child = running(&mut on_path(&["test", "--cluster", &lab.name]));
    waits_until(|| has_guests(&lab.name));
    lab.stop();
    let begun = Instant::now();

    interrupt(&child);
    let status = child.wait().expect("it ends");

    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(12));
    lab.go_on();
    waits_until(|| !has_guests(&lab.name));
}

/// Whoever found it running has named nothing wrong.
#[tokio::test]
async fn a_lab_that_ended_after_it_was_found_is_a_failure_and_no_wrong_input() {
    let lab = TestLab::up("found");
    let found = LabCluster::connect(&lab.name).await.expect("it runs");
    let down = run(&["down", &lab.name]);
    assert!(down.status.success(), "{down:?}");

    let node = Target::Node("node1".to_owned());
    let argv = ["true".to_owned()];
    let errors = [
        LabCluster::connect(&lab.name).await.err(),
        found.nodes().await.err(),
        found.pods().await.err(),
        found.info().await.err(),
        found.exec(&node, &argv, b"").await.err(),
    ];

    assert!(LabCluster::has_ended(&lab.name).await);
    for error in errors {
        let error = error.expect("the lab is gone");
        assert_eq!(error.exit_code(), 4, "{error}");
        let said = format!("the lab {} has ended meanwhile; boot it again", lab.name);
        assert!(error.to_string().contains(&said), "{error}");
    }
    assert!(found.withdraw().await.is_ok());
}
