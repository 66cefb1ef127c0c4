//! A run that is over, as it is compared.
use std::collections::BTreeMap;
use std::io;

use flatnet_analysis::diff::Side;
use flatnet_analysis::facts::{self, Roles};
use flatnet_analysis::words::Words;
use flatnet_model::evidence::Evidence;
use flatnet_model::fact::{Fact, Place};
use flatnet_model::observations::{Observations, WithoutTraffic};
use flatnet_model::verdict::Verdict;
use serde::Deserialize;

use crate::report::{CheckReport, Report, ReportError, Run, json};

/// What is kept of a run to compare it.
#[derive(Clone, Debug)]
pub struct Recorded {
    label: String,
    facts: Vec<Fact>,
    observations: Option<Observations>,
    names: BTreeMap<Place, String>,
    evidence: BTreeMap<String, Vec<String>>,
}

/// What is read of a report to compare it.
#[derive(Deserialize)]
struct Kept {
    flatnet_version: String,
    run: Run,
    checks: Vec<CheckReport>,
    #[serde(default)]
    facts: Vec<Fact>,
    #[serde(default)]
    observations: Option<WithoutTraffic>,
}

impl Recorded {
    /// Of the JSON of a report; `None` for one without observations and facts. The facts are those that the report carries. Only where
    /// another version of flatnet made them, or none are there, is all that was observed read, to derive them.
    ///
    /// # Errors
    /// Those of [`json::read`].
    pub fn read<R: io::Read>(
        label: impl Into<String>,
        open: impl Fn() -> io::Result<R>,
    ) -> Result<Option<Recorded>, ReportError> {
        let Kept {
            flatnet_version,
            run,
            checks,
            facts,
            observations,
        } = json::read(&open)?;
        let carried = !facts.is_empty() && flatnet_version == env!("CARGO_PKG_VERSION");
        Ok(match observations {
            Some(WithoutTraffic(observations)) if carried => {
                let words = Words::of_report(Some(&observations), run.cluster.as_deref());
                let evidence = said_by(&checks, &words);
                let recorded = Recorded::new(label, facts, observations, evidence);
                Some(recorded)
            }
            Some(_) => {
                let mut report: Report = json::read(&open)?;
                report.facts.clear();
                Recorded::of_report(label, &report)
            }
            None if facts.is_empty() => None,
            None => Some(Recorded::of_facts(label, facts)),
        })
    }

    /// Of a report; `None` for one without observations and facts.
    pub fn of_report(label: impl Into<String>, report: &Report) -> Option<Recorded> {
        let facts = report.facts().into_owned();
        match &report.observations {
            Some(observations) => {
                let evidence = said_by(&report.checks, &report.words());
                let observations = observations.without_traffic();
                Some(Recorded::new(label, facts, observations, evidence))
            }
            None if facts.is_empty() => None,
            None => Some(Recorded::of_facts(label, facts)),
        }
    }

    /// Of what was observed, and what these checks made of it.
    pub fn of_run(
        label: impl Into<String>,
        observations: &Observations,
        checks: &[CheckReport],
        words: &Words<'_>,
    ) -> Recorded {
        let verdicts = checks.iter();
        let verdicts = verdicts.map(|check| (check.id.as_str(), &check.verdict));
        let facts = facts::of(observations, verdicts);
        let evidence = said_by(checks, words);
        Recorded::new(label, facts, observations.without_traffic(), evidence)
    }

    fn new(
        label: impl Into<String>,
        facts: Vec<Fact>,
        observations: Observations,
        evidence: BTreeMap<String, Vec<String>>,
    ) -> Recorded {
        Recorded {
            label: label.into(),
            facts,
            names: Roles::of(&observations).names(),
            observations: Some(observations),
            evidence,
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

/// What failing checks say, by their ids.
fn said_by(checks: &[CheckReport], words: &Words<'_>) -> BTreeMap<String, Vec<String>> {
    let failed = checks.iter().filter_map(|check| match &check.verdict {
        Verdict::Fail { evidence } => Some((check.id.clone(), said(evidence, words))),
        _ => None,
    });
    failed.collect()
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
