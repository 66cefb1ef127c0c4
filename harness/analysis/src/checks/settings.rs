//! Settings of single interfaces that keep packets of pods from passing.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, State, Subject};
use flatnet_model::kernel::{Link, RouteEntry, route_kind};
use flatnet_model::probe::Facts;
use flatnet_model::reference::Netns;
use flatnet_model::rule::RouteChoice;
use ipnet::IpNet;

use super::findings::{Problem, Seen};
use super::topology::{Topology, route_words};
use super::veth::{Wire, follow};
use flatnet_model::observations::ObservedNode;

/// The setting that keeps an interface from having an IPv6 address, where one does.
pub(super) fn ipv6_off(facts: &Facts, device: &str, address: IpAddr) -> Option<String> {
    let key = |name: &str| format!("ipv6.conf.{name}.disable_ipv6");
    let off = |name: &&str| {
        facts
            .sysctls
            .get(&key(name))
            .is_some_and(|value| value == "1")
    };
    // What differs is listed, so that an interface's own word counts where there is one.
    let own = facts.sysctls.contains_key(&key(device));
    let of = if own { device } else { "all" };
    (address.is_ipv6() && off(&of)).then(|| key(of))
}

pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for node in topology.nodes() {
        let Ok(facts) = node.inside.facts() else {
            continue;
        };
        problems.extend(not_forwarding(node, facts, topology));
        for remote in topology.nodes() {
            if remote.object.name != node.object.name {
                problems.extend(strict_rp_filter(node, facts, remote, topology));
            }
        }
    }
    problems
}

/// IPv4 asks the interface by which a packet comes in (IN_DEV_FORWARD, net/ipv4/route.c); IPv6 asks `conf.all` only.
fn not_forwarding(node: &ObservedNode, facts: &Facts, topology: &Topology<'_>) -> Vec<Problem> {
    let stops = |device: &str| {
        let own = facts.sysctls.get(&format!("ipv4.conf.{device}.forwarding"));
        own.is_some_and(|value| value == "0")
    };
    let from_pods = from_pods(node, facts, topology);
    let off = from_pods.iter().filter(|device| stops(device));
    let mut problems: Vec<Problem> = off.map(|device| forwarding_off(node, device)).collect();
    let mut from_others: BTreeMap<&str, &str> = BTreeMap::new();
    for remote in topology.nodes() {
        let name = remote.object.name.as_str();
        let device = remote
            .inside
            .facts()
            .ok()
            .and_then(|there| arrival(node, facts, there).map(|link| link.name.as_str()));
        if name != node.object.name
            && let Some(device) = device.filter(|device| stops(device))
        {
            from_others.insert(name, device);
        }
    }
    for (remote, device) in from_others {
        problems.push(Problem {
            peer: Some(remote.to_owned()),
            ..forwarding_off(node, device)
        });
    }
    problems
}

fn forwarding_off(node: &ObservedNode, device: &str) -> Problem {
    let key = format!("ipv4.conf.{device}.forwarding");
    let [on, off] = ["1", "0"].map(|value| State::Sysctl {
        key: key.clone(),
        value: value.to_owned(),
    });
    let name = &node.object.name;
    let line = format!("cat /proc/sys/net/ipv4/conf/{device}/forwarding");
    let node = name.clone();
    let cause = Cause::ForwardingOff { node, key };
    Problem::on(name, cause, Seen::new(on, off, Command::on(name, &line)))
}

/// Interfaces by which packets of the node's own pods come in: the bridges of their host ends, or those themselves.
fn from_pods<'a>(
    node: &ObservedNode,
    facts: &'a Facts,
    topology: &Topology<'a>,
) -> BTreeSet<&'a str> {
    let pods = topology.networked();
    let pods = pods.filter(|pod| pod.object.node == node.object.name);
    let devices = pods.filter_map(|pod| match follow(pod, pod.facts.as_ref().ok()?, facts) {
        Wire::Joined { outside, .. } => {
            let bridge = facts.link(outside.master).unwrap_or(outside);
            Some(bridge.name.as_str())
        }
        _ => None,
    });
    devices.collect()
}

/// The interface of `node` by which packets from the pods of another node come in, as that node's route to it says.
fn arrival<'a>(node: &ObservedNode, facts: &'a Facts, there: &Facts) -> Option<&'a Link> {
    let v4 = |cidr: &&IpNet| cidr.addr().is_ipv4();
    let cidr = node.object.pod_cidrs.iter().find(v4)?;
    let route = best(there, *cidr)?;
    match there.link(route.oif)?.vxlan.as_ref() {
        Some(vxlan) => {
            let same = |link: &&Link| link.vxlan.as_ref().is_some_and(|own| own.vni == vxlan.vni);
            facts.links.iter().find(same)
        }
        None => facts.holder(route.gateway?),
    }
}

/// The route to a range that is more than the default route; none where two would do.
fn best(facts: &Facts, range: IpNet) -> Option<&RouteEntry> {
    let covering = facts.routes.iter().filter(|route| {
        route.dst.prefix_len() > 0
            && route.kind == route_kind::UNICAST
            && route.dst.contains(&range)
    });
    covering.max_by_key(|route| route.dst.prefix_len())
}

/// `rp_filter` 1 on an interface by which packets from another node's pods come in, where the route back leads elsewhere. The larger
/// of the interface's and the general value counts (Documentation/networking/ip-sysctl.rst).
fn strict_rp_filter(
    node: &ObservedNode,
    facts: &Facts,
    remote: &ObservedNode,
    topology: &Topology<'_>,
) -> Option<Problem> {
    let there = remote.inside.facts().ok()?;
    let comes_in = arrival(node, facts, there)?;
    let value = |name: &str| facts.setting("ipv4", name, "rp_filter")?.parse::<u8>().ok();
    if value(&comes_in.name)?.max(value("all")?) != 1 {
        return None;
    }
    let mut pods = topology.networked();
    let pod = pods.find(|pod| pod.object.node == remote.object.name)?;
    let source = *pod.object.ips.iter().find(|ip| ip.is_ipv4())?;
    let back = best(facts, IpNet::from(source))?;
    if back.hops().any(|hop| hop.oif == Some(comes_in.index)) {
        return None;
    }
    let (name, device) = (&node.object.name, comes_in.name.clone());
    let state = |device: &str, value: &str| State::Sysctl {
        key: format!("ipv4.conf.{device}.rp_filter"),
        value: value.to_owned(),
    };
    let line = format!(
        "cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/{device}/rp_filter"
    );
    let seen = Seen::new(
        state(&device, "2"),
        state(&device, "1"),
        Command::on(name, &line),
    );
    let cause = Found::inferred(Cause::ReversePathFilter {
        at: Netns::Node(name.clone()),
        device,
        source,
        back: Some(RouteChoice::Main {
            route: route_words(back, facts),
        }),
    });
    let subject = vec![Subject::node_of(name)];
    let finding = Finding::Cause { cause };
    Some(Problem {
        node: name.clone(),
        peer: Some(remote.object.name.clone()),
        pods: Vec::new(),
        deviation: seen.deviation(subject.clone(), subject, finding),
    })
}
