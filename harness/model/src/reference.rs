//! Who is meant: pods, nodes, ends of a conversation.
use std::fmt;

use serde::{Deserialize, Serialize};

/// A pod's namespace and name. Two pods of one name in two namespaces are two pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodRef {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl PodRef {
    /// The pod of that name in that namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        PodRef {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where a command runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// In a pod's first container.
    Pod(PodRef),
    /// On a node, with its network and its CNI files in view.
    Node(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Pod(pod) => write!(f, "pod {pod}"),
            Target::Node(node) => write!(f, "node {node}"),
        }
    }
}
