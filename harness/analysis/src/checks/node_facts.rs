//! What was read of nodes and explains why packets of their pods die, where no check has a promise about it.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::cni::in_use;
use flatnet_model::evidence::{Command, Finding, State, Subject};
use flatnet_model::kernel::Link;
use ipnet::IpNet;

use super::allocation::{ranges, without_pod_cidrs};
use super::findings::{Problem, Seen};
use super::topology::{Topology, at, ip_command};
use flatnet_model::observations::{ObservedNode, ObservedPod};

pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    let nodes: Vec<&ObservedNode> = topology.nodes().collect();
    let mut problems = Vec::new();
    for (place, a) in nodes.iter().enumerate() {
        for b in &nodes[place + 1..] {
            problems.extend(one_address(topology, a, b).or_else(|| one_mac(a, b)));
        }
    }
    problems.extend(pods_outside(topology));
    problems.extend(nodes.iter().filter_map(|node| conntrack_full(node)));
    problems
}

/// Whether it is two nodes with one address or one Ethernet address, of which each of these pairs of nodes has one.
pub(super) fn is_shared_by<'n>(
    problem: &Problem,
    mut pairs: impl Iterator<Item = (&'n str, &'n str)>,
) -> bool {
    let cause = problem.deviation.finding.found().map(|found| &found.cause);
    let is_shared = matches!(
        cause,
        Some(Cause::NodeMacShared { .. } | Cause::NodeAddressShared { .. })
    );
    let is_one = |node: &str| node == problem.node || problem.peer.as_deref() == Some(node);
    is_shared && pairs.all(|(from, to)| is_one(from) || is_one(to))
}

/// An InternalIP of one of them that the other holds too. Other addresses (docker0, a virtual IP) may be on many nodes.
fn one_address(topology: &Topology<'_>, a: &ObservedNode, b: &ObservedNode) -> Option<Problem> {
    let held = |node: &ObservedNode, ip: &IpAddr| topology.node_has(&node.object.name, *ip);
    let of_b = b.object.internal_ips.iter().filter(|ip| held(a, ip));
    let of_a = a.object.internal_ips.iter().filter(|ip| held(b, ip));
    let address = *of_a.chain(of_b).next()?;
    let cause = Cause::NodeAddressShared {
        address,
        nodes: (a.object.name.clone(), b.object.name.clone()),
    };
    let line = format!("{} addr", ip_command(address));
    Some(of_both(a, b, cause, address.to_string(), &line))
}

/// Interfaces of one segment with one Ethernet address: a switch, and every neighbour, knows one of them.
fn one_mac(a: &ObservedNode, b: &ObservedNode) -> Option<Problem> {
    let (a_link, a_net) = uplink(a)?;
    let (b_link, b_net) = uplink(b)?;
    let one_segment = a_net.contains(&b_net.addr()) && b_net.contains(&a_net.addr());
    let mac = a_link
        .mac
        .filter(|mac| b_link.mac == Some(*mac) && mac.0 != [0; 6])?;
    if !one_segment {
        return None;
    }
    let cause = Cause::NodeMacShared {
        mac,
        nodes: (a.object.name.clone(), b.object.name.clone()),
    };
    let line = format!("ip link show dev {}", a_link.name);
    Some(of_both(a, b, cause, mac.to_string(), &line))
}

/// The interface with the node's first InternalIP, and its prefix.
fn uplink(node: &ObservedNode) -> Option<(&Link, IpNet)> {
    let facts = node.inside.facts().ok()?;
    let held = facts.address(*node.object.internal_ips.first()?)?;
    Some((facts.link(held.index)?, held.net))
}

fn of_both(a: &ObservedNode, b: &ObservedNode, cause: Cause, what: String, line: &str) -> Problem {
    let nodes = (a.object.name.clone(), b.object.name.clone());
    let both = vec![Subject::node_of(&nodes.0), Subject::node_of(&nodes.1)];
    let look = Command::on(&nodes.0, line);
    let observed = State::BothHold {
        what,
        nodes: nodes.clone(),
    };
    Problem {
        node: nodes.0,
        peer: Some(nodes.1),
        pods: Vec::new(),
        deviation: Seen::new(State::ExactlyOne, observed, look).deviation(
            both.clone(),
            both,
            Finding::cause(cause),
        ),
    }
}

/// Pods that other nodes look for elsewhere, where podCIDRs are in use.
fn pods_outside(topology: &Topology<'_>) -> Vec<Problem> {
    if without_pod_cidrs(topology).is_some() {
        return Vec::new();
    }
    let pods = topology.networked();
    pods.filter_map(|pod| outside(pod, topology)).collect()
}

fn outside(pod: &ObservedPod, topology: &Topology<'_>) -> Option<Problem> {
    let node = topology.node(&pod.object.node)?;
    let cidrs = &node.object.pod_cidrs;
    let of_family = |ip: &&IpAddr| {
        cidrs
            .iter()
            .any(|cidr| cidr.addr().is_ipv4() == ip.is_ipv4())
    };
    let mut ips = pod.object.ips.iter().filter(of_family);
    let address = *ips.find(|ip| !cidrs.iter().any(|cidr| cidr.contains(*ip)))?;
    let network = node.inside.cni().ok().and_then(in_use);
    let says_so = network.filter(|network| {
        let mut plugins = network.plugins.iter();
        plugins.any(|plugin| ranges(plugin).iter().any(|range| range.contains(&address)))
    });
    let file = says_so.map(|network| network.source.display().to_string());
    let subject = Subject::Pod(at(pod));
    let culprit = match &file {
        Some(_) => Subject::node_of(&node.object.name),
        None => subject.clone(),
    };
    let cause = Cause::PodOutsidePodCidr {
        pod: at(pod),
        address,
        file,
    };
    let observed = State::OutsidePodCidrs { address };
    let look = Command::in_pod(pod.reference(), &format!("{} addr", ip_command(address)));
    let range = *cidrs
        .iter()
        .find(|cidr| cidr.addr().is_ipv4() == address.is_ipv4())?;
    let expected = State::RangeOf {
        node: node.object.name.clone(),
        range,
    };
    Some(Problem {
        node: node.object.name.clone(),
        peer: None,
        pods: vec![pod.reference().clone()],
        deviation: Seen::new(expected, observed, look).deviation(
            vec![subject],
            vec![culprit],
            Finding::cause(cause),
        ),
    })
}

/// Nineteen in twenty: what is in use goes up and down between the traffic and the look.
fn conntrack_full(node: &ObservedNode) -> Option<Problem> {
    let facts = node.inside.facts().ok()?;
    let number = |key: &str| facts.sysctls.get(key)?.trim().parse::<u64>().ok();
    let entries = number("netfilter.nf_conntrack_count")?;
    let limit = number("netfilter.nf_conntrack_max")?;
    if limit == 0 || entries * 20 < limit * 19 {
        return None;
    }
    let name = &node.object.name;
    let cause = Cause::ConntrackFull {
        node: name.clone(),
        entries,
        limit,
    };
    let line =
        "cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max";
    let seen = Seen::new(
        State::FewerEntries { limit },
        State::Entries { entries, limit },
        Command::on(name, line),
    );
    Some(Problem::on(name, cause, seen))
}
