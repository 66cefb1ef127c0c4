//! What an answer collects on its way.
use std::fmt::Display;

use flatnet_model::inspection::{Fact, Outcome, Problem};
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::NodeInside;
use flatnet_model::view::{InspectedNode, View};

/// Facts, what is wrong, and why anything is missing.
#[derive(Debug, Default)]
pub(super) struct Findings {
    facts: Vec<Fact>,
    problems: Vec<Problem>,
    /// Something that should have been had.
    lost: Vec<String>,
    /// What is not available here, and why: a missing right, or something that this kind of cluster does not have.
    absent: Vec<(String, String)>,
}

impl Findings {
    pub(super) fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Something is wrong with what was looked at.
    pub(super) fn problem(&mut self, node: Option<&str>, about: &str, what: impl Display) {
        let problem = Problem {
            node: node.map(str::to_owned),
            about: about.to_owned(),
            what: what.to_string(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Something that should have been had could not be.
    pub(super) fn lost(&mut self, node: Option<&str>, about: &str, why: impl Display) {
        let place = node.map_or_else(String::new, |node| format!("{node}: "));
        self.lost.push(format!("{place}{about}: {why}"));
        self.problem(node, about, why);
    }

    fn absent(&mut self, about: &str, why: &str) {
        if !self.absent.iter().any(|(_, known)| known == why) {
            self.absent.push((about.to_owned(), why.to_owned()));
        }
    }

    /// What was looked for, if it is there; otherwise the reason is kept.
    pub(super) fn available<'a, T>(
        &mut self,
        about: &str,
        part: &'a Availability<T>,
    ) -> Option<&'a T> {
        match part {
            Availability::Found(found) => return Some(found),
            Availability::Absent { why } => self.absent(about, why),
            Availability::Lost { error } => self.lost(None, about, error),
        }
        None
    }

    /// What a node's probe read, if it could; otherwise the reason is kept.
    pub(super) fn observed<'a, T: ?Sized>(
        &mut self,
        node: &str,
        about: &str,
        part: Result<&'a T, &'a str>,
    ) -> Option<&'a T> {
        match part {
            Ok(found) => Some(found),
            Err(why) => {
                self.lost(Some(node), about, why);
                None
            }
        }
    }

    /// The nodes that could be looked at; the reasons of the others are kept.
    pub(super) fn insides<'a>(
        &mut self,
        view: &'a View,
    ) -> Vec<(&'a InspectedNode, &'a NodeInside)> {
        let mut found = Vec::new();
        for node in &view.nodes {
            match &node.inside {
                Availability::Found(inside) => found.push((node, inside)),
                Availability::Absent { why } => self.absent("nodes", why),
                Availability::Lost { error } => {
                    self.lost(
                        Some(&node.object.name),
                        "the node could not be looked at",
                        error,
                    );
                }
            }
        }
        found
    }

    /// The answer. Where there is not one fact, the reason is the error that kept it away, the right that is lacking, or
    /// `nothing`: why there is nothing to find here.
    pub(super) fn outcome(self, nothing: impl FnOnce() -> String) -> Outcome {
        if !self.facts.is_empty() {
            let mut problems = self.problems;
            problems.extend(self.absent.into_iter().map(|(about, why)| Problem {
                node: None,
                about,
                what: format!("not available here: {why}"),
            }));
            return Outcome::Answered {
                facts: self.facts,
                problems,
            };
        }
        if !self.lost.is_empty() {
            return Outcome::Unanswered {
                error: self.lost.join("; "),
            };
        }
        if !self.problems.is_empty() {
            return Outcome::Answered {
                facts: Vec::new(),
                problems: self.problems,
            };
        }
        let reasons: Vec<String> = self.absent.into_iter().map(|(_, why)| why).collect();
        Outcome::Skipped {
            reason: if reasons.is_empty() {
                nothing()
            } else {
                reasons.join("; ")
            },
        }
    }
}
