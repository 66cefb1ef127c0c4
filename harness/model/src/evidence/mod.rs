//! Evidence: what was found that should not be so, as data. Text is made of it by `flatnet-analysis`' `words`, nowhere else.
mod command;
mod owner;
mod start;
mod state;
mod symptom;
mod talk;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;

pub use command::{At, Command, Remediation, Step, Todo};
pub use owner::Owner;
pub use start::Start;
pub use state::{Route, RouteHop, State, Vxlan};

pub use crate::cause::{Basis, Found};
pub use crate::subject::{PodAt, Subject};
pub use symptom::{Direction, Extent, PathClass, Scope, Span, Symptom};
pub use talk::{Arrivals, Complaint, HeldAddress, Mismatch, NameAnswer, Talk};

/// Who promises what does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Id of the check, or [`Rule::pod_runs`] and [`Rule::node_ready`] of a diagnosis.
    pub id: String,
    /// The document that makes the promise.
    pub source: String,
}

impl Rule {
    /// That document makes that promise.
    pub fn new(id: impl Into<String>, source: impl Into<String>) -> Self {
        Rule {
            id: id.into(),
            source: source.into(),
        }
    }

    /// A pod that was made comes to run.
    pub fn pod_runs() -> Self {
        let lifecycle = "Kubernetes, [Pod lifecycle](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/)";
        Rule::new("pod-runs", lifecycle)
    }

    /// A node is Ready, so that it takes pods.
    pub fn node_ready() -> Self {
        let status =
            "Kubernetes, [Node status](https://kubernetes.io/docs/reference/node/node-status/)";
        Rule::new("node-ready", status)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The promise that is broken.
    pub rule: Rule,
    /// Who is affected, what was seen instead of what, and why.
    #[serde(flatten)]
    pub deviation: Deviation,
    /// What puts it right, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// The same of others: differs only in whom it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alike: Vec<Deviation>,
}

/// How something differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// Nodes, pods, files and others that are affected.
    pub subjects: Vec<Subject>,
    /// Whose configuration is wrong, or whose row or column is red; empty where the observations single none out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub culprits: Vec<Subject>,
    /// The symptom, its cause, or both.
    #[serde(flatten)]
    pub finding: Finding,
    /// What should have been seen.
    pub expected: State,
    /// What was, the most telling first.
    pub observed: Vec<State>,
    /// The command that shows it.
    pub look: Command,
}

/// What is wrong: something that follows from a cause, or the cause itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Finding {
    /// Something goes wrong, and why.
    Symptom {
        /// What users of the network notice.
        symptom: Symptom,
        /// Why, where the observations tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Found>,
    },
    /// What makes things go wrong.
    Cause {
        /// The cause, observed itself.
        cause: Found,
    },
}

impl Finding {
    /// A symptom of which the cause is not known.
    pub fn symptom(symptom: Symptom) -> Self {
        let cause = None;
        Finding::Symptom { symptom, cause }
    }

    /// A symptom of a cause.
    pub fn of(symptom: Symptom, cause: Found) -> Self {
        let cause = Some(cause);
        Finding::Symptom { symptom, cause }
    }

    /// A cause that was observed itself.
    pub fn cause(cause: Cause) -> Self {
        Finding::Cause {
            cause: Found::seen(cause),
        }
    }

    /// The cause, where it is known.
    pub fn found(&self) -> Option<&Found> {
        match self {
            Finding::Symptom { cause, .. } => cause.as_ref(),
            Finding::Cause { cause } => Some(cause),
        }
    }
}

impl Evidence {
    /// The cause, where it is known.
    pub fn cause(&self) -> Option<&Cause> {
        self.deviation.finding.found().map(|found| &found.cause)
    }
}

impl Deviation {
    /// Whether this is about that pod, or about that node.
    pub fn concerns(&self, pod: &crate::PodRef, node: Option<&str>) -> bool {
        let mut subjects = self.subjects.iter().chain(&self.culprits);
        subjects.any(|subject| {
            subject.is(pod) || node.is_some_and(|node| subject.nodes().contains(&node))
        })
    }
}
