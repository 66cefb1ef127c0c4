//! A change that is interrupted, or whose process is killed, at each step: the lab has one of the two configurations on every node.
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::bed::{Kept, begun, run, send};
use crate::started::words;

const STEPS: [&str; 6] = [
    "before the change",
    "agent restarted on node1",
    "new pods",
    "agent restarted on node2",
    "agent restarted on node3",
    "after the change",
];

/// Starts a change, sends it `signal` as it says that this step begins, and waits for its end.
fn struck(lab: &Kept, to: &str, step: &str, signal: Signal) -> Option<i32> {
    let (mut change, lines) = begun(lab, to, step);
    send(change.id(), signal);
    // Read to the end: it must not wait for us.
    lines.for_each(drop);
    change.wait().unwrap().code()
}

/// The MTU that every node has, conflist and bridge, once they agree.
#[track_caller]
fn settled(lab: &Kept) -> String {
    let begun = Instant::now();
    loop {
        let mtus = lab.mtus();
        let (first, _) = &mtus[0];
        if mtus
            .iter()
            .all(|(conflist, bridge)| conflist == first && bridge == first)
        {
            return first.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{mtus:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn ctrl_c_at_each_step_leaves_one_configuration_on_every_node() {
    let lab = Kept::boot("suite-change-ctrl-c", "--pods-per-node 2");
    for step in STEPS {
        let code = struck(&lab, "flatnet,mtu=1400", step, Signal::SIGINT);
        assert_eq!(code, Some(130), "{step}");
        // It is whole at once: the process has put the first one back, or the change was complete.
        let mtus = lab.mtus();
        assert!(
            mtus.iter()
                .all(|(conflist, bridge)| conflist == bridge && *conflist == mtus[0].0),
            "{step}: {mtus:?}"
        );
        let expected = if step == "after the change" {
            "1400"
        } else {
            "1500"
        };
        assert_eq!(mtus[0].0, expected, "{step}");
    }
    let test = run("test --quiet --cluster suite-change-ctrl-c");
    assert_eq!(test.status.code(), Some(0), "{}", words(&test));
}

#[test]
fn a_kill_at_each_step_leaves_one_configuration_and_the_next_command_says_which() {
    let lab = Kept::boot("suite-change-kill", "--pods-per-node 2");
    for step in STEPS {
        struck(&lab, "flatnet,mtu=1400", step, Signal::SIGKILL);
        let is_complete = step == "after the change";
        let expected = if is_complete { "1400" } else { "1500" };
        let begun = Instant::now();
        while settled(&lab) != expected {
            assert!(begun.elapsed() < Duration::from_secs(30), "{step}");
        }
        let next = run("test --cluster suite-change-kill");
        assert_eq!(next.status.code(), Some(0), "{step}: {}", words(&next));
        let is_told =
            words(&next).contains("a change from flatnet to flatnet,mtu=1400 was not finished");
        // Before the first step nothing was changed, and after the last nothing was left to do.
        let is_under_way = !is_complete && step != "before the change";
        assert_eq!(is_told, is_under_way, "{step}: {}", words(&next));
        // Once is enough.
        let again = run("test --cluster suite-change-kill");
        assert!(
            !words(&again).contains("was not finished"),
            "{}",
            words(&again)
        );
    }
}
