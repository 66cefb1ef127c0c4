//! Routes and forwarding entries that belong to no current node.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, State};
use flatnet_model::kernel::{Link, RouteEntry, route_kind};
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use super::look;
use super::remote::state;
use crate::checks::findings::{Problem, Seen};
use crate::checks::topology::Topology;
use flatnet_model::observations::ObservedNode;

pub(super) fn find(node: &ObservedNode, facts: &Facts, topology: &Topology<'_>) -> Vec<Problem> {
    let name = &node.object.name;
    let stale_routes = facts.routes.iter();
    let stale_routes = stale_routes.filter(|route| is_stale(route, facts, node, topology));
    let routes = stale_routes.map(|route| {
        let cause = Cause::StaleRoute {
            node: name.clone(),
            range: route.dst,
        };
        let observed = state(route, facts, topology);
        let seen = Seen::new(State::CurrentRanges, observed, look(name, route.dst));
        Problem::on(name, cause, seen)
    });
    let vxlan = |index: u32| facts.link(index).filter(|link| link.vxlan.is_some());
    let entries = facts
        .fdb
        .iter()
        .filter_map(|entry| Some((entry, vxlan(entry.index)?, entry.dst?)));
    let stale = entries.filter(|(entry, _, dst)| {
        let nobodys = topology.holders(*dst).is_empty() && !any_unread(topology);
        entry.mac.0 != [0; 6] && !dst.is_multicast() && nobodys
    });
    let entries = stale.map(|(entry, link, dst): (_, &Link, IpAddr)| {
        let cause = Cause::StaleForwarding {
            node: name.clone(),
            device: link.name.clone(),
            dst,
        };
        let observed = State::Forwarding {
            mac: entry.mac,
            dst,
        };
        let look = Command::on(name, &format!("ip -s link show {}", link.name));
        let seen = Seen::new(State::CurrentEntries, observed, look);
        Problem::on(name, cause, seen)
    });
    routes.chain(entries).collect()
}

/// Looks like a route to pods (within the pod network, into the tunnel, or via a node) but fits no current podCIDR.
fn is_stale(
    route: &RouteEntry,
    facts: &Facts,
    node: &ObservedNode,
    topology: &Topology<'_>,
) -> bool {
    // RTPROT_KERNEL without next hop: the prefix of an own address.
    let own_prefix = route.protocol == 2 && route.gateway.is_none();
    if route.kind != route_kind::UNICAST || route.dst.prefix_len() == 0 || own_prefix {
        return false;
    }
    let mut cidrs = topology.nodes().flat_map(|node| &node.object.pod_cidrs);
    // It may be the address of a tunnel.
    let host_route = route.dst.prefix_len() == route.dst.max_prefix_len();
    let known = cidrs.any(|cidr| cidr.contains(&route.dst) || route.dst.contains(cidr))
        || is_address_in_use(route.dst, topology)
        || (host_route && any_unread(topology));
    if known {
        return false;
    }
    let within = topology
        .observations
        .pod_network
        .iter()
        .any(|range| range.contains(&route.dst));
    let tunnelled = route.hops().any(|hop| facts.is_vxlan(hop.oif));
    let mut gateways = route.hops().filter_map(|hop| hop.gateway);
    let via_node = gateways.any(|hop| {
        topology
            .holders(hop)
            .iter()
            .any(|holder| *holder != node.object.name)
    });
    within || tunnelled || via_node
}

/// Whether a node may hold addresses that nobody saw; `node-routes` is not measured then.
fn any_unread(topology: &Topology<'_>) -> bool {
    !topology.unread_nodes().is_empty()
}

/// A host route to a pod or a node, or a prefix that nodes live in.
fn is_address_in_use(dst: IpNet, topology: &Topology<'_>) -> bool {
    let pods = topology.running().flat_map(|pod| &pod.object.ips);
    let nodes = topology.nodes().flat_map(|node| &node.object.internal_ips);
    let tunnels = topology
        .nodes()
        .filter_map(|node| node.inside.facts().ok())
        .flat_map(|facts| {
            let own = facts.addresses.iter();
            own.filter(|own| facts.is_vxlan(own.index))
                .map(|own| own.net.addr())
        });
    pods.chain(nodes)
        .copied()
        .chain(tunnels)
        .any(|address| dst.contains(&address))
}
