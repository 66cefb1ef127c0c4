//! Whom evidence is about.
use serde::{Deserialize, Serialize};

use crate::PodRef;

/// A pod and the node it is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodAt {
    /// The pod; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub pod: PodRef,
    /// `spec.nodeName`.
    pub node: String,
}

impl PodAt {
    /// That pod on that node.
    pub fn new(pod: PodRef, node: impl Into<String>) -> Self {
        let node = node.into();
        PodAt { pod, node }
    }
}

/// Somebody or something that can be to blame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Subject {
    Node {
        node: String,
    },
    Pod(PodAt),
    /// A pod that is on no node.
    UnscheduledPod(PodRef),
    /// One way between two nodes, which may be the same.
    Pair {
        from: String,
        to: String,
    },
    Plugin {
        node: String,
        plugin: String,
    },
    /// The network add-on's process on a node.
    Agent {
        node: String,
        agent: String,
    },
    Runtime {
        node: String,
    },
    File {
        node: String,
        path: String,
    },
    Device {
        node: String,
        device: String,
    },
    Container {
        #[serde(flatten)]
        pod: PodAt,
        container: String,
    },
    Image {
        image: String,
    },
    /// An object of the API.
    Object {
        resource: String,
        namespace: String,
        name: String,
    },
}

impl Subject {
    /// A node.
    pub fn node_of(name: impl Into<String>) -> Self {
        Subject::Node { node: name.into() }
    }

    /// Whether it is that pod, or a part of it.
    pub fn is(&self, wanted: &PodRef) -> bool {
        match self {
            Subject::Pod(at) | Subject::Container { pod: at, .. } => at.pod == *wanted,
            Subject::UnscheduledPod(pod) => pod == wanted,
            _ => false,
        }
    }

    /// The nodes that it is, or whose part it is; none for pods, which are only on a node.
    pub fn nodes(&self) -> Vec<&str> {
        match self {
            Subject::Pair { from, to } => vec![from, to],
            Subject::Node { node }
            | Subject::Plugin { node, .. }
            | Subject::Agent { node, .. }
            | Subject::Runtime { node }
            | Subject::File { node, .. }
            | Subject::Device { node, .. } => vec![node],
            Subject::Pod(_)
            | Subject::UnscheduledPod(_)
            | Subject::Container { .. }
            | Subject::Image { .. }
            | Subject::Object { .. } => Vec::new(),
        }
    }
}
