//! The two ends of a dial, and the namespaces between them.
use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_model::follow::Wanted;
use flatnet_model::kernel::MacAddr;
use flatnet_model::probe::Facts;
use flatnet_model::reference::{Endpoint, Netns};

use crate::trace::ObservedNetwork;

/// The ends of a dial, as namespaces.
pub(super) struct Ends {
    pub(super) client: Netns,
    pub(super) server: Netns,
    /// Addresses of the client.
    pub(super) sources: Vec<IpAddr>,
    way: Vec<Netns>,
    /// Ethernet addresses of devices on the way.
    pub(super) macs: BTreeSet<MacAddr>,
    /// Devices that take frames out of tunnels.
    pub(super) tunnels: BTreeSet<(Netns, String)>,
}

impl Ends {
    pub(super) fn of(network: &ObservedNetwork, dial: &Wanted) -> Ends {
        let (client, client_node) = place(network, &dial.from);
        let (server, server_node) = place(network, &dial.to);
        let mut way = vec![client.clone(), client_node.clone()];
        if client_node != server_node && network.wire.is_some() {
            way.push(Netns::Wire);
        }
        way.extend([server_node, server.clone()]);
        way.dedup();
        let links = |netns: &Netns| facts(network, netns).map_or(&[][..], |facts| &facts.links[..]);
        let macs = way.iter().flat_map(links).filter_map(|link| link.mac);
        let nodes = network.nodes.iter();
        let nodes = nodes.map(|node| Netns::Node(node.object.name.clone()));
        let tunnels = nodes.flat_map(|netns| {
            let tunnels = links(&netns).iter().filter(|link| link.vxlan.is_some());
            let names: Vec<String> = tunnels.map(|link| link.name.clone()).collect();
            names.into_iter().map(move |name| (netns.clone(), name))
        });
        Ends {
            macs: macs.collect(),
            tunnels: tunnels.collect(),
            sources: addresses(network, &client),
            client,
            server,
            way,
        }
    }

    /// From the client to the server: each namespace once.
    pub(super) fn way(&self) -> &[Netns] {
        &self.way
    }

    /// Who is to get a packet.
    pub(super) fn goal(&self, back: bool) -> &Netns {
        match back {
            true => &self.client,
            false => &self.server,
        }
    }

    /// From who sends a packet to who is to get it.
    pub(super) fn way_of(&self, back: bool) -> Vec<&Netns> {
        let mut way: Vec<&Netns> = self.way.iter().collect();
        if back {
            way.reverse();
        }
        way
    }
}

/// The namespace of an end, and that of its node.
fn place(network: &ObservedNetwork, end: &Endpoint) -> (Netns, Netns) {
    match end {
        Endpoint::Pod(name) => {
            let pod = network.pods.iter().find(|pod| pod.reference() == name);
            let node = pod.map_or_else(String::new, |pod| pod.object.node.clone());
            match pod.is_some_and(|pod| pod.object.host_network) {
                true => (Netns::Node(node.clone()), Netns::Node(node)),
                false => (Netns::Pod(name.clone()), Netns::Node(node)),
            }
        }
        Endpoint::Node(name) => (Netns::Node(name.clone()), Netns::Node(name.clone())),
        Endpoint::Outside(_) => (Netns::Wire, Netns::Wire),
    }
}

/// Addresses of a namespace: those that the API knows, and those that are there.
fn addresses(network: &ObservedNetwork, netns: &Netns) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = facts(network, netns)
        .map(|facts| crate::checks::own_addresses(facts).collect())
        .unwrap_or_default();
    match netns {
        Netns::Pod(name) => {
            let pod = network.pods.iter().find(|pod| pod.reference() == name);
            addresses.extend(pod.into_iter().flat_map(|pod| pod.object.ips.clone()));
        }
        Netns::Node(name) => {
            let node = network.nodes.iter().find(|node| node.object.name == *name);
            addresses.extend(
                node.into_iter()
                    .flat_map(|node| node.object.internal_ips.clone()),
            );
        }
        Netns::Wire => {}
    }
    addresses
}

/// What was seen in a namespace.
pub(super) fn facts<'a>(network: &'a ObservedNetwork, netns: &Netns) -> Option<&'a Facts> {
    match netns {
        Netns::Pod(name) => {
            let pod = network.pods.iter().find(|pod| pod.reference() == name)?;
            pod.facts.as_ref().ok()
        }
        Netns::Node(name) => {
            let node = network
                .nodes
                .iter()
                .find(|node| node.object.name == *name)?;
            node.inside.facts().ok()
        }
        Netns::Wire => network.wire.as_ref()?.as_ref().ok(),
    }
}

/// Every namespace of nodes and pods that was looked into, each once: a hostNetwork pod has what its node has.
pub(super) fn namespaces(network: &ObservedNetwork) -> impl Iterator<Item = (Netns, &Facts)> {
    let pods = network.pods.iter().filter(|pod| !pod.object.host_network);
    let pods = pods.map(|pod| (Netns::Pod(pod.reference().clone()), pod.facts.as_ref().ok()));
    let nodes = network.nodes.iter().map(|node| {
        let netns = Netns::Node(node.object.name.clone());
        (netns, node.inside.facts().ok())
    });
    pods.chain(nodes)
        .filter_map(|(netns, facts)| Some((netns, facts?)))
}

/// Whether a namespace holds an address.
pub(super) fn holds(network: &ObservedNetwork, netns: &Netns, address: IpAddr) -> bool {
    addresses(network, netns).contains(&address)
}
