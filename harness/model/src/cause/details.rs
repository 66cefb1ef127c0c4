//! What distinguishes two causes of one kind.
use serde::{Deserialize, Serialize};

/// Why the scheduler finds no node for a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum Unfit {
    Resources,
    Taints,
    Labels,
    ClaimMissing,
    ClaimUnbound,
    Full,
    Cordoned,
    PortTaken,
}

/// A kubelet that did not take a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Name of the node whose kubelet refused it.
    pub node: String,
    /// `status.reason` of the pod.
    pub reason: String,
}

/// In which way a network add-on's agent does not serve a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentState {
    /// It is there and not ready.
    NotReady,
    /// The same on a node that is Ready.
    Ended,
    /// It is on other nodes.
    NotScheduled,
    /// It is nowhere, and the add-on's files are.
    Gone,
    /// The plugin does not find it.
    Silent {
        /// It is there and ready all the same.
        ready: bool,
    },
}

/// Why an image cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum PullFailure {
    InvalidName,
    NeverPull,
    NoSuchImage,
    Credentials,
    Certificate,
    OutOfReach,
    AlwaysPulled,
    Unknown,
}

/// Why a command cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum NotRunnable {
    NotInImage,
    NotFoundByShell,
    NotExecutable,
}

/// Why a plugin that is there cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum NotAProgram {
    Format,
    Permission,
    Interpreter,
}

/// A directory of the container runtime's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CniDirectory {
    Configurations,
    Plugins,
}

/// What the far ends' records of requests say about where packets get lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum Loss {
    Unrecorded,
    OnTheWayIn { node: String },
    BothWays { node: String },
    OnTheWayTo { node: String },
    Answers,
    Requests,
    OneDirection,
    Partly,
}

/// How a cause is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// It was observed itself.
    Seen,
    /// It is what best explains the observations: worded "may".
    Inferred,
}
