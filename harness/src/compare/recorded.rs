//! A run that is over, as it is compared.
use std::collections::BTreeMap;

use flatnet_analysis::diff::Side;
use flatnet_analysis::facts::{self, Roles};
use flatnet_analysis::words::Words;
use flatnet_model::evidence::Evidence;
use flatnet_model::fact::{Fact, Place};
use flatnet_model::observations::Observations;
use flatnet_model::verdict::Verdict;

use crate::report::{CheckReport, Report};

/// What is kept of a run to compare it.
#[derive(Clone, Debug)]
pub struct Recorded {
    label: String,
    facts: Vec<Fact>,
    observations: Option<Observations>,
    names: BTreeMap<Place, String>,
    evidence: BTreeMap<String, Vec<String>>,
}

impl Recorded {
    /// Of a report; `None` for one without observations and facts.
    pub fn of_report(label: impl Into<String>, report: &Report) -> Option<Recorded> {
        let words = report.words();
        match &report.observations {
            Some(observations) => {
                let checks = &report.checks;
                Some(Recorded::of_run(label, observations, checks, &words))
            }
            None if report.facts.is_empty() => None,
            None => Some(Recorded::of_facts(label, report.facts.clone())),
        }
    }

    /// Of what was observed, and what these checks made of it.
    pub fn of_run(
        label: impl Into<String>,
        observations: &Observations,
        checks: &[CheckReport],
        words: &Words<'_>,
    ) -> Recorded {
        let said = checks.iter().filter_map(|check| match &check.verdict {
            Verdict::Fail { evidence } => Some((check.id.clone(), said(evidence, words))),
            _ => None,
        });
        let verdicts = checks.iter();
        let verdicts = verdicts.map(|check| (check.id.as_str(), &check.verdict));
        Recorded {
            label: label.into(),
            facts: facts::of(observations, verdicts),
            names: Roles::of(observations).names(),
            evidence: said.collect(),
            observations: Some(observations.without_traffic()),
        }
    }

    /// Of facts alone.
    pub fn of_facts(label: impl Into<String>, facts: Vec<Fact>) -> Recorded {
        Recorded {
            label: label.into(),
            facts,
            observations: None,
            names: BTreeMap::new(),
            evidence: BTreeMap::new(),
        }
    }

    /// Its facts, sorted by their keys.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// As one side of a difference.
    pub fn side(&self) -> Side<'_> {
        Side {
            label: self.label.clone(),
            facts: &self.facts,
            observations: self.observations.as_ref(),
            names: self.names.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

/// Each piece of evidence in one line.
fn said(evidence: &[Evidence], words: &Words<'_>) -> Vec<String> {
    let texts = evidence.iter().map(|one| words.text(one));
    let lines = texts.map(|text| match text.cause {
        Some(cause) => format!("{}; {cause}", text.what),
        None => text.what,
    });
    lines.collect()
}
