//! What is beside the cluster goes, however a run ends.
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet::session::Session;
use flatnet::session::reaper::{Reap, take_away};

/// Containers of this machine that are peers of a run.
fn peers(of_run: &str) -> Vec<String> {
    let list = Command::new("docker")
        .args(["ps", "--all", "--format", "{{.Names}}", "--filter"])
        .arg(format!("name=flatnet-outside-{of_run}"))
        .output()
        .expect("docker ps");
    let names = String::from_utf8_lossy(&list.stdout);
    names.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_peer_outside_goes_with_the_run_and_when_the_run_is_only_dropped() {
    let _turn = super::turn();
    let runtime = flatnet::session::runtime().expect("a runtime");
    for orderly in [true, false] {
        let args = super::on_cluster();
        let start = Session::start(&args, None, Arc::new(|_| {}));
        let session = runtime.block_on(start).expect("a session");
        let namespace = session.cluster().namespace().to_owned();
        let run = namespace.trim_start_matches("flatnet-").to_owned();
        assert_eq!(peers(&run).len(), 1);

        if orderly {
            runtime.block_on(session.close()).expect("an end");
        } else {
            drop(session);
        }

        let begun = Instant::now();
        while !peers(&run).is_empty() && begun.elapsed() < Duration::from_secs(30) {
            std::thread::yield_now();
        }
        assert_eq!(peers(&run), Vec::<String>::new());
    }
}

#[test]
fn a_container_that_is_gone_already_is_no_error() {
    let gone = Reap::Container {
        engine: "docker".into(),
        name: "flatnet-outside-that-never-was".to_owned(),
    };
    take_away(&gone).unwrap();
}
