//! `flatnet inspect` on labs: every answer against an observer that had no part in it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod lab;
mod observers;
mod trouble;

use std::collections::BTreeSet;

use flatnet_analysis::inspect::catalogue;
use flatnet_model::inspection::{Inspection, Outcome};
use lab::{TestLab, flatnet, words};
use rstest::rstest;

#[test]
fn on_a_healthy_lab_every_question_is_answered_or_skipped_for_a_reason() {
    let lab = TestLab::boot("healthy", &["--underlay", "routed", "--ip-family", "dual"]);

    let inspection = lab.inspect(&[]);

    let ids: Vec<&str> = inspection
        .answers
        .iter()
        .map(|answer| answer.id.as_str())
        .collect();
    let known: Vec<&str> = catalogue::all()
        .iter()
        .map(|question| question.id)
        .collect();
    assert_eq!(ids, known);
    for answer in &inspection.answers {
        match &answer.outcome {
            Outcome::Answered { facts, problems } => {
                // Questions about a control plane do not count against the lab.
                let faults: Vec<_> = problems
                    .iter()
                    .filter(|p| !p.what.contains("the lab has no control plane"))
                    .collect();
                assert!(
                    !facts.is_empty() && faults.is_empty(),
                    "{}: {faults:?}",
                    answer.id
                );
            }
            Outcome::Skipped { reason } => {
                assert!(reason.contains("the lab has no"), "{}: {reason}", answer.id)
            }
            Outcome::Unanswered { error } => panic!("{}: {error}", answer.id),
        }
    }
}

/// Everything but the values that say of themselves that they vary.
fn without_varying(mut inspection: Inspection) -> Inspection {
    for answer in &mut inspection.answers {
        if let Outcome::Answered { facts, .. } = &mut answer.outcome {
            for fact in facts {
                fact.values.retain(|name, _| !fact.varies.contains(name));
            }
        }
    }
    inspection
}

#[test]
fn two_looks_at_one_cluster_are_the_same() {
    let lab = TestLab::boot("twice", &[]);

    let (first, second) = (lab.inspect(&[]), lab.inspect(&[]));

    assert_eq!(without_varying(first), without_varying(second));
}

#[test]
fn yaml_says_what_json_says_and_pages_show_every_fact() {
    let lab = TestLab::boot("formats", &[]);
    let json = lab.inspect(&["--explain"]);

    let yaml: Inspection =
        serde_yaml::from_str(&lab.say(&["inspect", "--explain", "--output", "yaml"])).unwrap();
    assert_eq!(yaml, json);
    for format in ["table", "markdown"] {
        let page = lab.say(&["inspect", "--explain", "--output", format]);
        for answer in &json.answers {
            assert!(
                page.contains(answer.explanation.as_ref().unwrap()),
                "{format}: {page}"
            );
            let Outcome::Answered { facts, .. } = &answer.outcome else {
                continue;
            };
            for fact in facts {
                assert!(
                    page.contains(&fact.about),
                    "{format}: {} of {}",
                    fact.about,
                    answer.id
                );
            }
        }
        // No escape sequence where there is no terminal.
        assert!(!page.contains('\x1b'), "{page}");
    }
}

#[test]
fn one_node_is_looked_at_where_one_is_named() {
    let lab = TestLab::boot("single", &[]);

    let inspection = lab.inspect(&["bridges", "node-routes", "--node", "node2"]);

    let ids: Vec<&str> = inspection
        .answers
        .iter()
        .map(|answer| answer.id.as_str())
        .collect();
    assert_eq!(ids, ["bridges", "node-routes"]);
    let nodes: BTreeSet<_> = inspection
        .answers
        .iter()
        .flat_map(|answer| match &answer.outcome {
            Outcome::Answered { facts, .. } => facts.iter().map(|fact| fact.node.clone()).collect(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(nodes, [Some("node2".to_owned())].into());
}

#[rstest]
#[case::question(&["inspect", "bridge"], "unknown question \"bridge\", did you mean \"bridges\"?")]
#[case::format(&["inspect", "--output", "xml"], "invalid value 'xml'")]
#[case::cluster(&["inspect", "--cluster", "flatnet-suite-nobody"], "cluster")]
fn bad_input_is_reported_in_one_message(#[case] arguments: &[&str], #[case] says: &str) {
    let output = flatnet(arguments);

    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains(says), "{}", words(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_node_is_answered_with_the_nodes() {
    let lab = TestLab::boot("no-node", &[]);

    let output = lab.run(&["inspect", "--node", "node9"]);

    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(
        words(&output).contains("there is no node \"node9\"")
            && words(&output).contains("node1, node2"),
        "{}",
        words(&output)
    );
}

#[test]
fn nothing_is_left_on_the_nodes() {
    let lab = TestLab::boot("leaves", &[]);
    let running = || lab.exec("node1", "cat /proc/[0-9]*/comm | sort");
    let files = || lab.exec("node1", "find /etc /opt /run /var /tmp -xdev | sort");
    let before = (running(), files());

    lab.inspect(&[]);

    // The probe ends when its input does; it may be reaped a moment later.
    lab.await_that("no probe runs", || !running().contains("flatnet-probe"));
    let only_lasting = |comms: String| {
        comms
            .lines()
            .filter(|comm| !["cat", "sort", "sh"].contains(comm))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (only_lasting(running()), files()),
        (only_lasting(before.0), before.1)
    );
}
