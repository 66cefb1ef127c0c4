//! Differences of made-up clusters.
use std::collections::BTreeMap;

use flatnet_model::fact::{Fact, Kind, Place, Role};
use flatnet_model::observations::Observations;

use super::{Class, Diff, Side, diff};
use crate::example::build::{CNI0, Cluster, Style, healthy};
use crate::facts::Roles;
use crate::facts::tests::facts_of;

fn side<'a>(facts: &'a [Fact], observations: &'a Observations) -> Side<'a> {
    Side {
        label: "a run".to_owned(),
        facts,
        observations: Some(observations),
        names: Roles::of(observations).names(),
        evidence: BTreeMap::new(),
    }
}

fn between(before: &Observations, after: &Observations) -> Diff {
    let (a, b) = (facts_of(before), facts_of(after));
    diff(&side(&a, before), &side(&b, after))
}

/// What counts, in words.
fn told(diff: &Diff) -> Vec<(Class, Kind, &str)> {
    let changes = diff.changes.iter();
    let counts = changes.filter(|change| change.class != Class::Noise);
    counts
        .map(|change| (change.class, change.id, change.text.as_str()))
        .collect()
}

#[test]
fn nothing_differs_from_itself() {
    for style in [Style::Vxlan, Style::Direct, Style::Reference, Style::Weave] {
        let run = Cluster::new(style, 3, 2).dual().observe();
        let diff = between(&run, &run);
        assert_eq!((told(&diff), diff.differs()), (vec![], false));
        assert!(
            diff.summary.contains("3 nodes, 6 pods, 9 ways"),
            "{}",
            diff.summary
        );
    }
}

#[test]
fn an_mtu_is_one_difference_of_every_pod() {
    let before = healthy(Style::Vxlan);
    let mut after = before.clone();
    for pod in after.pods.iter_mut().filter(|pod| !pod.object.host_network) {
        let facts = pod.facts.as_mut().expect("facts");
        for link in facts.links.iter_mut().filter(|link| link.name == "eth0") {
            link.mtu = 1400;
        }
    }
    let diff = between(&before, &after);
    let told = told(&diff);
    assert!(
        told.contains(&(
            Class::FactDiffers,
            Kind::DeviceMtu,
            "MTU of eth0: 1450 → 1400 bytes (every pod)"
        )),
        "{told:#?}"
    );
}

#[test]
fn a_node_that_is_otherwise_is_named_alone() {
    let before = healthy(Style::Direct);
    let mut after = before.clone();
    let node = &mut after.nodes[1];
    node.object.name = "worker-b".to_owned();
    let facts = node
        .inside
        .facts
        .as_mut()
        .expect("asked")
        .as_mut()
        .expect("facts");
    for link in facts.links.iter_mut().filter(|link| link.index == CNI0) {
        link.mtu = 1400;
    }
    // Other names make no difference; only what they are called.
    for pod in after
        .pods
        .iter_mut()
        .filter(|pod| pod.object.node == "node2")
    {
        pod.object.node = "worker-b".to_owned();
    }
    after.nodes[0].object.name = "worker-a".to_owned();
    after.nodes[2].object.name = "worker-c".to_owned();
    for pod in &mut after.pods {
        pod.object.node = pod
            .object
            .node
            .replace("node1", "worker-a")
            .replace("node3", "worker-c");
    }
    let diff = between(&before, &after);
    let mtu: Vec<_> = diff
        .changes
        .iter()
        .filter(|change| change.id == Kind::DeviceMtu)
        .collect();
    assert_eq!(mtu.len(), 1, "{:#?}", diff.changes);
    assert_eq!(mtu[0].subjects, [Role::At(Place::Node(2))]);
    assert_eq!(
        mtu[0].text,
        "MTU of cni0: 1500 → 1400 bytes (node2 (worker-b) only)"
    );
}
