//! Who is who on the observed cluster: one index over the observations for every check.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::kernel::{NextHop, RouteEntry, route_kind};
use flatnet_model::probe::Facts;

use flatnet_model::PodRef;
use flatnet_model::evidence::{HeldAddress, Owner, PodAt, Route, RouteHop, Subject};
use flatnet_model::observations::{
    Denied, Endpoint, Forbidden, Observations, ObservedNode, ObservedPod, PodNames,
};

pub use crate::look::ip_command;

/// Pods and nodes by name, and who holds which address.
pub(super) struct Topology<'a> {
    pub(super) observations: &'a Observations,
    names: PodNames<'a>,
    pods: BTreeMap<&'a PodRef, &'a ObservedPod>,
    nodes: BTreeMap<&'a str, &'a ObservedNode>,
    /// The nodes that hold each address, in the cluster's order.
    node_addresses: BTreeMap<IpAddr, Vec<&'a str>>,
    /// The first running pod with a network of its own that has each address.
    pod_addresses: BTreeMap<IpAddr, &'a ObservedPod>,
    /// Nodes of whose addresses only the InternalIPs are known.
    unread: Vec<&'a str>,
}

impl<'a> Topology<'a> {
    pub(super) fn of(observations: &'a Observations) -> Self {
        let mut node_addresses: BTreeMap<IpAddr, Vec<&str>> = BTreeMap::new();
        let mut unread = Vec::new();
        for node in &observations.nodes {
            let name = node.object.name.as_str();
            let own = node.inside.facts().into_iter().flat_map(own_addresses);
            let all: BTreeSet<IpAddr> = own
                .chain(node.object.internal_ips.iter().copied())
                .collect();
            for address in all {
                node_addresses.entry(address).or_default().push(name);
            }
            if node.inside.facts().is_err() {
                unread.push(name);
            }
        }
        let mut pod_addresses = BTreeMap::new();
        let running = observations.pods.iter().filter(|pod| pod.runs());
        for pod in running.filter(|pod| !pod.object.host_network) {
            for address in &pod.object.ips {
                pod_addresses.entry(*address).or_insert(pod);
            }
        }
        Topology {
            observations,
            names: PodNames::of(observations),
            pods: observations
                .pods
                .iter()
                .map(|pod| (pod.reference(), pod))
                .collect(),
            nodes: observations
                .nodes
                .iter()
                .map(|node| (node.object.name.as_str(), node))
                .collect(),
            node_addresses,
            pod_addresses,
            unread,
        }
    }

    pub(super) fn pod(&self, pod: &PodRef) -> Option<&'a ObservedPod> {
        self.pods.get(pod).copied()
    }

    /// What people call a pod.
    pub(super) fn pod_name(&self, pod: &PodRef) -> String {
        self.names.pod(pod)
    }

    /// What people call one end of a conversation.
    pub(super) fn end_name(&self, end: &Endpoint) -> String {
        self.names.end(end)
    }

    /// `pod busybox-1 on node1`.
    pub(super) fn who(&self, pod: &ObservedPod) -> String {
        format!(
            "pod {} on {}",
            self.pod_name(pod.reference()),
            pod.object.node
        )
    }

    pub(super) fn node(&self, name: &str) -> Option<&'a ObservedNode> {
        self.nodes.get(name).copied()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &'a ObservedNode> + use<'a> {
        self.observations.nodes.iter()
    }

    /// The node an endpoint lives on; nothing for one that is not part of the cluster.
    pub(super) fn node_of(&self, endpoint: &Endpoint) -> Option<&'a str> {
        match endpoint {
            Endpoint::Pod(name) => self.pod(name).map(|pod| pod.object.node.as_str()),
            Endpoint::Node(name) => self.node(name).map(|node| node.object.name.as_str()),
            Endpoint::Outside(_) => None,
        }
    }

    /// Whether an endpoint uses its node's network namespace: a node, or a hostNetwork pod.
    pub(super) fn on_host(&self, endpoint: &Endpoint) -> bool {
        match endpoint {
            Endpoint::Pod(name) => self.pod(name).is_some_and(|pod| pod.object.host_network),
            Endpoint::Node(_) => true,
            Endpoint::Outside(_) => false,
        }
    }

    /// Addresses that the API gives an endpoint.
    pub(super) fn addresses(&self, endpoint: &Endpoint) -> &'a [IpAddr] {
        match endpoint {
            Endpoint::Pod(name) => self.pod(name).map_or(&[], |pod| &pod.object.ips),
            Endpoint::Node(name) => self
                .node(name)
                .map_or(&[], |node| &node.object.internal_ips),
            Endpoint::Outside(_) => &[],
        }
    }

    /// The endpoint a probe calls itself by.
    pub(super) fn named(&self, text: &str) -> Option<Endpoint> {
        let end: Endpoint = text.parse().ok()?;
        let known = match &end {
            Endpoint::Pod(pod) => self.pods.contains_key(pod),
            Endpoint::Node(node) => self.nodes.contains_key(node.as_str()),
            Endpoint::Outside(_) => false,
        };
        known.then_some(end)
    }

    /// Pods that run, hostNetwork ones included.
    pub(super) fn running(&self) -> impl Iterator<Item = &'a ObservedPod> + use<'a> {
        self.observations.pods.iter().filter(|pod| pod.runs())
    }

    /// Running pods with a network namespace of their own.
    pub(super) fn networked(&self) -> impl Iterator<Item = &'a ObservedPod> + use<'a> {
        self.running().filter(|pod| !pod.object.host_network)
    }

    /// Pods that do not run.
    pub(super) fn idle(&self) -> impl Iterator<Item = &'a ObservedPod> + use<'a> {
        self.observations.pods.iter().filter(|pod| !pod.runs())
    }

    /// Whether an endpoint can take part in a conversation: a node, or a running pod.
    pub(super) fn takes_part(&self, endpoint: &Endpoint) -> bool {
        match endpoint {
            Endpoint::Pod(name) => self.pod(name).is_some_and(ObservedPod::runs),
            Endpoint::Node(name) => self.nodes.contains_key(name.as_str()),
            Endpoint::Outside(_) => false,
        }
    }

    /// What keeps nodes from being looked at, where a right is missing for it.
    pub(super) fn nodes_forbidden(&self) -> Option<&'a Denied> {
        if self.nodes().any(|node| node.inside.facts().is_ok()) {
            return None;
        }
        let mut denied = self.observations.denied.iter();
        denied.find(|denied| denied.who == Forbidden::Nodes)
    }

    /// Whether an endpoint could be asked what it saw, as far as rights go.
    pub(super) fn within_reach(&self, endpoint: &Endpoint) -> bool {
        !matches!(endpoint, Endpoint::Node(_)) || self.nodes_forbidden().is_none()
    }

    /// Why an end could not be looked at from inside.
    pub(super) fn unseen(&self, end: &Endpoint) -> Option<&'a str> {
        match end {
            Endpoint::Pod(pod) => self.pod(pod)?.facts.as_ref().err().map(String::as_str),
            Endpoint::Node(node) => self.unread(node),
            Endpoint::Outside(_) => None,
        }
    }

    /// Why the addresses on a node's interfaces are not known; its InternalIPs are, from the API.
    pub(super) fn unread(&self, node: &str) -> Option<&'a str> {
        self.node(node)?.inside.facts().err()
    }

    /// Nodes of whose addresses only the InternalIPs are known.
    pub(super) fn unread_nodes(&self) -> &[&'a str] {
        &self.unread
    }

    /// Every address of a node: InternalIPs, bridge, tunnel; loopback left out.
    pub(super) fn node_has(&self, node: &str, address: IpAddr) -> bool {
        self.holders(address).contains(&node)
    }

    /// The nodes that hold an address, in the cluster's order.
    pub(super) fn holders(&self, address: IpAddr) -> &[&'a str] {
        self.node_addresses.get(&address).map_or(&[], Vec::as_slice)
    }

    /// The pod or node that holds an address; none where no interface of the cluster does.
    pub(super) fn owner(&self, address: IpAddr) -> Option<Owner> {
        if let Some(pod) = self.pod_addresses.get(&address) {
            return Some(Owner::Pod(at(pod)));
        }
        let node = self.node(self.holders(address).first()?)?;
        let facts = node.inside.facts().ok();
        let device = facts.and_then(|facts| device_of(facts, address));
        Some(Owner::Node {
            node: node.object.name.clone(),
            device: device.map(str::to_owned),
        })
    }

    /// Whether an end has an address: as the API says, or on an interface of its own.
    pub(super) fn has(&self, end: &Endpoint, address: IpAddr) -> bool {
        let held = match end {
            Endpoint::Pod(pod) => self
                .pod(pod)
                .and_then(|pod| pod.facts.as_ref().ok())
                .is_some_and(|facts| facts.holder(address).is_some()),
            Endpoint::Node(node) => self.node_has(node, address),
            Endpoint::Outside(_) => false,
        };
        held || self.addresses(end).contains(&address)
    }

    /// An address with its owner where known, and else with the nodes that may hold it unseen.
    pub(super) fn held(&self, address: IpAddr) -> HeldAddress {
        let owner = self.owner(address);
        let unread: Vec<String> = match owner {
            Some(_) => Vec::new(),
            None => self.unread.iter().map(|node| (*node).to_owned()).collect(),
        };
        HeldAddress {
            address,
            owner,
            unread,
        }
    }

    /// That end; nothing for one that is not part of the cluster.
    pub(super) fn subject(&self, end: &Endpoint) -> Option<Subject> {
        match end {
            Endpoint::Pod(pod) => self.pod(pod).map(|pod| Subject::Pod(at(pod))),
            Endpoint::Node(node) => Some(Subject::node_of(node)),
            Endpoint::Outside(_) => None,
        }
    }

    /// Who is to blame for what concerns these pods of one node: the node, where it is all of its pods.
    pub(super) fn blame(&self, pods: &[PodAt]) -> Vec<Subject> {
        let Some(node) = pods.first().map(|at| at.node.as_str()) else {
            return Vec::new();
        };
        let here = self.networked().filter(|pod| pod.object.node == node);
        match pods.len() < here.count() {
            true => pods.iter().cloned().map(Subject::Pod).collect(),
            false => vec![Subject::node_of(node)],
        }
    }

    /// Who is to blame for routes that each of these pods of one node has of its own: of a single pod, which may be the only one of its
    /// node that was tried, its node is not.
    pub(super) fn blame_routes_of(&self, pods: &[PodAt]) -> Vec<Subject> {
        match pods {
            [only] => vec![Subject::Pod(only.clone())],
            _ => self.blame(pods),
        }
    }
}

/// The node that every bad direction has in common, where there is exactly one; of two nodes no direction singles one out.
pub(super) fn common<'a>(
    directions: &[(&'a str, &'a str)],
    nodes: &BTreeSet<&'a str>,
) -> Option<&'a str> {
    let mut common = nodes
        .iter()
        .copied()
        .filter(|node| directions.iter().all(|(a, b)| a == node || b == node));
    common.next().filter(|_| common.next().is_none())
}

/// A pod with its node.
pub(super) fn at(pod: &ObservedPod) -> PodAt {
    PodAt::new(pod.reference().clone(), &pod.object.node)
}

/// Addresses of a namespace, loopback left out.
pub fn own_addresses(facts: &Facts) -> impl Iterator<Item = IpAddr> + '_ {
    facts
        .addresses
        .iter()
        .map(|address| address.net.addr())
        .filter(|address| !address.is_loopback())
}

/// The name of the interface that holds an address.
pub fn device_of(facts: &Facts, address: IpAddr) -> Option<&str> {
    facts.holder(address).map(|link| link.name.as_str())
}

/// The name of the interface with an index.
pub fn device(facts: &Facts, index: Option<u32>) -> &str {
    let link = facts.link(index);
    link.map_or("?", |link| link.name.as_str())
}

/// A route with the name of its device.
pub(super) fn route(route: &RouteEntry, facts: &Facts) -> Route {
    // One that refuses leads nowhere: the device that the kernel names for those of IPv6 and of nexthop objects is not of the route.
    let refuses = route_kind::refusal(route.kind).is_some();
    Route {
        kind: route.kind,
        dst: route.dst,
        hops: route
            .hops()
            .filter(|_| !refuses)
            .map(|hop| self::hop(hop, facts))
            .collect(),
        metric: route.metric,
    }
}

fn hop(hop: NextHop, facts: &Facts) -> RouteHop {
    RouteHop {
        via: hop.gateway,
        owner: None,
        device: hop.oif.map(|_| device(facts, hop.oif).to_owned()),
        onlink: hop.onlink,
    }
}

/// A route as `ip route` prints it, as far as it decides where packets go.
pub fn route_words(entry: &RouteEntry, facts: &Facts) -> String {
    crate::words::route(&route(entry, facts))
}

/// Whether both are IPv4 or both IPv6.
pub(super) fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// Link-local addresses are unique on their link only (RFC 3927 section 1.6, RFC 4291 section 2.5.6).
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
