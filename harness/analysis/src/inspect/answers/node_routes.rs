//! Where packets go from a node.
use std::net::IpAddr;

use flatnet_model::kernel::RouteEntry;
use flatnet_model::kernel::route_kind::UNICAST;
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use super::findings::Findings;
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::snapshot::NodeInside;
use flatnet_model::view::{InspectedNode, View};

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    for (node, inside) in findings.insides(view) {
        on_node(view, node, inside, &mut findings);
    }
    findings.outcome(|| "there is no node to look at".to_owned())
}

fn on_node(view: &View, node: &InspectedNode, inside: &NodeInside, findings: &mut Findings) {
    let name = &node.object.name;
    let Some(facts) = findings.observed(name, "routes", inside.facts()) else {
        return;
    };
    let mut shown: Vec<&RouteEntry> = Vec::new();
    let mut all: Vec<&RouteEntry> = facts.routes.iter().collect();
    all.sort_by_key(|route| (route.dst.addr().is_ipv6(), route.dst, route.metric));
    for route in all.iter().filter(|route| route.dst.prefix_len() == 0) {
        shown.push(route);
        for hop in route.hops() {
            findings.fact(described("default-route", &route.by(hop), facts).on(name));
        }
    }
    for family_v6 in [false, true] {
        let uses = node
            .object
            .internal_ips
            .iter()
            .any(|ip| ip.is_ipv6() == family_v6);
        let has = shown
            .iter()
            .any(|route| route.dst.addr().is_ipv6() == family_v6);
        if uses && !has {
            let family = if family_v6 { "IPv6" } else { "IPv4" };
            findings.problem(
                Some(name),
                "default route",
                format!("there is none for {family}: what no other route holds cannot be sent"),
            );
        }
    }
    for other in &view.objects {
        for cidr in &other.pod_cidrs {
            let own = other.name == *name;
            let Some(route) = best(&all, cidr) else {
                findings.problem(Some(name), &cidr.to_string(), if own {
                    "no route to the node's own podCIDR: no pod of it has been networked here yet, or the bridge is gone".to_owned()
                } else {
                    format!("no route to the podCIDR of {}: its pods are not reached from here", other.name)
                });
                continue;
            };
            if !shown.contains(&route) {
                shown.push(route);
            }
            let pods_of = match own {
                true => "this node",
                false => other.name.as_str(),
            };
            for hop in route.hops() {
                let fact = described("pod-route", &route.by(hop), facts).on(name);
                let fact = fact.with("podCIDR", cidr.to_string());
                findings.fact(fact.with("pods-of", pods_of));
            }
        }
    }
    for route in all {
        if !shown.contains(&route) && !is_chatter(&route.dst) {
            for hop in route.hops() {
                findings.fact(described("other-route", &route.by(hop), facts).on(name));
            }
        }
    }
}

/// The most specific route that holds all of a podCIDR but is not a default route.
fn best<'a>(routes: &[&'a RouteEntry], cidr: &IpNet) -> Option<&'a RouteEntry> {
    let holding = routes
        .iter()
        .filter(|route| route.dst.prefix_len() > 0 && route.dst.contains(cidr));
    let best =
        holding.max_by_key(|route| (route.dst.prefix_len(), std::cmp::Reverse(route.metric)));
    best.copied()
}

/// A route with one next hop.
fn described(topic: &str, route: &RouteEntry, facts: &Facts) -> Fact {
    let to = if route.dst.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.dst.to_string()
    };
    let v6 = route.dst.addr().is_ipv6();
    let command = if v6 { "ip -6 route" } else { "ip route" };
    let device = facts.link(route.oif);
    let fact = Fact::new(topic, to, Source::Command(command.to_owned()))
        .with("device", device.map(|link| link.name.as_str()))
        .with("gateway", route.gateway.map(|gateway| gateway.to_string()))
        .with("onlink", route.onlink)
        .with("source", route.src.map(|source| source.to_string()))
        .with("metric", route.metric);
    if route.kind == UNICAST {
        fact
    } else {
        fact.with("leads", "nowhere")
    }
}

/// Routes that every interface has and nobody asks about.
fn is_chatter(net: &IpNet) -> bool {
    match net.addr() {
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
        IpAddr::V4(_) => false,
    }
}
