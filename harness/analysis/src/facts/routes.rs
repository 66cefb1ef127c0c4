//! Facts of routes, rules, neighbours, tunnels and settings.
use flatnet_model::Family;
use flatnet_model::fact::{Kind, Place};
use flatnet_model::kernel::{Neighbour, RouteEntry, route_kind};
use flatnet_model::probe::Facts;

use super::collect::Collected;
use super::whose::Whose;
use crate::checks::{device, is_link_local, route_words};

/// Settings that count, or that a kernel chooses by its memory.
const VARY: [&str; 2] = ["netfilter.nf_conntrack_count", "netfilter.nf_conntrack_max"];

pub(super) fn of_node(number: u32, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    let at = Place::Node(number);
    for route in told(inside) {
        let words = route_to(route, inside, at, whose);
        let raw = Some(route_words(route, inside));
        match whose.node_of_range(route.dst) {
            Some(other) if other != number => {
                let about = (Kind::RouteToPods, Family::of(route.dst.addr()).to_string());
                facts.add(about, (at, Place::Node(other)), words, raw);
            }
            _ => {
                let about = (Kind::Route, whose.range(route.dst, at));
                facts.add(about, at, words, raw);
            }
        }
    }
    common(at, inside, whose, facts);
    tunnels(number, inside, whose, facts);
}

pub(super) fn of_pod(at: Place, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    for route in told(inside) {
        let about = (Kind::Route, whose.range(route.dst, at));
        let raw = Some(route_words(route, inside));
        facts.add(about, at, route_to(route, inside, at, whose), raw);
    }
    common(at, inside, whose, facts);
}

/// Routes but those that the kernel makes for link-local and multicast addresses of every device.
fn told(inside: &Facts) -> impl Iterator<Item = &RouteEntry> {
    let routes = inside.routes.iter();
    routes.filter(|route| !is_link_local(route.dst.addr()) && !route.dst.addr().is_multicast())
}

fn route_to(route: &RouteEntry, inside: &Facts, at: Place, whose: &Whose<'_>) -> String {
    if route.kind != route_kind::UNICAST {
        return route_kind_word(route.kind);
    }
    let hops = route.hops().map(|hop| {
        let link = inside.link(hop.oif);
        let device = match (at, link) {
            (Place::Node(node), Some(link)) => whose.link(node, link),
            _ => device(inside, hop.oif).to_owned(),
        };
        let via = match hop.gateway {
            Some(gateway) => format!("via {}, ", whose.address(gateway, at)),
            None => String::new(),
        };
        let onlink = if hop.onlink { ", onlink" } else { "" };
        format!("{via}dev {device}{onlink}")
    });
    let mut words = hops.collect::<Vec<_>>().join(" or ");
    if let Some(src) = route.src {
        words += &format!(", from {}", whose.address(src, at));
    }
    if let Some(mtu) = route.mtu.filter(|_| route.learned_mtu().is_none()) {
        words += &format!(", MTU {mtu}");
    }
    if let Some(metric) = route
        .metric
        .filter(|metric| ![0, 256, 1024].contains(metric))
    {
        words += &format!(", metric {metric}");
    }
    words
}

fn route_kind_word(kind: u8) -> String {
    match kind {
        route_kind::BLACKHOLE => "blackhole".to_owned(),
        route_kind::UNREACHABLE => "unreachable".to_owned(),
        route_kind::PROHIBIT => "prohibit".to_owned(),
        route_kind::THROW => "throw".to_owned(),
        other => format!("of type {other}"),
    }
}

/// What nodes and pods have alike.
fn common(at: Place, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    let rules = inside.rules.iter().filter(|rule| !rule.is_default());
    let rules: Vec<String> = rules.map(ToString::to_string).collect();
    facts.add((Kind::PolicyRule, ""), at, rules, None);
    for neighbour in inside
        .neighbours
        .iter()
        .filter(|one| one.state == "PERMANENT")
    {
        neighbour_of(at, neighbour, inside, whose, facts);
    }
    for (key, value) in &inside.sysctls {
        if VARY.contains(&key.as_str()) {
            continue;
        }
        let (subject, key) = setting(at, key, inside, whose);
        facts.add((Kind::Setting, key), subject, value.as_str(), None);
    }
}

fn neighbour_of(
    at: Place,
    neighbour: &Neighbour,
    inside: &Facts,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    let Some(mac) = neighbour.mac else { return };
    let device = device(inside, Some(neighbour.index));
    let address = whose.address(neighbour.address, at);
    let raw = Some(format!("{} lladdr {mac}", neighbour.address));
    let about = (Kind::Neighbour, format!("{address} on {device}"));
    facts.add(about, at, whose.mac(mac, at), raw);
}

/// A setting of a host end is one of the pod, as names of host ends vary.
fn setting(at: Place, key: &str, inside: &Facts, whose: &Whose<'_>) -> (Place, String) {
    let Place::Node(node) = at else {
        return (at, key.to_owned());
    };
    let mut links = inside.links.iter();
    let of = links.find_map(|link| {
        let part = format!(".{}.", link.name);
        let pod = whose
            .pod_behind(node, link)
            .filter(|_| key.contains(&part))?;
        Some((pod, key.replace(&part, ".(host end).")))
    });
    of.unwrap_or((at, key.to_owned()))
}

/// Forwarding entries that lead into tunnels.
fn tunnels(number: u32, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    let at = Place::Node(number);
    for entry in &inside.fdb {
        let Some(remote) = entry.dst else { continue };
        let device = device(inside, Some(entry.index));
        let value = format!(
            "{} is behind {}",
            whose.mac(entry.mac, at),
            whose.address(remote, at)
        );
        let raw = Some(format!("{} dst {remote}", entry.mac));
        let about = (Kind::TunnelEntry, device);
        match whose.node_of(remote) {
            Some(other) => facts.add(about, (at, Place::Node(other)), value, raw),
            None => facts.add(about, at, value, raw),
        }
    }
}
