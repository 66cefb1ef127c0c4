//! The report, as data. Its JSON form is documented in `docs/report-schema.md`; a change of meaning changes [`SCHEMA`].
use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::matrix::Matrix;
use super::outcome::Outcome;
use flatnet_analysis::alike::grouped;
use flatnet_analysis::checks::{Check, Required};
use flatnet_analysis::facts;
use flatnet_analysis::words::Words;
use flatnet_model::coverage::Covering;
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::evidence::Evidence;
use flatnet_model::fact::Fact;
use flatnet_model::observations::Observations;
use flatnet_model::skip::SkipReason;
use flatnet_model::verdict::Verdict;

/// The version of the JSON form.
pub const SCHEMA: &str = "flatnet.report/v4";

/// One run and what its checks found. In JSON it has its [`Outcome`] too, which follows from the verdicts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the flatnet that ran.
    pub flatnet_version: String,
    /// Start of the run, RFC 3339, UTC, whole seconds.
    pub started: String,
    /// What was run.
    pub run: Run,
    /// Parts of the run, in order.
    pub phases: Vec<Phase>,
    /// Verdicts, in the catalogue's order.
    pub checks: Vec<CheckReport>,
    /// Which pairs reached each other.
    pub matrix: Matrix,
    /// Why pods do not run, where some do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// What the run was compared with.
    #[serde(default, skip_serializing_if = "Comparison::is_empty")]
    pub comparison: Comparison,
    /// What two reports are compared by, once they are made: [`Report::facts`] derives them where this is empty.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// Everything the verdicts are drawn from; left out where only verdicts are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observations: Option<Observations>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// The cluster's name, where it is there after the run: it ran before, or is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What commands in evidence may name and is deleted by the time that the report is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
    /// As chosen: a name or a file.
    pub cni: String,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of pods, hostNetwork pods included.
    pub pods: usize,
    /// How nodes are joined, where flatnet decides (`l2`, `routed`).
    pub underlay: Option<String>,
    /// MTU of the underlay in bytes, where flatnet decides.
    pub mtu: Option<u32>,
    /// `ipv4`, `ipv6` or `dual`.
    pub ip_family: String,
    /// Which pairs were dialled: `full`, or another [`flatnet_model::coverage::Covering`] with its seed.
    #[serde(default = "full")]
    pub coverage: String,
    /// The planted fault, if one was.
    pub planted: Option<String>,
}

/// What a run deletes when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Gone {
    /// The cluster that it booted.
    Cluster,
    /// Its own pods, in a cluster that goes on running.
    Pods {
        /// Where they were.
        namespace: String,
    },
}

impl Gone {
    /// What is to be said of commands that name it.
    fn note(&self) -> String {
        let keep = "for them and for flatnet diagnose POD, run it again with --keep";
        match self {
            Gone::Cluster => {
                format!("the cluster that the commands above are for is deleted; {keep}")
            }
            Gone::Pods { namespace } => format!(
                "the run's pods (namespace {namespace}) are deleted, and commands above that are for them find nothing; {keep}"
            ),
        }
    }
}

/// Reports of versions that knew no other coverage.
fn full() -> String {
    Covering::Full.to_string()
}

/// A part of the run that took time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `boot`, `install`, `deploy`, `observe`, `tear-down`.
    pub name: String,
    /// Wall time, milliseconds.
    pub ms: u64,
}

impl Phase {
    /// A phase that took this long.
    pub fn new(name: impl Into<String>, took: Duration) -> Self {
        Phase {
            name: name.into(),
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// One check's verdict. In JSON the verdict's fields are those of this object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport<E = Evidence, R = SkipReason> {
    /// The check's stable id.
    pub id: String,
    /// What should hold.
    pub promise: String,
    /// The run must not skip it: where it is skipped, the run fails.
    pub required: bool,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict<E, R>,
}

impl CheckReport {
    /// Judges the observations by one check.
    pub fn of(check: &Check, required: &Required, observations: &Observations) -> Self {
        let verdict = check.judge(observations);
        let required = required.demands(check.id, &observations.provider, &verdict);
        let verdict = match verdict {
            Verdict::Fail { evidence } => Verdict::Fail {
                evidence: grouped(evidence),
            },
            other => other,
        };
        CheckReport {
            id: check.id.to_owned(),
            promise: check.promise.to_owned(),
            required,
            verdict,
        }
    }

    /// Why it was skipped, where it must not be.
    pub fn missed(&self) -> Option<&SkipReason> {
        match &self.verdict {
            Verdict::Skip { reason } if self.required => Some(reason),
            _ => None,
        }
    }
}

impl Report {
    /// Judges the observations by these checks.
    pub fn of(
        run: Run,
        started: Timestamp,
        phases: Vec<Phase>,
        (checks, required): (&[&Check], &Required),
        observations: Observations,
    ) -> Self {
        Report {
            schema: SCHEMA.to_owned(),
            flatnet_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: format!("{started:.0}"),
            run,
            phases,
            checks: checks
                .iter()
                .map(|check| CheckReport::of(check, required, &observations))
                .collect(),
            matrix: Matrix::of(&observations),
            diagnosis: None,
            comparison: Comparison::default(),
            facts: Vec::new(),
            observations: Some(observations),
        }
    }

    /// Of a run that could not be observed, for this reason: no check is judged.
    pub fn unmeasured(
        run: Run,
        started: Timestamp,
        phases: Vec<Phase>,
        (checks, required): (&[&Check], &Required),
        why: &str,
    ) -> Self {
        let broken = |check: &&Check| {
            let verdict = Verdict::broken(why);
            CheckReport {
                id: check.id.to_owned(),
                promise: check.promise.to_owned(),
                required: required.demands(check.id, &run.provider, &verdict),
                verdict,
            }
        };
        Report {
            checks: checks.iter().map(broken).collect(),
            schema: SCHEMA.to_owned(),
            flatnet_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: format!("{started:.0}"),
            run,
            phases,
            matrix: Matrix::default(),
            diagnosis: None,
            comparison: Comparison::default(),
            facts: Vec::new(),
            observations: None,
        }
    }

    /// With why pods do not run.
    pub fn with_diagnosis(mut self, diagnosis: Option<Diagnosis>) -> Self {
        self.diagnosis = diagnosis;
        self
    }

    /// With what it was compared with.
    pub fn with_comparison(mut self, comparison: Comparison) -> Self {
        self.comparison = comparison;
        self
    }

    /// Its checks as people read them: failures, what could not be measured, the rest, what was skipped; each in the catalogue's order.
    pub fn worst_first(&self) -> Vec<&CheckReport> {
        let mut checks: Vec<&CheckReport> = self.checks.iter().collect();
        checks.sort_by_key(|check| match &check.verdict {
            Verdict::Fail { .. } => 0,
            Verdict::Skip { .. } if check.required => 0,
            Verdict::Broken { .. } => 1,
            Verdict::Pass { .. } | Verdict::Report { .. } => 2,
            Verdict::Skip { .. } => 3,
        });
        checks
    }

    /// With the facts that it is compared by: they are made once, for the comparison and for each form of the report.
    pub fn with_facts(mut self) -> Self {
        self.facts = self.facts().into_owned();
        self
    }

    /// What it is compared by: its facts, or, where they were not made yet, what follows from checks and observations.
    pub fn facts(&self) -> Cow<'_, [Fact]> {
        match &self.observations {
            Some(observations) if self.facts.is_empty() => {
                let checks = self.checks.iter();
                let checks = checks.map(|check| (check.id.as_str(), &check.verdict));
                Cow::Owned(facts::of(observations, checks))
            }
            _ => Cow::Borrowed(&self.facts),
        }
    }

    /// Writes its evidence.
    pub fn words(&self) -> Words<'_> {
        Words::of_report(self.observations.as_ref(), self.run.cluster.as_deref())
    }

    /// What the run comes to.
    pub fn outcome(&self) -> Outcome {
        let words = self.words();
        let changes = self.observations.as_ref().map(|all| &all.changes[..]);
        let mut outcome = outcome(&self.checks, &words);
        outcome
            .notes
            .extend(words.changes(changes.unwrap_or_default()));
        self.comparison.told(&mut outcome);
        if let Some(gone) = self.run.gone.as_ref().filter(|_| outcome.counts.failed > 0) {
            outcome.notes.push(gone.note());
        }
        outcome
    }
}

/// What these come to.
pub fn outcome(checks: &[CheckReport], words: &Words<'_>) -> Outcome {
    let missed = |check: &CheckReport| Some((check.id.clone(), words.skip(check.missed()?)));
    let verdicts = checks.iter().map(|check| &check.verdict);
    Outcome::of(verdicts, checks.iter().filter_map(missed).collect())
}
