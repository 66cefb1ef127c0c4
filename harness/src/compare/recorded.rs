//! A run that is over, as it is compared.
use std::collections::BTreeMap;

use flatnet_analysis::diff::Side;
use flatnet_analysis::facts::{self, Roles};
use flatnet_model::fact::{Fact, Place};
use flatnet_model::observations::Observations;
use flatnet_model::verdict::Verdict;

use crate::report::Report;

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
    /// Of a report; `None` for one without observations, which has no facts either.
    pub fn of_report(label: impl Into<String>, mut report: Report) -> Option<Recorded> {
        let words = report.words();
        let mut evidence = BTreeMap::new();
        for check in &report.checks {
            if let Verdict::Fail { evidence: found } = &check.verdict {
                let texts = found.iter().map(|one| words.text(one));
                let lines = texts.map(|text| match text.cause {
                    Some(cause) => format!("{}; {cause}", text.what),
                    None => text.what,
                });
                evidence.insert(check.id.clone(), lines.collect());
            }
        }
        let facts = report.facts()?;
        let mut observations = report.observations.take()?;
        let names = Roles::of(&observations).names();
        // Walks of packets need nodes and pods, and nothing of what was dialled.
        observations.dials = Vec::new();
        observations.received = BTreeMap::new();
        observations.series = Vec::new();
        observations.mtu = Vec::new();
        Some(Recorded {
            label: label.into(),
            facts,
            observations: Some(observations),
            names,
            evidence,
        })
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

impl Report {
    /// What it is compared by, where it has observations.
    pub fn facts(&self) -> Option<Vec<Fact>> {
        let observations = self.observations.as_ref()?;
        let checks = self.checks.iter();
        let checks = checks.map(|check| (check.id.as_str(), &check.verdict));
        Some(facts::of(observations, checks))
    }
}
