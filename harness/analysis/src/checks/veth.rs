//! Follows a pod's interface to its other end on the node.
use flatnet_model::kernel::route_kind::UNICAST;
use flatnet_model::kernel::{Link, RouteEntry};
use flatnet_model::probe::Facts;
use std::net::IpAddr;

use flatnet_model::observations::ObservedPod;

/// Both ends of a pod's interface, or how far one gets.
pub(super) enum Wire<'a> {
    /// The pod has no interface besides loopback.
    NoInterface,
    /// The pod's interface is no veth (macvlan, ipvlan, a moved device): there is no host end.
    NotVeth(&'a Link),
    /// The node has no interface that is this one's other end.
    Loose(&'a Link),
    /// Interface in the pod, and its host end.
    Joined {
        /// Usually `eth0`.
        inside: &'a Link,
        /// On the node.
        outside: &'a Link,
    },
}

/// What a veth and a bridge's port let pass beyond their MTU, bytes: room for a VLAN tag, whether there is one or not
/// (is_skb_forwardable, include/linux/netdevice.h).
pub const BEYOND_MTU: u32 = 4;

/// Whether two links of different namespaces are the ends of one veth pair, as far as their numbers tell: IFLA_LINK is the
/// peer's index in the namespace that IFLA_LINK_NETNSID names (drivers/net/veth.c).
pub fn paired(link: &Link, other: &Link) -> bool {
    link.kind == "veth"
        && other.kind == "veth"
        && link.link_netnsid.is_some()
        && link.link == Some(other.index)
        && other.link == Some(link.index)
}

/// Follows a pod's veth to its other end.
pub(super) fn follow<'a>(pod: &ObservedPod, inside: &'a Facts, outside: &'a Facts) -> Wire<'a> {
    let Some(link) = interface(pod, inside) else {
        return Wire::NoInterface;
    };
    if link.kind != "veth" {
        return Wire::NotVeth(link);
    }
    match outside.links.iter().find(|other| paired(link, other)) {
        Some(peer) => Wire::Joined {
            inside: link,
            outside: peer,
        },
        None => Wire::Loose(link),
    }
}

/// The interface that holds the pod's IP; failing that `eth0`, the name kubelet's runtimes give (CNI_IFNAME).
pub(super) fn interface<'a>(pod: &ObservedPod, facts: &'a Facts) -> Option<&'a Link> {
    let mut held = facts.addresses.iter();
    let held = held.find(|address| pod.object.ips.contains(&address.net.addr()));
    held.and_then(|address| facts.link(address.index))
        .or_else(|| facts.link_named("eth0"))
}

/// The same of a pod that could be looked into.
pub(super) fn own_interface(pod: &ObservedPod) -> Option<&Link> {
    interface(pod, pod.facts.as_ref().ok()?)
}

/// The default route the kernel uses for a family: lowest metric (none counts as 0 for IPv4, net/ipv4/fib_trie.c).
pub(super) fn default_route(facts: &Facts, family_of: IpAddr) -> Option<&RouteEntry> {
    let of_family = |route: &&RouteEntry| {
        route.dst.prefix_len() == 0
            && route.dst.addr().is_ipv4() == family_of.is_ipv4()
            && route.kind == UNICAST
    };
    facts
        .routes
        .iter()
        .filter(of_family)
        .min_by_key(|route| route.metric.unwrap_or(0))
}

/// Whether a next hop is directly reachable over an interface: link-local, flagged `onlink`, within one of the interface's
/// prefixes, or covered by a route without next hop.
pub(super) fn on_link(facts: &Facts, route: &RouteEntry, hop: IpAddr) -> bool {
    let link_local = matches!(hop, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let same_device = |index: u32| route.oif.is_none_or(|oif| oif == index);
    link_local
        || route.onlink
        || facts
            .addresses
            .iter()
            .any(|a| same_device(a.index) && a.net.contains(&hop))
        || facts.routes.iter().any(|r| {
            r.gateway.is_none()
                && r.kind == UNICAST
                && r.dst.prefix_len() > 0
                && r.oif.is_some_and(same_device)
                && r.dst.contains(&hop)
        })
}
