//! Nodes on which something is wrong: it is named, and the rest is answered.
use flatnet_model::inspection::{Outcome, Problem};

use crate::lab::TestLab;

#[track_caller]
fn assert_reported(problems: &[Problem], about: &str, words: &str) {
    let fits = |problem: &Problem| {
        problem.node.as_deref() == Some("node1")
            && problem.about == about
            && problem.what.contains(words)
    };
    assert!(
        problems.iter().any(fits),
        "{about}: {words} in {problems:#?}"
    );
}

#[test]
fn files_that_are_malformed_are_named_and_every_question_is_answered() {
    let lab = TestLab::boot("malformed", &[]);
    lab.exec(
        "node1",
        "echo '{ nonsense' > /etc/cni/net.d/05-broken.conflist",
    );
    lab.exec("node1", "mkdir -p /etc/kubernetes/manifests /var/lib/kubelet; echo 'a: [' > /etc/kubernetes/manifests/kube-apiserver.yaml; printf '\\377' > /etc/kubernetes/manifests/etcd.yaml");
    lab.exec(
        "node1",
        "echo nonsense > /run/flatnet/nodes.json; echo '{' > /var/lib/cni/results/broken",
    );
    lab.exec("node1", "printf '#!/bin/sh\\nkill -SEGV $$\\n' > /opt/cni/bin/crashes; chmod +x /opt/cni/bin/crashes");

    let inspection = lab.inspect(&[]);

    let problems = |id: &str| -> Vec<Problem> {
        let answer = inspection
            .answers
            .iter()
            .find(|answer| answer.id == id)
            .unwrap();
        match &answer.outcome {
            Outcome::Answered { problems, .. } => problems.clone(),
            other => panic!("{id}: {other:?}"),
        }
    };
    assert_reported(
        &problems("cni-config"),
        "/etc/cni/net.d/05-broken.conflist",
        "not a network configuration",
    );
    assert_reported(
        &problems("plugins"),
        "/etc/cni/net.d/05-broken.conflist",
        "not a network configuration",
    );
    assert_reported(&problems("plugins"), "/opt/cni/bin/crashes", "signal: 11");
    assert_reported(
        &problems("ranges"),
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "not a pod's manifest",
    );
    assert_reported(
        &problems("ranges"),
        "/etc/kubernetes/manifests/etcd.yaml",
        "not UTF-8 text",
    );
    assert_reported(
        &problems("ranges"),
        "/run/flatnet/nodes.json",
        "does not parse",
    );
    assert!(
        inspection
            .answers
            .iter()
            .all(|answer| !matches!(answer.outcome, Outcome::Unanswered { .. }))
    );
    // A result of ADD that does not parse hides no pod.
    assert!(problems("bridges").is_empty());
}

#[test]
fn a_plugin_that_is_needed_and_missing_is_named() {
    let lab = TestLab::boot("missing", &[]);
    // The agent would put it back.
    lab.exec(
        "node1",
        "kill -STOP $(pgrep -x flatnet-agent | head -1) 2>/dev/null; true",
    );
    lab.exec("node1", "rm /opt/cni/bin/flatnet-cni; sed -i 's/\"type\": \"flatnet-cni\"/\"type\": \"not-there\"/' /etc/cni/net.d/10-flatnet.conflist");

    let (_, problems) = lab.ask("plugins");

    assert_reported(
        &problems,
        "/opt/cni/bin/not-there",
        "10-flatnet.conflist needs this plugin and it is not there",
    );
}

#[test]
fn a_gateway_that_the_bridge_lost_and_a_route_that_is_gone_are_named() {
    let lab = TestLab::boot("lost", &[]);
    lab.exec(
        "node1",
        "for pid in $(pgrep -x flatnet-agent); do kill -STOP $pid; done",
    );
    lab.exec(
        "node1",
        "ip addr flush dev cni0; ip route del 10.244.1.0/24",
    );

    let (facts, problems) = lab.ask("pod-gateway");
    assert!(
        facts
            .iter()
            .filter(|fact| fact.topic == "pod" && fact.node.as_deref() == Some("node1"))
            .all(|fact| fact.values["agrees"] == false)
    );
    assert_reported(
        &problems,
        "default/busybox-1",
        "10.244.0.1 is not an address of the node",
    );
    let (_, problems) = lab.ask("node-routes");
    assert_reported(
        &problems,
        "10.244.1.0/24",
        "no route to the podCIDR of node2",
    );
}
