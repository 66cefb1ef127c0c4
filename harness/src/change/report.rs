//! What a change came to, as data. Its JSON form is documented in `docs/change.md`; a change of meaning changes [`SCHEMA`].
use flatnet_model::change::{Arrival, Arrived, Begun, Leftover, Pairs, StreamRun};
use flatnet_model::observations::Endpoint;
use serde::{Deserialize, Serialize};

use crate::report::CheckReport;

/// The version of the JSON form.
pub const SCHEMA: &str = "flatnet.change/v1";

/// A change, and with `--and-back` the one back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the flatnet that ran.
    pub flatnet_version: String,
    /// Start of the run, RFC 3339, UTC, whole seconds.
    pub started: String,
    /// `lab` or `kind`.
    pub provider: String,
    /// The cluster's name, where it is there after the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What is wrong, in one sentence each; empty where nothing is.
    pub wrong: Vec<String>,
    /// The change, then the change back.
    pub passes: Vec<Pass>,
}

impl ChangeReport {
    /// 0 where nothing is wrong, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.wrong.is_empty())
    }
}

/// A node or pod, as people call it.
pub(super) fn called(at: &Endpoint) -> String {
    match at {
        Endpoint::Node(node) => node.clone(),
        Endpoint::Pod(pod)
            if pod.namespace == "default" || pod.namespace.starts_with("flatnet-") =>
        {
            pod.name.clone()
        }
        other => other.to_string(),
    }
}

/// What nodes and pods were compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// A second cluster, which was made with the new configuration.
    #[default]
    SecondCluster,
    /// What the configuration says, new pods, and what nodes had before flatnet put the first CNI there.
    NodesBefore,
    /// The same without that: what nodes had before a CNI is not known.
    PodsOfRun,
}

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pass {
    /// What the cluster had.
    pub from: String,
    /// What it got.
    pub to: String,
    /// Parts of the change, in order, each with its beginning.
    pub steps: Vec<Begun>,
    /// Names of the pods from before.
    pub old_pods: Vec<String>,
    /// Names of the pods that were made after it.
    pub new_pods: Vec<String>,
    /// New pods that do not run, with what the cluster says.
    pub not_running: Vec<String>,
    /// How pods reached each other after the change.
    pub pairs: Pairs,
    /// Streams between pods from before, through the whole change; then those between new pods while the old ones are deleted.
    pub streams: Vec<StreamRun>,
    /// Nodes and pods that the change concerns, and how far it has come there.
    pub arrived: Vec<Arrived>,
    /// The same when the pods from before are deleted.
    pub arrived_after: Vec<Arrived>,
    /// Checks before the change, with the pods from before.
    pub checks_before: Vec<CheckReport>,
    /// Checks after it, with all pods.
    pub checks_with_all: Vec<CheckReport>,
    /// Checks when the pods from before are deleted.
    pub checks_after: Vec<CheckReport>,
    /// What the first configuration or its pods left, when all pods of the run are deleted.
    pub leftovers: Vec<Leftover>,
    /// What nodes and pods were compared with.
    #[serde(default)]
    pub compared: Compared,
    /// What failed of the checks that passed before, for people.
    #[serde(skip)]
    pub said: Vec<String>,
}

impl Pass {
    /// Checks that passed before the change and do not in `later`.
    pub fn worse<'a>(&'a self, later: &'a [CheckReport]) -> impl Iterator<Item = &'a CheckReport> {
        later.iter().filter(|check| {
            let before = self
                .checks_before
                .iter()
                .find(|before| before.id == check.id);
            let failed = ["fail", "broken"].contains(&check.verdict.name());
            failed && before.is_some_and(|before| before.verdict.name() == "pass")
        })
    }

    /// Sentences about what is wrong.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (ages, reached) in &self.pairs {
            if let Some(first) = reached.failed.first() {
                wrong.push(format!(
                    "{}: {} of {} dials failed after the change, first {first}",
                    ages.words(),
                    reached.failed.len(),
                    reached.dialled
                ));
            }
        }
        if !self.not_running.is_empty() {
            wrong.push(format!(
                "new pods do not run: {}",
                self.not_running.join("; ")
            ));
        }
        let cut = self
            .streams
            .iter()
            .filter(|stream| !stream.is_kept())
            .count();
        if cut > 0 {
            let all = self.streams.len();
            wrong.push(format!(
                "{cut} of {all} streams lost numbers or their connection"
            ));
        }
        for check in self.worse(&self.checks_after) {
            wrong.push(format!(
                "{} passed before the change and does not now",
                check.id
            ));
        }
        for check in self.worse(&self.checks_with_all) {
            wrong.push(format!(
                "{} passed before the change, and does not while pods from before live",
                check.id
            ));
        }
        let late = |arrived: &&Arrived| {
            let mut properties = arrived.properties.iter();
            properties.any(|one| one.arrival != Arrival::InEffect)
        };
        let late: Vec<String> = self
            .arrived_after
            .iter()
            .filter(late)
            .map(|one| called(&one.at))
            .collect();
        if !late.is_empty() {
            wrong.push(format!(
                "the change has not arrived everywhere: {}",
                late.join(", ")
            ));
        }
        if !self.leftovers.is_empty() {
            let (count, to) = (self.leftovers.len(), &self.to);
            wrong.push(match self.compared {
                Compared::SecondCluster => {
                    format!("{count} things on nodes differ from a cluster that was made with {to}")
                }
                Compared::NodesBefore => format!(
                    "{count} things on nodes are left of {} or of pods of the run",
                    self.from
                ),
                Compared::PodsOfRun => {
                    format!("{count} things on nodes are left of pods of the run")
                }
            });
        }
        wrong
    }
}
