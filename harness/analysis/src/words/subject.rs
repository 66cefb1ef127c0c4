//! Whom it is about.
use flatnet_model::evidence::{HeldAddress, Owner, PodAt, Subject};

use super::Words;
use super::list::{joined, listed};

impl Words<'_> {
    /// `pod busybox-1 on node1`.
    pub(super) fn pod_at(&self, pod: &PodAt) -> String {
        format!("pod {} on {}", self.names.pod(&pod.pod), pod.node)
    }

    /// `pod a on node1`, `pods a, b on node1`; the pods are on one node.
    pub(super) fn pods_at(&self, pods: &[PodAt]) -> String {
        match pods {
            [only] => self.pod_at(only),
            _ => {
                let names: Vec<String> = pods.iter().map(|at| self.names.pod(&at.pod)).collect();
                let node = pods.first().map_or("?", |at| at.node.as_str());
                format!("pods {} on {node}", listed(&names, 6))
            }
        }
    }

    /// `node1 and node2`, `pods a, b on node1`.
    pub(super) fn culprits(&self, culprits: &[Subject]) -> Option<String> {
        let pods: Option<Vec<PodAt>> = culprits
            .iter()
            .map(|subject| match subject {
                Subject::Pod(at) => Some(at.clone()),
                _ => None,
            })
            .collect();
        match pods {
            _ if culprits.is_empty() => None,
            Some(pods) if pods.iter().all(|at| at.node == pods[0].node) => {
                Some(self.pods_at(&pods))
            }
            _ => {
                let each: Vec<String> = culprits.iter().map(|s| self.subject(s)).collect();
                Some(joined(&each, " and ", 6))
            }
        }
    }

    pub(super) fn subject(&self, subject: &Subject) -> String {
        match subject {
            Subject::Node { node } => node.clone(),
            Subject::Pod(at) => self.pod_at(at),
            Subject::UnscheduledPod(pod) => format!("pod {}", self.names.pod(pod)),
            Subject::Pair { from, to } => format!("{from} → {to}"),
            Subject::Plugin { node, plugin } => format!("{plugin} on {node}"),
            Subject::Agent { node, agent } => format!("{agent} on {node}"),
            Subject::Runtime { node } => format!("the container runtime of {node}"),
            Subject::File { node, path } => format!("{path} on {node}"),
            Subject::Device { node, device } => format!("{device} on {node}"),
            Subject::Container { pod, container } => {
                format!("container {container} of pod {}", self.names.pod(&pod.pod))
            }
            Subject::Image { image } => format!("image {image}"),
            Subject::Object {
                resource,
                namespace,
                name,
            } => format!("{resource} {namespace}/{name}"),
        }
    }

    /// `pod busybox-2 on node2`, `node2 (eth0)`.
    pub(super) fn owner(&self, owner: &Owner) -> String {
        match owner {
            Owner::Pod(at) => self.pod_at(at),
            Owner::Node {
                node,
                device: Some(device),
            } => format!("{node} ({device})"),
            Owner::Node { node, device: None } => node.clone(),
        }
    }

    /// `172.18.0.3, node2 (eth0)`.
    pub(super) fn held(&self, held: &HeldAddress) -> String {
        let HeldAddress {
            address,
            owner,
            unread,
        } = held;
        match owner {
            Some(owner) => format!("{address}, {}", self.owner(owner)),
            None if unread.is_empty() => format!("{address}, which no pod or node holds"),
            None => format!(
                "{address}, which no pod holds and no node whose addresses could be read (not read: {})",
                listed(unread, 6)
            ),
        }
    }
}
