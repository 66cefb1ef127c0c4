//! A healthy cluster is green; every mutation turns exactly the right checks red, with evidence that names the culprit.
mod allocation;
mod any;
mod blame;
mod callers;
mod catalogue;
mod changed;
mod config;
mod coverage;
mod hairpin;
mod limits;
mod mtu;
mod names;
mod nat;
mod next_hops;
mod packets;
mod pods;
mod ports;
mod reach;
mod read;
mod routes;
mod services;
mod settings;
mod twins;
mod unread;
mod users;
mod wiring;

use std::collections::BTreeSet;

use flatnet_model::probe::{DialOutcome, Facts, Failure};
use rstest::rstest;

use flatnet_model::cause::CauseId;
use flatnet_model::evidence::Evidence;
use flatnet_model::verdict::Verdict;

use super::{all, find};
use crate::example::build::{Cluster, Style, healthy};
use crate::example::pieces::{assert_contains, bare, found, pod_end};
use crate::words::{Text, Words};
use flatnet_model::observations::{Dial, Endpoint, Observations, ObservedNode, ObservedPod};

/// What a lab has nothing to say about.
const REAL_ONLY: [&str; 6] = [
    "service",
    "dns",
    "hostport",
    "nodeport",
    "egress",
    "daemonset",
];

fn judge(id: &str, observations: &Observations) -> Verdict {
    find(id).unwrap().judge(observations)
}

/// Ids of the checks with this verdict.
fn with(verdict: &str, observations: &Observations) -> BTreeSet<&'static str> {
    all()
        .iter()
        .filter(|check| check.judge(observations).name() == verdict)
        .map(|check| check.id)
        .collect()
}

/// Ids of the checks that are skipped although a lab could answer them.
fn skipped(observations: &Observations) -> BTreeSet<&'static str> {
    let mut skipped = with("skip", observations);
    skipped.retain(|id| !REAL_ONLY.contains(id));
    skipped
}

/// Asserts which checks fail, and that no other than those and `broken` is anything but fine.
#[track_caller]
fn assert_red(observations: &Observations, red: &[&str], broken: &[&str]) {
    let expected = |ids: &[&'_ str]| {
        ids.iter()
            .map(|id| find(id).unwrap().id)
            .collect::<BTreeSet<_>>()
    };
    let verdicts: Vec<_> = all()
        .iter()
        .map(|check| (check.id, check.judge(observations)))
        .collect();
    assert_eq!(
        (with("fail", observations), with("broken", observations)),
        (expected(red), expected(broken)),
        "{verdicts:#?}"
    );
}

#[track_caller]
fn against(id: &str, observations: &Observations) -> Vec<Evidence> {
    match judge(id, observations) {
        Verdict::Fail { evidence } => evidence,
        other => panic!("{id} does not fail: {other:?}"),
    }
}

/// In words, as a report shows it.
#[track_caller]
fn evidence(id: &str, observations: &Observations) -> Vec<Text> {
    let words = Words::of_report(Some(observations), None);
    let found = against(id, observations);
    found.iter().map(|evidence| words.text(evidence)).collect()
}

/// The only piece of evidence.
#[track_caller]
fn sole(id: &str, observations: &Observations) -> Text {
    let mut all = evidence(id, observations);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// The causes that its evidence names.
#[track_caller]
fn causes(id: &str, observations: &Observations) -> Vec<CauseId> {
    let found = against(id, observations);
    let named = found.iter().filter_map(|evidence| evidence.cause());
    named.map(flatnet_model::cause::Cause::id).collect()
}

#[track_caller]
fn facts(id: &str, observations: &Observations) -> Vec<String> {
    match judge(id, observations) {
        Verdict::Pass { facts } | Verdict::Report { facts } => facts,
        other => panic!("{id} does not pass: {other:?}"),
    }
}

/// Asserts that the check passes, and that one of its facts has that part.
#[track_caller]
fn assert_fact(id: &str, observations: &Observations, part: &str) {
    let facts = facts(id, observations);
    assert!(
        facts.iter().any(|fact| fact.contains(part)),
        "{part:?} is in none of {facts:#?}"
    );
}

#[track_caller]
fn broken(id: &str, observations: &Observations) -> String {
    match judge(id, observations) {
        Verdict::Broken { error, .. } => error,
        other => panic!("{id} is not broken: {other:?}"),
    }
}

fn node<'a>(observations: &'a mut Observations, name: &str) -> &'a mut ObservedNode {
    observations
        .nodes
        .iter_mut()
        .find(|node| node.object.name == name)
        .unwrap()
}

fn node_facts<'a>(observations: &'a mut Observations, name: &str) -> &'a mut Facts {
    found(&mut node(observations, name).inside.facts)
}

fn pod<'a>(observations: &'a mut Observations, name: &str) -> &'a mut ObservedPod {
    observations
        .pods
        .iter_mut()
        .find(|pod| pod.object.reference.name == name)
        .unwrap()
}

fn pod_facts<'a>(observations: &'a mut Observations, name: &str) -> &'a mut Facts {
    pod(observations, name).facts.as_mut().unwrap()
}

/// Who talks to whom, as mutations select it.
pub(crate) struct Ends<'a> {
    dial: &'a Dial,
    from_node: String,
    to_node: String,
    /// Uses its node's network namespace.
    from_host: bool,
    to_host: bool,
}

impl Ends<'_> {
    /// Whether it is a dial between pods of these nodes.
    pub(crate) fn between(&self, a: &str, b: &str) -> bool {
        let nodes = (self.from_node.as_str(), self.to_node.as_str());
        !self.from_host && !self.to_host && [(a, b), (b, a)].contains(&nodes)
    }

    fn crosses(&self) -> bool {
        self.from_node != self.to_node
    }

    fn involves(&self, name: &str) -> bool {
        bare(&self.dial.from) == name || bare(&self.dial.to) == name
    }

    fn itself(&self) -> bool {
        self.dial.from == self.dial.to
    }
}

fn home(observations: &Observations, end: &Endpoint) -> (String, bool) {
    match end {
        Endpoint::Node(name) => (name.clone(), true),
        Endpoint::Outside(name) => panic!("{name} is not part of the matrix"),
        Endpoint::Pod(name) => {
            let pod = observations
                .pods
                .iter()
                .find(|pod| pod.reference() == name)
                .unwrap();
            (pod.object.node.clone(), pod.object.host_network)
        }
    }
}

fn select(observations: &Observations, which: impl Fn(&Ends<'_>) -> bool) -> Vec<usize> {
    let chosen = observations.dials.iter().enumerate().filter(|(_, dial)| {
        let ((from_node, from_host), (to_node, to_host)) =
            (home(observations, &dial.from), home(observations, &dial.to));
        which(&Ends {
            dial,
            from_node,
            to_node,
            from_host,
            to_host,
        })
    });
    chosen.map(|(index, _)| index).collect()
}

/// Requests arrive, answers do not come back. Sizes are tried only where datagrams are answered.
fn unanswered(observations: &mut Observations, which: impl Fn(&Ends<'_>) -> bool) {
    for index in select(observations, which) {
        let detail = "no answer within 1s".to_owned();
        observations.dials[index].result = DialOutcome::Failed {
            kind: Failure::TimedOut,
            detail,
            attempts: 2,
        };
    }
    let Observations { dials, mtu, .. } = observations;
    mtu.retain(|run| {
        let mut same = dials.iter().filter(|dial| {
            dial.request.transport == flatnet_model::network::Transport::Udp
                && (&dial.from, &dial.to, dial.request.address) == (&run.from, &run.to, run.address)
        });
        same.all(|dial| matches!(dial.result, DialOutcome::Answered { .. }))
    });
}

/// Requests get lost on the path.
pub(crate) fn lost(observations: &mut Observations, which: impl Fn(&Ends<'_>) -> bool + Copy) {
    for index in select(observations, which) {
        let Dial {
            from, to, request, ..
        } = observations.dials[index].clone();
        if let Some(Ok(seen)) = observations.received.get_mut(&to) {
            seen.retain(|s| {
                (s.transport, s.destination) != (request.transport, request.address)
                    || !from.is_called(&s.from)
            });
        }
    }
    unanswered(observations, which);
}

#[rstest]
fn a_healthy_cluster_passes_every_check(
    #[values(Style::Vxlan, Style::Direct, Style::Reference)] style: Style,
    #[values(false, true)] dual: bool,
    #[values((3, 2), (2, 2), (5, 3))] size: (u8, u8),
) {
    let (nodes, pods_per_node) = size;
    let observations = Cluster {
        style,
        nodes,
        pods_per_node,
        dual,
    }
    .observe();
    assert_red(&observations, &[], &[]);
    assert_eq!(skipped(&observations), BTreeSet::new());
}

#[test]
fn one_pod_a_node_and_one_node_are_judged_as_far_as_they_go() {
    let sparse = Cluster::new(Style::Vxlan, 3, 1).observe();
    assert_red(&sparse, &[], &[]);
    let single = Cluster::new(Style::Vxlan, 1, 2).observe();
    assert_red(&single, &[], &[]);
    assert_eq!(skipped(&single), BTreeSet::from(["cross-node"]));
    let lonely = Cluster::new(Style::Vxlan, 1, 1).observe();
    assert_red(&lonely, &[], &[]);
    let skips = ["cross-node", "first-packet", "mtu"];
    assert_eq!(skipped(&lonely), BTreeSet::from(skips));
}

#[test]
fn an_empty_cluster_passes_nothing() {
    let mut observations = healthy(Style::Vxlan);
    observations.pods.clear();
    observations.dials.clear();
    observations.received.clear();
    observations.mtu.clear();
    observations.nodes.clear();
    assert_eq!(with("pass", &observations), BTreeSet::new());
    assert_eq!(with("fail", &observations), BTreeSet::new());
}

#[test]
fn facts_say_how_much_was_measured() {
    let observations = healthy(Style::Vxlan);
    // On each node: 2 pods both ways, and each of them both ways with the node and the hostNetwork pod.
    assert_eq!(
        facts("same-node", &observations)[0],
        "30 of 30 ordered pairs over tcp, udp, icmp"
    );
    assert_eq!(
        facts("cross-node", &observations)[0],
        "78 of 78 ordered pairs over tcp, udp, icmp"
    );
    assert_eq!(
        facts("pod-ip-present", &observations),
        ["9 of 9 pods have an IPv4 address that their own interface holds"]
    );
    assert_eq!(
        facts("pod-ip-unique", &observations),
        ["6 addresses of 6 pods, all different"]
    );
    assert_eq!(
        facts("node-routes", &observations),
        ["6 routes to remote podCIDRs through flatnet.1 (VXLAN 1), neighbour, FDB and VTEP agree"]
    );
    assert_fact(
        "no-nat",
        &observations,
        "masqueraded) on node1, node2, node3",
    );
    assert!(
        facts("bridge", &observations)
            .contains(&"node1: cni0 UP with 10.244.1.1/24, 2 pods".to_owned())
    );
}

#[test]
fn observations_survive_json() {
    let observations = healthy(Style::Vxlan);
    let text = serde_json::to_string(&observations).unwrap();
    let back: Observations = serde_json::from_str(&text).unwrap();
    assert_eq!(
        serde_json::to_value(&back).unwrap(),
        serde_json::to_value(&observations).unwrap()
    );
    assert_red(&back, &[], &[]);
}
