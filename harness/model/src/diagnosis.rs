//! What is wrong with whom, as data: every way to print it only reads this. Its JSON form is documented in
//! `docs/troubleshooting.md`.
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::capabilities::Capabilities;
use crate::cause::CauseId;
use crate::evidence::Evidence;
use crate::network::Transport;

/// The version of the JSON form; a change of meaning changes it.
pub const SCHEMA: &str = "flatnet.diagnosis/v2";

/// One look at a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis<E = Evidence> {
    /// [`SCHEMA`].
    pub schema: String,
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// The cluster's name, or the kubeconfig's context.
    pub cluster: String,
    /// What the cluster can do: commands are written for it.
    pub capabilities: Capabilities,
    /// Nodes that are not Ready, then pods: those asked about, or all that are not healthy.
    pub subjects: Vec<Subject<E>>,
    /// What could not be looked at. The findings are drawn from the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// A pod or a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject<E = Evidence> {
    /// Node or pod.
    pub kind: Kind,
    /// `NAMESPACE/NAME` of a pod, name of a node.
    pub name: String,
    /// `spec.nodeName` of a pod that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The STATUS column of `kubectl get`.
    pub status: String,
    /// Running and ready, or done; a node that is Ready.
    pub healthy: bool,
    /// Likeliest first: a root cause comes before what follows from it, see [`CauseId`].
    pub findings: Vec<Finding<E>>,
    /// The last warning, where no cause is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_warning: Option<String>,
    /// What its network was tried with; nothing where only its object was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
    /// What was to be tried and could not be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmeasured: Vec<String>,
    /// Containers that were restarted lately and are ready now: no failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarted: Vec<Restarted>,
}

/// A container that was restarted less than ten minutes ago, and is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarted {
    /// Its name.
    pub container: String,
    /// `restartCount`.
    pub times: i32,
    /// How its run before ended; absent where the API does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Start of its present run.
    pub runs_since: Timestamp,
}

/// How a run of a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// 128 and the signal's number where a signal ended it.
    pub exit_code: i32,
    /// `Error`, `OOMKilled`, …; empty where there is none.
    pub reason: String,
    /// Absent where the API does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What was sent and came through: what "nothing is wrong" is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Pods that it reached over every one of `over`.
    pub reached: usize,
    /// Pods by which it was reached over every one of `over`.
    pub reached_by: usize,
    /// Nodes on which those pods are.
    pub nodes: usize,
    /// Transports.
    pub over: BTreeSet<Transport>,
    /// The largest packet that came through whole to a pod of every node, bytes; nothing where none was tried.
    pub bytes: Option<u32>,
    /// Whether the next hop of its default route answered.
    pub gateway: bool,
    /// Whether it reached itself at an address that its node translates to it, as a service's; nothing where that was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
}

/// What a [`Subject`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Node,
    Pod,
}

/// One cause with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding<E = Evidence> {
    /// Which cause of the catalogue; that of the evidence is the same, or a special case of it.
    pub id: CauseId,
    /// Expected and observed, who is to blame, the command that shows it, and what puts it right.
    #[serde(flatten)]
    pub evidence: E,
    /// The words it was read from, as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
}

/// Words quoted from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Who said it: an event, a condition, a log, a file.
    pub source: String,
    /// The quoted text, on one line.
    pub text: String,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What was to be read: an object, a log, a node.
    pub what: String,
    /// The error that prevented it.
    pub why: String,
}

impl Seen {
    /// Somebody's words, on one line and not endless: a plugin may have printed anything.
    pub fn new(source: impl Into<String>, text: &str) -> Seen {
        const MOST: usize = 600;
        let line = one_line(text);
        let cut = line.chars().count() > MOST;
        let mut text: String = line.chars().take(MOST).collect();
        if cut {
            text.push('…');
        }
        Seen {
            source: source.into(),
            text,
        }
    }
}

/// The same words with single blanks between them.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Subject {
    /// The first, likeliest one.
    pub fn first(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

impl Diagnosis {
    /// Writes commands for the cluster that was looked at.
    pub fn advice(&self) -> Advice {
        Advice {
            cluster: Some(self.cluster.clone()),
            capabilities: self.capabilities.clone(),
            booted: None,
        }
    }

    /// 0 when every subject is healthy, 1 when a cause is known for one, 4 when one is unhealthy and no cause is
    /// known, or none is known and something could not be measured.
    pub fn exit_code(&self) -> u8 {
        let known = self.subjects.iter().any(|s| !s.findings.is_empty());
        let unmeasured = self.subjects.iter().any(|s| !s.unmeasured.is_empty());
        match (self.is_open(), known, unmeasured) {
            (true, ..) | (false, false, true) => 4,
            (false, known, _) => u8::from(known),
        }
    }

    /// Whether a subject is unhealthy and no cause is known for any: a later look may know more.
    pub fn is_open(&self) -> bool {
        let known = self.subjects.iter().any(|s| !s.findings.is_empty());
        !known && self.subjects.iter().any(|s| !s.healthy)
    }

    /// Replaces each piece of evidence, such as by its form in words.
    pub fn map<F>(self, mut change: impl FnMut(Evidence) -> F) -> Diagnosis<F> {
        let mut finding = |finding: Finding| Finding {
            id: finding.id,
            evidence: change(finding.evidence),
            seen: finding.seen,
        };
        let subject = |subject: Subject| Subject {
            kind: subject.kind,
            name: subject.name,
            node: subject.node,
            status: subject.status,
            healthy: subject.healthy,
            findings: subject.findings.into_iter().map(&mut finding).collect(),
            last_warning: subject.last_warning,
            tried: subject.tried,
            unmeasured: subject.unmeasured,
            restarted: subject.restarted,
        };
        Diagnosis {
            schema: self.schema,
            provider: self.provider,
            cluster: self.cluster,
            capabilities: self.capabilities,
            subjects: self.subjects.into_iter().map(subject).collect(),
            unread: self.unread,
        }
    }
}
