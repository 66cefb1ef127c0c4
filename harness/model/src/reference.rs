//! Who is meant: pods, nodes, ends of a conversation.
use std::fmt;
use std::str::FromStr;

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

    /// How to call it among `others`: by its name alone, unless that is in another namespace too or the pod is not in the default
    /// one.
    pub fn called_among<'a>(&self, others: impl IntoIterator<Item = &'a PodRef>) -> String {
        let mut others = others.into_iter();
        let namesake = |other: &PodRef| other.name == self.name && other != self;
        if self.namespace == "default" && !others.any(namesake) {
            self.name.clone()
        } else {
            self.to_string()
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

/// One end of a conversation. Its text form identifies it: probes call themselves by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Endpoint {
    /// A pod (`pod/default/busybox-1`).
    Pod(PodRef),
    /// A node, by name (`node/node1`).
    Node(String),
    /// A peer that is not part of the cluster, by name (`outside/peer`).
    Outside(String),
}

impl Endpoint {
    /// `pod`, `node`, `outside`.
    pub fn kind(&self) -> &'static str {
        match self {
            Endpoint::Pod(_) => "pod",
            Endpoint::Node(_) => "node",
            Endpoint::Outside(_) => "outside",
        }
    }

    /// Whether this is the text form of it.
    pub fn is_called(&self, text: &str) -> bool {
        let (kind, name) = text.split_once('/').unwrap_or_default();
        match self {
            Endpoint::Pod(pod) => {
                kind == "pod" && name.split_once('/') == Some((&pod.namespace, &pod.name))
            }
            Endpoint::Node(node) => kind == "node" && name == node,
            Endpoint::Outside(peer) => kind == "outside" && name == peer,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Pod(pod) => write!(f, "pod/{pod}"),
            Endpoint::Node(name) => write!(f, "node/{name}"),
            Endpoint::Outside(name) => write!(f, "outside/{name}"),
        }
    }
}

/// A network namespace of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Netns {
    /// A pod with a network of its own.
    Pod(PodRef),
    /// A node, hostNetwork pods included.
    Node(String),
    /// What joins the nodes of a lab, and the world outside it.
    Wire,
}

impl Netns {
    /// Who dials from there, where somebody does.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Netns::Pod(pod) => Some(Endpoint::Pod(pod.clone())),
            Netns::Node(node) => Some(Endpoint::Node(node.clone())),
            Netns::Wire => None,
        }
    }

    /// As `flatnet exec` takes it.
    pub fn exec_name(&self) -> String {
        match self {
            Netns::Pod(pod) if pod.namespace == "default" => pod.name.clone(),
            Netns::Pod(pod) => pod.to_string(),
            Netns::Node(name) => name.clone(),
            Netns::Wire => "wire".to_owned(),
        }
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Netns::Pod(_) => write!(f, "pod/{}", self.exec_name()),
            Netns::Node(name) => write!(f, "node/{name}"),
            Netns::Wire => f.write_str("wire"),
        }
    }
}

/// Text that is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an endpoint: {0:?} (expected pod/NAMESPACE/NAME, node/NAME or outside/NAME)")]
pub struct NotAnEndpoint(String);

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = NotAnEndpoint;

    fn try_from(text: String) -> Result<Self, NotAnEndpoint> {
        text.parse()
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let pod = |of: &str| {
            let (namespace, name) = of.split_once('/')?;
            Some(Endpoint::Pod(PodRef::new(namespace, name)))
        };
        match text.split_once('/') {
            Some(("pod", of)) => pod(of),
            Some(("node", name)) => Some(Endpoint::Node(name.to_owned())),
            Some(("outside", name)) => Some(Endpoint::Outside(name.to_owned())),
            _ => None,
        }
        .ok_or_else(|| NotAnEndpoint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_called_by_its_name_where_that_is_enough() {
        let [here, there, other] = [("default", "a"), ("n", "a"), ("default", "b")]
            .map(|(namespace, name)| PodRef::new(namespace, name));
        assert_eq!(here.called_among([&here, &other]), "a");
        assert_eq!(here.called_among([&here, &there]), "default/a");
        assert_eq!(there.called_among([&there]), "n/a");
    }

    #[test]
    fn an_endpoint_is_its_text_and_back() {
        let pods = ["default", "other"].map(|ns| Endpoint::Pod(PodRef::new(ns, "busybox-1")));
        assert_ne!(pods[0].to_string(), pods[1].to_string());
        let others = [
            Endpoint::Node("node1".into()),
            Endpoint::Outside("peer".into()),
        ];
        for end in pods.into_iter().chain(others) {
            assert!(end.is_called(&end.to_string()));
            assert!(!end.is_called("pod/other/busybox-2"));
            assert_eq!(end.to_string().parse(), Ok(end));
        }
        for text in ["pod/busybox-1", "busybox-1", "service/default/dns"] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains("pod/NAMESPACE/NAME"), "{error}");
        }
    }
}
