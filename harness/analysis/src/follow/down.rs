//! The interface that should have taken a packet, where it is down: nobody answers for its addresses then.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::kernel::{Link, MacAddr};
use flatnet_model::probe::Facts;
use flatnet_model::reference::Netns;

use crate::trace::ObservedNetwork;

/// That of a next hop.
pub(super) fn holder(network: &ObservedNetwork, hop: IpAddr) -> Option<Cause> {
    only(network, |facts| facts.holder(hop))
}

/// That of an Ethernet address.
pub(super) fn owner(network: &ObservedNetwork, mac: MacAddr) -> Option<Cause> {
    only(network, |facts| {
        facts.links.iter().find(|link| link.mac == Some(mac))
    })
}

/// Where one interface fits, and is down.
fn only<'a>(
    network: &'a ObservedNetwork,
    fits: impl Fn(&'a Facts) -> Option<&'a Link>,
) -> Option<Cause> {
    // A hostNetwork pod has what its node has.
    let pods = network.pods.iter().filter(|pod| !pod.object.host_network);
    let pods = pods.map(|pod| (Netns::Pod(pod.reference().clone()), pod.facts.as_ref().ok()));
    let nodes = network.nodes.iter();
    let nodes = nodes.map(|node| {
        let netns = Netns::Node(node.object.name.clone());
        (netns, node.inside.facts().ok())
    });
    let fitting: Vec<(Netns, &Link)> = pods
        .chain(nodes)
        .filter_map(|(netns, facts)| Some((netns, fits(facts?)?)))
        .collect();
    match &fitting[..] {
        [(at, link)] if !link.up => Some(Cause::LinkDown {
            at: at.clone(),
            device: link.name.clone(),
            admin: true,
        }),
        _ => None,
    }
}
