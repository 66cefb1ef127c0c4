//! Facts of routes, rules, neighbours, tunnels and settings.
use std::net::IpAddr;

use flatnet_model::Family;
use flatnet_model::fact::{Kind, Place, Value};
use flatnet_model::kernel::{Link, Neighbour, RouteEntry, route_kind};
use flatnet_model::probe::Facts;

use super::collect::Collected;
use super::links::is_elsewhere;
use super::whose::Whose;
use crate::checks::{device, is_link_local, route_words};

/// Settings that count, or that a kernel chooses by its memory.
const VARY: [&str; 2] = ["netfilter.nf_conntrack_count", "netfilter.nf_conntrack_max"];

pub(super) fn of_node(number: u32, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    let at = Place::Node(number);
    let strangers = |route: &&RouteEntry| {
        let link = inside.link(route.oif);
        !link.is_some_and(|link| whose.pod_behind(number, link).is_none() && is_elsewhere(link))
    };
    for route in told(inside).filter(strangers) {
        let words = route_to(route, inside, at, whose);
        let raw = Some(route_words(route, inside));
        match whose.node_of_range(route.dst) {
            Some(other) if other != number => {
                let about = (Kind::RouteToPods, Family::of(route.dst.addr()).to_string());
                let words = of_other(&words, other);
                facts.add(about, (at, Place::Node(other)), words, raw);
            }
            _ => {
                let about = (Kind::Route, destination(route, at, whose));
                facts.add(about, at, words, raw);
            }
        }
    }
    common(at, inside, whose, facts);
    tunnels(number, inside, whose, facts);
}

pub(super) fn of_pod(at: Place, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    for route in told(inside) {
        let about = (Kind::Route, destination(route, at, whose));
        let raw = Some(route_words(route, inside));
        facts.add(about, at, route_to(route, inside, at, whose), raw);
    }
    common(at, inside, whose, facts);
}

/// Whose the destination is; IPv6 is told apart, as the words are the same in both families.
fn destination(route: &RouteEntry, at: Place, whose: &Whose<'_>) -> String {
    of_family(route.dst.addr(), whose.range(route.dst, at))
}

fn of_family(address: IpAddr, words: String) -> String {
    match Family::of(address) {
        Family::V4 => words,
        Family::V6 => format!("{words}, IPv6"),
    }
}

/// What is said of the node to which a fact leads, without its number: alike for all of them.
fn of_other(words: &str, other: u32) -> String {
    words.replace(&format!("{}'s", Place::Node(other)), "the other node's")
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
        let Some((subject, key)) = setting(at, key, inside, whose) else {
            continue;
        };
        let value = match value.trim().parse::<i64>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Text(value.trim().to_owned()),
        };
        facts.add((Kind::Setting, key), subject, value, None);
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
    let raw = Some(format!("{} lladdr {mac}", neighbour.address));
    // A node's entry for a pod of its own is told of the pod, and one for another node of the way to it: all have one alike.
    let ip = neighbour.address;
    if whose.is_strangers(ip, at) {
        return;
    }
    let pod = whose
        .pod_of(ip)
        .filter(|pod| pod.node() == at.node() && *pod != at);
    let other = whose.node_of(ip).filter(|node| Some(*node) != at.node());
    if let Some(pod) = pod {
        let about = format!("{} on its node's {device}", whose.address(ip, pod));
        let about = (Kind::Neighbour, of_family(ip, about));
        facts.add(about, pod, whose.mac(mac, pod), raw);
    } else if let (Some(other), Place::Node(_)) = (other, at) {
        let about = of_other(&format!("{} on {device}", whose.address(ip, at)), other);
        let value = of_other(&whose.mac(mac, at), other);
        let about = (Kind::Neighbour, of_family(ip, about));
        facts.add(about, (at, Place::Node(other)), value, raw);
    } else {
        let about = format!("{} on {device}", whose.address(ip, at));
        facts.add(
            (Kind::Neighbour, of_family(ip, about)),
            at,
            whose.mac(mac, at),
            raw,
        );
    }
}

/// A setting of a host end is one of the pod, as names of host ends vary; nothing for those of pods that were not looked at.
fn setting(at: Place, key: &str, inside: &Facts, whose: &Whose<'_>) -> Option<(Place, String)> {
    let Place::Node(node) = at else {
        return Some((at, key.to_owned()));
    };
    let part = |link: &Link| format!(".{}.", link.name);
    let mut links = inside.links.iter();
    match links.find(|link| key.contains(&part(link))) {
        None => Some((at, key.to_owned())),
        Some(link) => match whose.pod_behind(node, link) {
            Some(pod) => Some((pod, key.replace(&part(link), ".(host end)."))),
            None => (!is_elsewhere(link)).then(|| (at, key.to_owned())),
        },
    }
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
            Some(other) => {
                let value = of_other(&value, other);
                facts.add(about, (at, Place::Node(other)), value, raw);
            }
            None => facts.add(about, at, value, raw),
        }
    }
}
