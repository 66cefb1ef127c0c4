//! Who a fact is about, by the part they play: names differ between two runs of one configuration.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Somebody, by the part they play. Nodes and pods are counted from 1, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The whole cluster.
    Cluster,
    /// The n-th node.
    Node(u32),
    /// The n-th pod with a network of its own on a node.
    Pod {
        /// Of which node; 0 for pods that are on no node.
        node: u32,
        /// Which of its pods.
        pod: u32,
    },
    /// The n-th hostNetwork pod on a node.
    HostPod {
        /// Of which node; 0 for pods that are on no node.
        node: u32,
        /// Which of its hostNetwork pods.
        pod: u32,
    },
}

impl Place {
    /// The node that it is, or is on.
    pub fn node(self) -> Option<u32> {
        match self {
            Place::Cluster => None,
            Place::Node(node) | Place::Pod { node, .. } | Place::HostPod { node, .. } => Some(node),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cluster => f.write_str("cluster"),
            Place::Node(node) => write!(f, "node{node}"),
            Place::Pod { node, pod } => write!(f, "node{node}/pod{pod}"),
            Place::HostPod { node, pod } => write!(f, "node{node}/host-pod{pod}"),
        }
    }
}

/// One place, or one way between two. Its text form is `node2`, `node2/pod1`, `node1->node2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Role {
    /// About that one.
    At(Place),
    /// About what goes from one to another; the two may be the same.
    Between(Place, Place),
}

impl From<Place> for Role {
    fn from(place: Place) -> Self {
        Role::At(place)
    }
}

impl From<(Place, Place)> for Role {
    fn from((from, to): (Place, Place)) -> Self {
        Role::Between(from, to)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::At(place) => place.fmt(f),
            Role::Between(from, to) => write!(f, "{from}->{to}"),
        }
    }
}

/// Text that is not a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a role: {0:?} (expected cluster, node2, node2/pod1, node2/host-pod1, or two of them as node1->node2)"
)]
pub struct NotARole(String);

impl FromStr for Place {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let wrong = || NotARole(text.to_owned());
        let number = |text: &str| text.parse().map_err(|_| wrong());
        if text == "cluster" {
            return Ok(Place::Cluster);
        }
        let rest = text.strip_prefix("node").ok_or_else(wrong)?;
        let Some((node, pod)) = rest.split_once('/') else {
            return Ok(Place::Node(number(rest)?));
        };
        let node = number(node)?;
        match (pod.strip_prefix("host-pod"), pod.strip_prefix("pod")) {
            (Some(pod), _) => Ok(Place::HostPod {
                node,
                pod: number(pod)?,
            }),
            (None, Some(pod)) => Ok(Place::Pod {
                node,
                pod: number(pod)?,
            }),
            (None, None) => Err(wrong()),
        }
    }
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        match text.split_once("->") {
            None => text.parse().map(Role::At),
            Some((from, to)) => Ok(Role::Between(from.trim().parse()?, to.trim().parse()?)),
        }
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.to_string()
    }
}

impl TryFrom<String> for Role {
    type Error = NotARole;

    fn try_from(text: String) -> Result<Self, NotARole> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_its_text_and_back() {
        let [node, pod, host] = [
            Place::Node(2),
            Place::Pod { node: 2, pod: 1 },
            Place::HostPod { node: 0, pod: 12 },
        ];
        let roles = [
            Role::At(Place::Cluster),
            Role::At(node),
            Role::At(pod),
            Role::At(host),
            Role::Between(node, Place::Node(3)),
            Role::Between(pod, host),
        ];
        for role in roles {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for text in [
            "",
            "node",
            "worker2",
            "node2/",
            "node2/pod",
            "node1->",
            "node1->x",
        ] {
            let error = text.parse::<Role>().unwrap_err().to_string();
            assert!(error.contains("node2/pod1"), "{text}: {error}");
        }
    }
}
