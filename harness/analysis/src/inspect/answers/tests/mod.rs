//! Answers to made-up clusters.
mod build;
mod files;
mod network;
mod plane;

use serde_json::Value;

use flatnet_model::inspection::{Fact, Outcome};
use flatnet_model::observations::Availability;
use flatnet_model::view::View;

/// What was answered.
#[derive(Debug)]
struct Answered {
    facts: Vec<Fact>,
    problems: Vec<String>,
}

#[track_caller]
fn answered(outcome: Outcome) -> Answered {
    match outcome {
        Outcome::Answered { facts, problems } => Answered {
            facts,
            problems: problems
                .into_iter()
                .map(|p| format!("{} {}: {}", p.node.unwrap_or_default(), p.about, p.what))
                .collect(),
        },
        other => panic!("{other:?}"),
    }
}

impl Answered {
    /// The values of that name, of the facts of a topic, in their order.
    fn all(&self, topic: &str, name: &str) -> Vec<Value> {
        let of_topic = self.facts.iter().filter(|fact| fact.topic == topic);
        of_topic
            .map(|fact| fact.values.get(name).cloned().unwrap_or_default())
            .collect()
    }

    /// The only fact of that topic about that, on any node.
    #[track_caller]
    fn one(&self, topic: &str, about: &str) -> &Fact {
        let mut found = self
            .facts
            .iter()
            .filter(|fact| fact.topic == topic && fact.about == about);
        match (found.next(), found.next()) {
            (Some(fact), None) => fact,
            _ => panic!("no single {topic} {about} in {:#?}", self.facts),
        }
    }

    #[track_caller]
    fn has_problem(&self, words: &[&str]) {
        let fits = |problem: &String| words.iter().all(|word| problem.contains(word));
        assert!(
            self.problems.iter().any(fits),
            "{words:?} in {:#?}",
            self.problems
        );
    }
}

/// What there is no right to see is skipped with the rule; what fails is an error; either on one node leaves the other.
#[test]
fn every_question_tells_a_missing_right_from_a_failure() {
    let rule = "pods is forbidden: User \"eve\" cannot create resource \"pods\"";
    let of_nodes = crate::inspect::catalogue::all()
        .iter()
        .filter(|question| !["nodes", "ranges", "addon"].contains(&question.id));
    for question in of_nodes {
        let mut view = build::view();
        view.nodes.iter_mut().for_each(|node| {
            node.inside = Availability::Absent {
                why: rule.to_owned(),
            }
        });
        let outcome = (question.answer)(&view);
        assert!(
            matches!(&outcome, Outcome::Skipped { reason } if reason.contains(rule)),
            "{}: {outcome:?}",
            question.id
        );
        view.nodes.iter_mut().for_each(|node| {
            node.inside = Availability::Lost {
                error: "the probe died".to_owned(),
            }
        });
        let outcome = (question.answer)(&view);
        assert!(
            matches!(&outcome, Outcome::Unanswered { error } if error.contains("cp") && error.contains("the probe died")),
            "{}: {outcome:?}",
            question.id
        );
    }
    for question in crate::inspect::catalogue::all() {
        let mut view = build::view();
        view.nodes[1].inside = Availability::Lost {
            error: "the probe died".to_owned(),
        };
        answered((question.answer)(&view)).has_problem(&["w1", "the probe died"]);
    }
}

/// Parts of a node fail by themselves.
#[test]
fn a_part_that_cannot_be_read_is_named_and_the_rest_is_answered() {
    for question in crate::inspect::catalogue::all() {
        let mut view: View = build::view();
        let inside = build::inside(&mut view, 1);
        inside.facts = Some(Err("netlink: out of memory".to_owned()));
        inside.sockets = Some(Err("read /proc: gone".to_owned()));
        inside.processes = Some(Err("read /proc: gone".to_owned()));
        inside.namespaces = Some(Err("read /proc: gone".to_owned()));
        inside.files = Some(Err("no answer".to_owned()));
        inside.cni = Some(Err("no answer".to_owned()));
        inside.plugins = Some(Err("no answer".to_owned()));
        let answer = answered((question.answer)(&view));
        assert!(
            question.id == "nodes" || !answer.facts.is_empty(),
            "{}",
            question.id
        );
        answer.has_problem(&["w1"]);
    }
}
