//! Whom a person means by a name or an address.
use std::net::IpAddr;

use super::model::Netns;
use crate::checks::is_link_local;
use flatnet_model::naming::Names;
use flatnet_model::observations::{ObservedNode, ObservedPod};
use flatnet_model::{Error, PodRef, Result, Target};

/// Who there is on the cluster.
pub struct Parties<'a> {
    /// All nodes of the cluster, in its order.
    pub nodes: &'a [ObservedNode],
    /// Pods of all namespaces, whether they run or not.
    pub pods: &'a [ObservedPod],
}

/// One end of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The namespace in which it lives: its node's, for a hostNetwork pod.
    pub netns: Netns,
    /// As a reader sees it: `pod/busybox-1`, `node/node1`.
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
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|node| node.object.name.clone())
            .collect();
        let pods: Vec<PodRef> = self
            .pods
            .iter()
            .map(|pod| pod.reference().clone())
            .collect();
        let names = Names {
            nodes: &nodes,
            pods: &pods,
        };
        let asked = format!("{option} {text}");
        let unknown = || Error::Input(format!("{asked}: it is gone; ask again"));
        match names.find(&asked, text)? {
            Target::Node(name) => {
                let node = self.nodes.iter().find(|node| node.object.name == name);
                let node = node.ok_or_else(unknown)?;
                Ok(Party {
                    netns: Netns::Node(name.clone()),
                    name: format!("node/{name}"),
                    addresses: node.object.internal_ips.clone(),
                })
            }
            Target::Pod(wanted) => {
                let pod = self.pods.iter().find(|pod| *pod.reference() == wanted);
                running(option, pod.ok_or_else(unknown)?)
            }
        }
    }
}

fn running(option: &str, pod: &ObservedPod) -> Result<Party> {
    if !pod.runs() || pod.object.ips.is_empty() {
        return Err(Error::Input(format!(
            "{option}: pod {} has no network: it is {}; choose one that runs",
            pod.reference(),
            pod.status
        )));
    }
    let own = Netns::Pod(pod.reference().clone());
    Ok(Party {
        name: own.to_string(),
        netns: if pod.object.host_network {
            Netns::Node(pod.object.node.clone())
        } else {
            own
        },
        addresses: pod.object.ips.clone(),
    })
}

/// An address to which one packet can be followed; nothing for anything else.
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
        "the unspecified address belongs to no interface"
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
