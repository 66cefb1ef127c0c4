//! Whom a person means by a name or an address.
use std::net::IpAddr;

use super::model::Place;
use super::network::pod_ref;
use crate::checks::is_link_local;
use flatnet_model::PodRef;
use flatnet_model::observations::{NodeView, PodView};
use flatnet_model::{Error, Result};

/// Who there is on the cluster.
pub struct Parties<'a> {
    /// Every node.
    pub nodes: &'a [NodeView],
    /// Pods of all namespaces, whether they run or not.
    pub pods: &'a [PodView],
}

/// One end of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The namespace in which it lives: its node's, for a hostNetwork pod.
    pub place: Place,
    /// As a reader is told: `pod/busybox-1`, `node/node1`.
    pub name: String,
    /// Addresses that the API gives it.
    pub addresses: Vec<IpAddr>,
}

impl Parties<'_> {
    /// `node1`, `node/node1`, `busybox-1`, `pod/busybox-1` or `NAMESPACE/busybox-1`, as `flatnet exec` takes them.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that nobody has, or several, and for a pod that does not run.
    pub fn find(&self, option: &str, text: &str) -> Result<Party> {
        let node = text.strip_prefix("node/").unwrap_or(text);
        if !text.starts_with("pod/")
            && let Some(node) = self.nodes.iter().find(|known| known.name == node)
        {
            return Ok(Party {
                place: Place::Node(node.name.clone()),
                name: format!("node/{}", node.name),
                addresses: node.internal_ips.clone(),
            });
        }
        let wanted = text.strip_prefix("pod/").unwrap_or(text);
        let (namespace, name) = match wanted.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, wanted),
        };
        let found: Vec<&PodView> = self
            .pods
            .iter()
            .filter(|pod| pod.name == name && namespace.is_none_or(|ns| ns == pod.namespace))
            .collect();
        match found[..] {
            [pod] => running(option, pod),
            [] => Err(Error::Input(format!(
                "{option} {text}: no pod or node of that name, and no address; nodes: {}; pods: {}",
                listed(self.nodes.iter().map(|node| node.name.clone())),
                listed(self.pods.iter().map(|pod| pod_ref(pod).to_string())),
            ))),
            _ => Err(Error::Input(format!(
                "{option} {text}: several pods are called that: {}; name the namespace too",
                listed(found.iter().map(|pod| pod_ref(pod).to_string())),
            ))),
        }
    }
}

fn running(option: &str, pod: &PodView) -> Result<Party> {
    let PodRef { namespace, name } = pod_ref(pod);
    if pod.phase != "Running" || pod.ips.is_empty() {
        return Err(Error::Input(format!(
            "{option}: pod {namespace}/{name} has no network: it is {}; choose one that runs",
            pod.phase
        )));
    }
    let own = Place::Pod(pod_ref(pod));
    Ok(Party {
        name: own.to_string(),
        place: if pod.host_network {
            Place::Node(pod.node.clone())
        } else {
            own
        },
        addresses: pod.ips.clone(),
    })
}

/// Names, the first dozen of them.
fn listed(names: impl Iterator<Item = String>) -> String {
    const MOST: usize = 12;
    let all: Vec<String> = names.collect();
    let mut text = all[..all.len().min(MOST)].join(", ");
    if all.len() > MOST {
        text.push_str(&format!(" and {} more", all.len() - MOST));
    }
    text
}

/// An address to which one packet can be followed; nothing for what is no address.
///
/// # Errors
/// [`Error::Input`] for an address that does not mean one receiver.
pub fn address(option: &str, text: &str) -> Result<Option<IpAddr>> {
    let Ok(address) = text.parse::<IpAddr>() else {
        return Ok(None);
    };
    let address = address.to_canonical();
    let why = if address.is_multicast() {
        "a multicast address has any number of receivers"
    } else if address.is_unspecified() {
        "the unspecified address is nobody's"
    } else if is_link_local(address) {
        "a link-local address means another host on each link"
    } else if matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) {
        "the broadcast address is everybody's"
    } else {
        return Ok(Some(address));
    };
    Err(Error::Input(format!(
        "{option} {text}: {why}; give the address of one host, a pod or a node"
    )))
}
