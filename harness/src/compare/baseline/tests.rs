//! Baselines of made-up facts.
use std::path::Path;

use flatnet_model::fact::{Fact, Key, Kind, Place, Role, Seen, Value};
use jiff::civil::{Date, date};
use tempfile::TempDir;

use super::file::Baseline;
use super::{Judgement, accept, beside, judge, render};
use crate::compare::Recorded;

const TODAY: Date = date(2026, 11, 27);

fn fact(id: Kind, about: &str, subject: impl Into<Role>, value: impl Into<Value>) -> Fact {
    Fact {
        key: Key::new(id, about, subject),
        seen: Seen::Value(value.into()),
        raw: None,
    }
}

/// Three nodes with two pods each; the second node's pods have that MTU.
fn facts(second: u32) -> Vec<Fact> {
    let mut facts = vec![
        fact(Kind::Verdict, "no-nat", Place::Cluster, "pass"),
        fact(
            Kind::PodNetwork,
            "",
            Place::Cluster,
            vec!["10.244.0.0/16".to_owned()],
        ),
    ];
    for node in 1..=3 {
        facts.push(fact(Kind::DeviceMtu, "cni0", Place::Node(node), 1450u32));
        facts.push(fact(Kind::NodeReady, "", Place::Node(node), true));
        for pod in 1..=2 {
            let mtu = if node == 2 { second } else { 1450 };
            facts.push(fact(Kind::DeviceMtu, "eth0", Place::Pod { node, pod }, mtu));
        }
        for other in 1..=3 {
            let nodes = (Place::Node(node), Place::Node(other));
            facts.push(fact(
                Kind::Reach,
                "pod to pod, IPv4",
                nodes,
                "tcp: answered",
            ));
        }
    }
    facts.sort_by(|a, b| a.key.cmp(&b.key));
    facts
}

#[track_caller]
fn parsed(text: &str) -> Baseline {
    Baseline::parse(Path::new("b.yaml"), text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn judged(text: &str, run: Vec<Fact>) -> Judgement {
    judge(
        &parsed(text),
        "b.yaml",
        &Recorded::of_facts("a run", run),
        TODAY,
    )
}

fn texts(judgement: &Judgement) -> Vec<&str> {
    let changes = judgement.diff.changes.iter();
    changes.map(|change| change.text.as_str()).collect()
}

#[test]
fn a_baseline_of_a_run_allows_that_run() {
    for facts in [facts(1450), facts(1400)] {
        let text = render("a lab", &facts);
        let judgement = judged(&text, facts);
        assert_eq!(texts(&judgement), [""; 0], "{text}");
        assert!(judgement.diff.uncompared.is_empty());
    }
    let text = render("a lab", &facts(1450));
    assert!(
        text.contains("    - {about: eth0, on: every pod, is: 1450}\n"),
        "{text}"
    );
    assert!(text.contains("    - {about: no-nat, is: pass}\n"), "{text}");
}

#[test]
fn whoever_is_named_is_not_every() {
    let text = render("a lab", &facts(1400));
    assert!(text.contains("on: every pod, is: 1450"), "{text}");
    assert!(
        text.contains("on: [node2/pod1, node2/pod2], is: 1400"),
        "{text}"
    );
    let judgement = judged(&text, facts(1450));
    assert_eq!(
        texts(&judgement),
        ["MTU of eth0: 1400 → 1450 bytes (every pod of node2)"]
    );
}

#[test]
fn what_is_every_nodes_is_a_new_nodes_too() {
    let text = render("a lab", &facts(1450));
    let mut more = facts(1450);
    more.push(fact(Kind::DeviceMtu, "cni0", Place::Node(4), 1400u32));
    more.push(fact(Kind::NodeReady, "", Place::Node(4), true));
    more.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(
        texts(&judged(&text, more)),
        ["MTU of cni0: 1450 → 1400 bytes (node4 only)"]
    );
}

#[test]
fn allowances_have_values_ranges_reasons_and_an_end() {
    let base = render("a lab", &facts(1450));
    let allowing = |allow: &str| format!("{base}\nallow:\n  - {{fact: device-mtu, {allow}}}\n");
    let range = "about: eth0, on: [node2/pod1, node2/pod2], min: 1400, max: 1450, reason: tunnel";
    let allowed = judged(&allowing(range), facts(1400));
    assert!(!allowed.differs(), "{:?}", texts(&allowed));
    assert_eq!(allowed.allowed.len(), 1);
    assert!(
        allowed.allowed[0].ends_with(": tunnel"),
        "{:?}",
        allowed.allowed
    );
    // What may differ does not become what is expected.
    assert_eq!(allowed.facts, facts(1450));
    for other in [
        "min: 1401, reason: r",
        "is: [1390], reason: r",
        "about: cni0, reason: r",
        "on: every node, reason: r",
    ] {
        let judgement = judged(&allowing(other), facts(1400));
        assert!(judgement.differs(), "{other}");
        assert_eq!(judgement.unused.len(), 1, "{other}");
    }
    let over = judged(&allowing("reason: r, until: 2026-11-26"), facts(1400));
    assert!(over.differs());
    assert!(
        over.over[0].contains("until 2026-11-26, which is over"),
        "{:?}",
        over.over
    );
    assert!(!judged(&allowing("reason: r, until: 2026-11-27"), facts(1400)).differs());
    let unused = judged(&allowing("reason: r"), facts(1450));
    assert!(
        unused.unused[0].contains("does not differ any more"),
        "{:?}",
        unused.unused
    );
}

#[test]
fn wrong_files_are_told_with_line_and_remedy() {
    for (text, expected) in [
        ("{", "b.yaml:2: it is not a baseline"),
        ("a: 1\n", "the key `flatnet: baseline/v1` is missing"),
        (
            "flatnet: baseline/v9\n",
            "it is \"baseline/v9\", and this flatnet reads \"baseline/v1\"",
        ),
        (
            "flatnet: baseline/v1\nfacts:\n  device-mtus:\n    - {is: 1}\n",
            "b.yaml:3: not as expected: unknown fact \"device-mtus\", did you mean \"device-mtu\"?",
        ),
        (
            "flatnet: baseline/v1\nfacts:\n  device-mtu:\n    - {on: evry pod, is: 1}\n",
            "every pod",
        ),
        (
            "flatnet: baseline/v1\nallow:\n  - {fact: device-mtu}\n",
            "missing field `reason`",
        ),
        (
            "flatnet: baseline/v1\nfact: {}\n",
            "unknown key \"fact\", did you mean \"facts\"?",
        ),
    ] {
        let error = Baseline::parse(Path::new("b.yaml"), text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let error = error.to_string();
        assert!(
            error.starts_with("b.yaml") && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn accepting_keeps_what_people_wrote() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("lab.yaml");
    let base = render("a lab", &facts(1450));
    let written = format!(
        "{base}\n# Until the tunnel is gone.\nallow:\n  # ticket 7\n  - {{fact: path, reason: r}}\n"
    );
    std::fs::write(&file, &written).unwrap();
    let mut found = facts(1400);
    found[0].seen = Seen::Value("fail".into());
    std::fs::write(beside(&file), render("a lab", &found)).unwrap();
    let only = accept(&file, &[Kind::DeviceMtu], Some("a tunnel: 50 bytes"), TODAY).unwrap();
    assert_eq!(
        (&only.facts[..], &only.left[..]),
        (&[Kind::DeviceMtu][..], &[Kind::Verdict][..])
    );
    assert!(
        only.text
            .contains("# Until the tunnel is gone.\nallow:\n  # ticket 7\n"),
        "{}",
        only.text
    );
    assert!(
        only.text.contains(
            "accepted:\n  - {on: 2026-11-27, facts: [device-mtu], reason: \"a tunnel: 50 bytes\"}\n"
        ),
        "{}",
        only.text
    );
    let baseline = parsed(&only.text);
    assert_eq!(baseline.allow.len(), 1);
    let mut expected = facts(1400);
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(!judged(&only.text, expected).differs());
    // A second note goes below the first.
    std::fs::write(&file, &only.text).unwrap();
    let unsaid = accept(&file, &[], None, TODAY).unwrap_err().to_string();
    assert!(
        unsaid.contains("no-nat; to accept a failure, say why"),
        "{unsaid}"
    );
    let again = accept(&file, &[], Some("known"), TODAY).unwrap();
    assert_eq!(again.text.matches("reason:").count(), 3, "{}", again.text);
    assert_eq!(parsed(&again.text).accepted.len(), 2);
    // Nothing is left to take.
    std::fs::write(&file, &again.text).unwrap();
    let nothing = accept(&file, &[], None, TODAY).unwrap_err().to_string();
    assert!(nothing.contains("nothing in it differs"), "{nothing}");
    let missing = accept(&dir.path().join("other.yaml"), &[], None, TODAY).unwrap_err();
    assert!(missing.to_string().contains("other.yaml.new"), "{missing}");
}
