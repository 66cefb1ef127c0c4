//! Facts of made-up clusters.
mod netfilter;

use flatnet_model::fact::{Fact, Kind, Place, Role, Seen, Value};
use flatnet_model::observations::Observations;

use crate::checks;
use crate::example::build::{Cluster, Style, healthy};

/// With the verdicts of every check.
pub(crate) fn facts_of(observations: &Observations) -> Vec<Fact> {
    let verdicts: Vec<_> = checks::all()
        .iter()
        .map(|check| (check.id, check.judge(observations)))
        .collect();
    super::of(
        observations,
        verdicts.iter().map(|(id, verdict)| (*id, verdict)),
    )
}

#[track_caller]
fn value(facts: &[Fact], kind: Kind, about: &str, subject: impl Into<Role>) -> Value {
    let subject = subject.into();
    let fact = facts
        .iter()
        .find(|fact| fact.key.id == kind && fact.key.about == about && fact.key.subject == subject);
    match fact.map(|fact| &fact.seen) {
        Some(Seen::Value(value)) => value.clone(),
        other => panic!("{kind:?} {about} of {subject}: {other:?}"),
    }
}

#[test]
fn keys_are_unique_and_sorted() {
    for style in [Style::Vxlan, Style::Direct, Style::Reference, Style::Weave] {
        let facts = facts_of(&Cluster::new(style, 3, 2).dual().observe());
        assert!(facts.len() > 100, "{}", facts.len());
        for pair in facts.windows(2) {
            assert!(
                pair[0].key < pair[1].key,
                "{:?} {:?}",
                pair[0].key,
                pair[1].key
            );
        }
    }
}

#[test]
fn values_hold_relations_and_no_addresses() {
    let facts = facts_of(&healthy(Style::Vxlan));
    let pod = Place::Pod { node: 2, pod: 1 };
    let nodes = (Place::Node(1), Place::Node(2));
    let expected = [
        (Kind::DeviceMtu, "eth0", Role::At(pod), Value::Number(1450)),
        (Kind::MtuBelowUnderlay, "", Role::At(pod), Value::Number(50)),
        (
            Kind::Route,
            "default",
            Role::At(pod),
            "via the first address of its node's podCIDR, dev eth0".into(),
        ),
        (
            Kind::DeviceAddress,
            "eth0",
            Role::At(pod),
            vec!["in its node's podCIDR /32".to_owned()].into(),
        ),
        (
            Kind::Reach,
            "pod to pod, IPv4",
            nodes.into(),
            "icmp, tcp, udp: answered".into(),
        ),
        (Kind::PathMtu, "IPv4", nodes.into(), Value::Number(1450)),
        (
            Kind::Verdict,
            "no-nat",
            Role::At(Place::Cluster),
            "pass".into(),
        ),
    ];
    for (kind, about, subject, expected) in expected {
        assert_eq!(
            value(&facts, kind, about, subject),
            expected,
            "{kind:?} {about}"
        );
    }
    // Settings and ranges of the configuration are what they are; everything else is told as whose it is.
    let literal = [
        Kind::PodNetwork,
        Kind::Setting,
        Kind::CniKey,
        Kind::NodeVersion,
    ];
    for fact in facts.iter().filter(|fact| !literal.contains(&fact.key.id)) {
        let text = format!("{} {}", fact.key.about, fact.seen);
        assert!(
            !text.contains("10.244.") && !text.contains("172.18."),
            "{fact:?}"
        );
    }
}
