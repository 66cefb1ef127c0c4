//! Who plays which part.
use std::collections::BTreeMap;

use flatnet_model::PodRef;
use flatnet_model::fact::Place;
use flatnet_model::observations::{Endpoint, Observations, ObservedNode, ObservedPod};
use flatnet_model::subject::Subject;

/// Nodes and pods, counted in the order of their names.
pub struct Roles<'a> {
    nodes: Vec<&'a ObservedNode>,
    numbers: BTreeMap<&'a str, u32>,
    pods: BTreeMap<Place, &'a ObservedPod>,
    places: BTreeMap<&'a PodRef, Place>,
}

impl<'a> Roles<'a> {
    /// Those of the observed cluster.
    pub fn of(observations: &'a Observations) -> Self {
        let mut nodes: Vec<&ObservedNode> = observations.nodes.iter().collect();
        nodes.sort_by_cached_key(|node| natural(&node.object.name));
        let names = nodes.iter().map(|node| node.object.name.as_str());
        let numbers: BTreeMap<&str, u32> = names.zip(1..).collect();
        let mut sorted: Vec<&ObservedPod> = observations.pods.iter().collect();
        sorted.sort_by_cached_key(|pod| {
            let PodRef { namespace, name } = pod.reference();
            (natural(namespace), natural(name))
        });
        let mut counted: BTreeMap<(u32, bool), u32> = BTreeMap::new();
        let mut pods = BTreeMap::new();
        for pod in sorted {
            let node = numbers.get(pod.object.node.as_str()).copied().unwrap_or(0);
            let host = pod.object.host_network;
            let number = counted.entry((node, host)).or_default();
            *number += 1;
            let pod_number = *number;
            let place = match host {
                false => Place::Pod {
                    node,
                    pod: pod_number,
                },
                true => Place::HostPod {
                    node,
                    pod: pod_number,
                },
            };
            pods.insert(place, pod);
        }
        Roles {
            places: pods
                .iter()
                .map(|(place, pod)| (pod.reference(), *place))
                .collect(),
            nodes,
            numbers,
            pods,
        }
    }

    /// Nodes with their numbers.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (u32, &'a ObservedNode)> {
        (1..).zip(self.nodes.iter().copied())
    }

    /// Pods with their places.
    pub(super) fn pods(&self) -> impl Iterator<Item = (Place, &'a ObservedPod)> {
        self.pods.iter().map(|(place, pod)| (*place, *pod))
    }

    /// Running pods with a network of their own on a node, in order.
    pub(super) fn networked_on(&self, node: u32) -> impl Iterator<Item = &'a ObservedPod> {
        let (first, last) = (
            Place::Pod { node, pod: 0 },
            Place::Pod {
                node,
                pod: u32::MAX,
            },
        );
        self.pods
            .range(first..=last)
            .map(|(_, pod)| *pod)
            .filter(|pod| pod.runs())
    }

    /// The pod in that place.
    pub(super) fn at(&self, place: Place) -> Option<&'a ObservedPod> {
        self.pods.get(&place).copied()
    }

    /// Everybody, with their names.
    pub fn names(&self) -> BTreeMap<Place, String> {
        let nodes = self.nodes().map(|(number, _)| Place::Node(number));
        let all = nodes.chain(self.pods.keys().copied());
        all.filter_map(|place| Some((place, self.name(place)?)))
            .collect()
    }

    /// The number of a node.
    pub(super) fn node(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The n-th node.
    pub(super) fn numbered(&self, number: u32) -> Option<&'a ObservedNode> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.nodes.get(at).copied()
    }

    /// The place of a pod.
    pub(super) fn pod(&self, pod: &PodRef) -> Option<Place> {
        self.places.get(pod).copied()
    }

    /// The place of an end; none for one that is not part of the cluster.
    pub(super) fn end(&self, end: &Endpoint) -> Option<Place> {
        match end {
            Endpoint::Pod(pod) => self.pod(pod),
            Endpoint::Node(node) => self.node(node).map(Place::Node),
            Endpoint::Outside(_) => None,
        }
    }

    /// What somebody in that place is called, for readers.
    fn name(&self, place: Place) -> Option<String> {
        match place {
            Place::Cluster => None,
            Place::Node(node) => Some(self.numbered(node)?.object.name.clone()),
            Place::Pod { .. } | Place::HostPod { .. } => {
                let pod = self.pods.get(&place)?.reference();
                Some(pod.called_among(self.places.keys().copied()))
            }
        }
    }

    /// Somebody whom evidence is about, by role.
    pub(super) fn subject(&self, subject: &Subject) -> String {
        let node = |name: &str| match self.node(name) {
            Some(number) => Place::Node(number).to_string(),
            None => "a node that is gone".to_owned(),
        };
        let pod = |pod: &PodRef| match self.pod(pod) {
            Some(place) => place.to_string(),
            None => format!("pod {pod}"),
        };
        match subject {
            Subject::Pod(at) => pod(&at.pod),
            Subject::Container { pod: at, container } => {
                format!("{} container {container}", pod(&at.pod))
            }
            Subject::UnscheduledPod(reference) => pod(reference),
            Subject::Node { node: name } => node(name),
            Subject::Pair { from, to } => format!("{}->{}", node(from), node(to)),
            Subject::Plugin { node: at, plugin } => format!("{} plugin {plugin}", node(at)),
            Subject::Agent { node: at, .. } => format!("{} agent", node(at)),
            Subject::Runtime { node: at } => format!("{} runtime", node(at)),
            Subject::File { node: at, path } => format!("{} {path}", node(at)),
            Subject::Device { node: at, device } => format!("{} device {device}", node(at)),
            Subject::Image { image } => format!("image {image}"),
            Subject::Object { resource, name, .. } => format!("{resource} {name}"),
        }
    }
}

/// A key by which `node10` comes after `node9`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(text);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(0)));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn names_are_ordered_as_people_count() {
        let mut names = ["w-worker10", "w-worker", "w-worker2", "w-control-plane"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(
            names,
            ["w-control-plane", "w-worker", "w-worker2", "w-worker10"]
        );
    }
}
