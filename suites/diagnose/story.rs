//! The whole way: the add-on's agent is taken away, a new pod hangs, the diagnosis names it, what mends it is done, the pod runs.
use flatnet::diagnose::Cause;

use crate::ground::{Ground, SLEEPER};

#[test]
fn an_agent_is_taken_away_and_brought_back() {
    let ground = Ground::new("story", "flatnet");
    ground
        .lab
        .stop_daemon("node1", "flatnet-agent")
        .expect("an end");
    // What it installed goes too, and its configuration stays: as when a plugin folder is restored from elsewhere.
    ground.on("node1", &["rm", "/opt/cni/bin/flatnet-cni"]);

    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");
    let first = ground.first_is(
        Cause::AgentDown,
        &["flatnet-agent", "node1", "ended with exit code"],
    );

    // The command it gives is the one that mends it.
    let (_, command) = first
        .mend
        .split_once(" -- ")
        .expect("a command on the node");
    let argv: Vec<&str> = command.split_whitespace().collect();
    ground.on("node1", &argv);
    ground.runs();
}

#[test]
fn an_agent_that_left_nothing_behind() {
    let ground = Ground::new("bare", "flatnet");
    ground
        .lab
        .stop_daemon("node1", "flatnet-agent")
        .expect("an end");
    ground.on(
        "node1",
        &[
            "rm",
            "/opt/cni/bin/flatnet-cni",
            "/etc/cni/net.d/10-flatnet.conflist",
        ],
    );
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(Cause::AgentDown, &["flatnet-agent", "node1"]);

    ground.restart_agent("node1");
    ground.runs();
}
