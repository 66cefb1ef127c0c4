//! What a configuration change did to a cluster, as data: `flatnet change` reports it. Times are microseconds of the wall clock since
//! 1970.
mod look;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::probe::StreamReport;
use crate::reference::Endpoint;
use crate::snapshot::Observed;
pub use look::NodeLook;

/// A part of a change. Streams run through all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Nothing has been changed yet.
    Before,
    /// The node has the new configuration, or what the second CNI brings: files, programs, routes.
    ConfigWritten {
        /// The node.
        node: String,
    },
    /// The agent was started again with new options, or for the first time.
    AgentRestarted {
        /// The node.
        node: String,
    },
    /// The agent was ended for good.
    AgentStopped {
        /// The node.
        node: String,
    },
    /// The objects of the former CNI are deleted, and its configurations removed from nodes.
    CniRemoved,
    /// The objects of the new configuration are applied: DaemonSets roll out.
    CniApplied,
    /// An agent that the rollout has started is ready.
    RolledOut {
        /// The node.
        node: String,
    },
    /// Pods are made on every node.
    NewPods,
    /// Nothing more is changed; the last look at every pair.
    After,
    /// The pods from before are deleted.
    OldPodsDeleted,
}

impl Step {
    /// In words, for a person.
    pub fn words(&self) -> String {
        match self {
            Step::Before => "before the change".to_owned(),
            Step::ConfigWritten { node } => format!("config written on {node}"),
            Step::AgentRestarted { node } => format!("agent restarted on {node}"),
            Step::AgentStopped { node } => format!("agent stopped on {node}"),
            Step::CniRemoved => "former CNI removed".to_owned(),
            Step::CniApplied => "CNI applied".to_owned(),
            Step::RolledOut { node } => format!("agent ready on {node}"),
            Step::NewPods => "new pods".to_owned(),
            Step::After => "after the change".to_owned(),
            Step::OldPodsDeleted => "old pods deleted".to_owned(),
        }
    }
}

/// A step and when it began; it lasts until the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// When.
    pub at_us: u64,
}

/// The step that was under way at a time.
pub fn step_at(steps: &[Begun], at_us: u64) -> Option<&Step> {
    let begun = steps.iter().rev().find(|begun| begun.at_us <= at_us);
    begun.or(steps.first()).map(|begun| &begun.step)
}

/// A stream between two ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRun {
    /// The client.
    pub from: Endpoint,
    /// The end that answers.
    pub to: Endpoint,
    /// What became of it; an error where it could not be opened, or the client's probe did not tell.
    pub report: Observed<StreamReport>,
}

impl StreamRun {
    /// Whether every number came back, at most later than others, and the connection lived.
    pub fn is_kept(&self) -> bool {
        let kept = |report: &StreamReport| report.ended.is_none() && report.lost() == 0;
        self.report.as_ref().is_ok_and(kept)
    }
}

/// Where pods come from that a pair is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ages {
    /// Both were made before the change.
    OldOld,
    /// One was made before it, the other after.
    OldNew,
    /// Both were made after it.
    NewNew,
}

impl Ages {
    /// As people write it.
    pub fn words(self) -> &'static str {
        match self {
            Ages::OldOld => "old × old",
            Ages::OldNew => "old × new",
            Ages::NewNew => "new × new",
        }
    }
}

/// How pairs of one kind reached each other after the change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Ordered pairs that were dialled, over each transport.
    pub dialled: usize,
    /// Those of them that were not answered, in words.
    pub failed: Vec<String>,
}

/// By age of the pods.
pub type Pairs = BTreeMap<Ages, Reached>;

/// How far one property of a node or pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// It is as the new configuration has it.
    InEffect,
    /// It is still as it was before.
    Old,
    /// It is neither.
    Neither,
}

/// A property that the change concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// For example `MTU of cni0`.
    pub what: String,
    /// Its value before the change.
    pub before: String,
    /// As it is.
    pub now: String,
    /// As it is where the new configuration was there from the beginning.
    pub wanted: String,
    /// Which of the two it is.
    pub arrival: Arrival,
}

/// A node or pod, and what of the change concerns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// The node or pod.
    pub at: Endpoint,
    /// Properties in which the two configurations differ there.
    pub properties: Vec<Property>,
}

/// Something on a node that the new configuration does not bring by itself, or lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leftover {
    /// The node.
    pub node: String,
    /// What kind of thing: `link`, `address`, `route`, …
    pub kind: String,
    /// The thing, as the usual tools write it.
    pub what: String,
    /// Why it is told.
    pub why: Why,
}

/// Why something is told of a node after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It was there before the change, and a cluster made with the new configuration does not have it.
    Left,
    /// It came with the change, and a cluster made with the new configuration does not have it.
    Added,
    /// A cluster made with the new configuration has it, and this one does not.
    Lacking,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_belongs_to_the_step_that_began_last() {
        let begun = |step, at_us| Begun { step, at_us };
        let steps = [
            begun(Step::Before, 100),
            begun(Step::NewPods, 200),
            begun(Step::After, 300),
        ];
        let at = |time| step_at(&steps, time).unwrap();
        assert_eq!(
            [at(50), at(100), at(250), at(900)],
            [&Step::Before, &Step::Before, &Step::NewPods, &Step::After]
        );
        assert_eq!(step_at(&[], 5), None);
    }
}
