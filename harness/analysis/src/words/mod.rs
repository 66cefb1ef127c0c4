//! The sentences: text is made of evidence here, and nowhere else. Terminal, JSON, JUnit and Markdown show the same.
mod cause;
mod change;
mod follow;
mod list;
mod loss;
mod names;
mod reason;
mod remediation;
mod routing;
mod sentence;
mod skip;
mod start;
mod state;
mod states;
mod subject;
mod symptom;
mod talk;

use flatnet_model::advice::Advice;
use flatnet_model::capabilities::Capabilities;
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::evidence::{Basis, Command, Evidence, Finding, Subject};
use flatnet_model::observations::{Observations, PodNames};
use flatnet_model::verdict::Verdict;
use serde::Serialize;

pub use follow::followed;
pub use list::{all, count, listed};
pub(crate) use list::{joined, transports};
pub use names::Names;
pub use routing::{policy_rule, route_choice};
pub use state::route;
pub(crate) use symptom::path_class;
pub(crate) use talk::milliseconds;

/// A piece of evidence in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// What is wrong with whom.
    pub what: String,
    /// What should have been seen.
    pub expected: String,
    /// What was seen instead.
    pub observed: String,
    /// Who is to blame, where the observations single one out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub culprit: Option<String>,
    /// The likely cause, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The command a person types to see it.
    pub look: String,
    /// What puts it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Writes evidence for one kind of reader.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    /// Decides how commands are written for this cluster.
    pub advice: Advice,
    /// Decides how pods are named.
    pub names: Names<'a>,
}

impl Words<'_> {
    /// For the reader of a report: short names. Commands are for `cluster`, or for the cluster of the run where that is gone by then.
    pub fn of_report<'a>(
        observations: Option<&'a Observations>,
        cluster: Option<&str>,
    ) -> Words<'a> {
        let names = observations.map_or(Names::Bare, |all| Names::Short(PodNames::of(all)));
        Words {
            advice: Advice {
                cluster: cluster.map(str::to_owned),
                capabilities: observations
                    .map_or_else(Capabilities::default, |all| all.capabilities.clone()),
                ..Advice::brief()
            },
            names,
        }
    }

    /// For questions about pods of any namespace.
    pub fn of_diagnosis(diagnosis: &Diagnosis) -> Words<'static> {
        Words {
            advice: diagnosis.advice(),
            names: Names::Full,
        }
    }

    /// A command as one line for a shell.
    fn line(&self, command: &Command) -> String {
        self.advice.line(command, |pod| {
            // Others on a cluster that goes on running may have the same name.
            if self.advice.cluster.is_some() {
                pod.to_string()
            } else {
                self.names.pod(pod)
            }
        })
    }

    /// A verdict in words.
    pub fn verdict(&self, verdict: &Verdict) -> Verdict<Text, String> {
        let verdict = verdict.clone();
        verdict.map(|evidence| self.text(&evidence), |reason| self.skip(&reason))
    }

    /// All there is to say of a piece of evidence.
    pub fn text(&self, evidence: &Evidence) -> Text {
        let deviation = &evidence.deviation;
        let alike = evidence.alike.iter();
        let others: Vec<Subject> = alike.flat_map(|other| other.subjects.clone()).collect();
        let same = self.culprits(&others);
        let same = same.map_or_else(String::new, |who| format!("; the same for {who}"));
        let all = std::iter::once(deviation).chain(&evidence.alike);
        let mut culprits: Vec<Subject> = Vec::new();
        for culprit in all.flat_map(|deviation| &deviation.culprits) {
            if !culprits.contains(culprit) {
                culprits.push(culprit.clone());
            }
        }
        let (what, cause) = match &deviation.finding {
            Finding::Symptom { symptom, cause } => (
                self.symptom(symptom),
                cause.as_ref().map(|found| match found.basis {
                    Basis::Seen => self.cause(&found.cause),
                    Basis::Inferred => format!("it may be that {}", self.cause(&found.cause)),
                }),
            ),
            // Of a cause that was seen itself, one asks how it may have come about.
            Finding::Cause { cause } => (self.cause(&cause.cause), self.reason(&cause.cause)),
        };
        Text {
            what: what + &same,
            expected: self.state(&deviation.expected),
            observed: self.states(&deviation.observed),
            culprit: self.culprits(&culprits),
            cause,
            look: self.line(&deviation.look),
            fix: evidence
                .remediation
                .as_ref()
                .map(|remediation| self.remediation(remediation)),
        }
    }
}
