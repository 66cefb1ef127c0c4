//! Which pod is at the other end of an interface of a node.
use std::collections::BTreeMap;

use flatnet_model::kernel::Link;
use flatnet_model::probe::{FileContent, NetworkNamespace};
use serde::Deserialize;

use flatnet_model::components::paths;
use flatnet_model::snapshot::{NodeInside, PodSnapshot};
use flatnet_model::view::{InspectedNode, View};

/// How it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// The two ends of the veth pair name each other's index.
    VethPair,
    /// The result of the plugins' ADD names the interface.
    CniResult,
    /// The bridge learned the MAC address, which the neighbour table gives the pod's IP, behind that port.
    Learned,
}

impl Known {
    pub(super) fn words(self) -> &'static str {
        match self {
            Known::VethPair => "veth pair",
            Known::CniResult => "CNI result",
            Known::Learned => "neighbour and FDB",
        }
    }
}

/// Pods by the index of the node's interface that leads to them. A pod without a program to ask is found as well: its
/// namespace is looked at from the node.
pub(super) fn by_interface<'a>(
    view: &'a View,
    node: &'a InspectedNode,
    inside: &NodeInside,
) -> BTreeMap<u32, (&'a PodSnapshot, Known)> {
    let mut found = BTreeMap::new();
    let Ok(facts) = inside.facts() else {
        return found;
    };
    let results = results(inside);
    for pod in view.pods_on(&node.object.name) {
        let namespace = namespace_of(pod, inside);
        let paired = facts
            .links
            .iter()
            .find(|link| namespace.is_some_and(|namespace| is_peer(link, namespace)));
        let named = || {
            let result = results.iter().find(|result| result.is_of(pod))?;
            facts.links.iter().find(|link| result.names(link))
        };
        let learned = || {
            let mac = facts
                .neighbours
                .iter()
                .find(|n| pod.ips.contains(&n.address))?
                .mac?;
            let entry = facts
                .fdb
                .iter()
                .find(|entry| entry.mac == mac && entry.master.is_some())?;
            facts.link(entry.index)
        };
        let known = paired
            .map(|link| (link, Known::VethPair))
            .or_else(|| named().map(|link| (link, Known::CniResult)))
            .or_else(|| learned().map(|link| (link, Known::Learned)));
        if let Some((link, known)) = known {
            found.insert(link.index, (pod, known));
        }
    }
    found
}

/// The namespace that holds one of the pod's addresses.
pub(super) fn namespace_of<'a>(
    pod: &PodSnapshot,
    inside: &'a NodeInside,
) -> Option<&'a NetworkNamespace> {
    let namespaces = inside.namespaces().ok()?;
    namespaces
        .iter()
        .find(|namespace| pod.ips.iter().any(|ip| namespace.addresses.contains(ip)))
}

/// Both ends of a veth pair name the other's index.
fn is_peer(link: &Link, namespace: &NetworkNamespace) -> bool {
    let mut interfaces = namespace.interfaces.iter();
    interfaces.any(|end| end.peer == link.index && link.link == Some(end.index))
        && link.link_netnsid.is_some()
}

/// What libcni keeps of an ADD (`cniCacheV1`); the lab's runtime keeps the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cached {
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    #[serde(default)]
    result: AddResult,
}

/// The result of ADD (CNI specification, section 5).
#[derive(Deserialize, Default)]
struct AddResult {
    #[serde(default)]
    interfaces: Vec<ResultInterface>,
}

#[derive(Deserialize)]
struct ResultInterface {
    name: String,
    /// Empty for an interface of the node.
    #[serde(default)]
    sandbox: String,
}

impl Cached {
    fn is_of(&self, pod: &PodSnapshot) -> bool {
        let has =
            |key: &str, value: &str| self.cni_args.iter().any(|(k, v)| k == key && v == value);
        has("K8S_POD_NAMESPACE", &pod.reference.namespace)
            && has("K8S_POD_NAME", &pod.reference.name)
    }

    /// The bridge is in the result too, and does not belong to one pod.
    fn names(&self, link: &Link) -> bool {
        let mut interfaces = self.result.interfaces.iter();
        link.kind != "bridge"
            && interfaces
                .any(|interface| interface.sandbox.is_empty() && interface.name == link.name)
    }
}

/// Results that parse; one that does not is another runtime's, and no fault of the node.
fn results(inside: &NodeInside) -> Vec<Cached> {
    let files = inside.files().into_iter().flatten();
    files
        .filter(|(path, _)| path.starts_with(paths::CNI_RESULTS))
        .filter_map(|(_, content)| match content {
            FileContent::Text(text) => serde_json::from_str(text).ok(),
            _ => None,
        })
        .collect()
}
