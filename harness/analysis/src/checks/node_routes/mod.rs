//! `node-routes`: on every node each remote podCIDR has exactly one working route, and none is left over.
mod leftover;
mod remote;
mod router;
mod tunnel;
mod uplink;

use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::probe::Facts;
use ipnet::IpNet;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, State, Subject};
use flatnet_model::kernel::{Neighbour, NextHop, RouteEntry, route_kind};

use super::allocation::without_pod_cidrs;
use super::findings::{Findings, Problem, Seen, count, without_nodes};
use super::topology::{Topology, ip_command};
use super::{Deviation, Verdict};
use flatnet_model::observations::{Fate, Observations, ObservedNode};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if observations.nodes.is_empty() {
        return Verdict::broken("there is no node to look at");
    }
    if let Some(skip) = without_nodes(&topology) {
        return skip;
    }
    if let Some(reason) = without_pod_cidrs(&topology) {
        return Verdict::Skip { reason };
    }
    let (problems, mut findings) = examine(&topology);
    let looked_at = topology
        .nodes()
        .filter_map(|node| Some((node, node.inside.facts().ok()?)));
    let left_over = looked_at.flat_map(|(node, facts)| leftover::find(node, facts, &topology));
    for problem in problems.into_iter().chain(left_over) {
        findings.fail(problem.deviation);
    }
    findings.verdict()
}

/// What keeps nodes from reaching each other's pods; leftovers do not. Empty where the CNI does not route podCIDRs.
pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    if without_pod_cidrs(topology).is_some() {
        Vec::new()
    } else {
        examine(topology).0
    }
}

/// Which node's pods were answered by which other node's, by family (true: IPv4). A route that looks unusual but carries
/// traffic is the underlay's business (cloud routers know podCIDRs); one that does not is the fault.
type Reached<'a> = BTreeSet<(&'a str, &'a str, bool)>;

fn reached<'a>(topology: &Topology<'a>) -> Reached<'a> {
    let answered = topology.observations.dials.iter().filter(|dial| {
        topology.observations.fate(dial) == Fate::Reached
            && !topology.on_host(&dial.from)
            && !topology.on_host(&dial.to)
    });
    let ends = answered.filter_map(|dial| {
        Some((
            topology.node_of(&dial.from)?,
            topology.node_of(&dial.to)?,
            dial.request.address.is_ipv4(),
        ))
    });
    ends.collect()
}

fn examine(topology: &Topology<'_>) -> (Vec<Problem>, Findings) {
    let mut findings = Findings::default();
    let mut problems = claimed_twice(topology);
    let disputed: BTreeSet<(String, String)> = problems
        .iter()
        .filter_map(|problem| Some((problem.node.clone(), problem.peer.clone()?)))
        .collect();
    let in_dispute = |a: &str, b: &str| {
        disputed
            .iter()
            .any(|(x, y)| (x == a && y == b) || (x == b && y == a))
    };
    let disputed_node = |name: &str| disputed.iter().any(|(x, y)| x == name || y == name);
    let reached = reached(topology);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for node in topology.nodes() {
        let facts = match node.inside.facts() {
            Ok(facts) => facts,
            Err(error) => {
                findings.unmeasured_for(format!("routes of {}", node.object.name), error);
                continue;
            }
        };
        problems.extend(own_cidr_elsewhere(node, facts, topology));
        problems.extend(address_among_pods(node, topology));
        // Its routes went with the device: one fault, not one for each of the other nodes.
        if let Some(problem) = uplink::down(node, facts) {
            problems.push(problem);
            continue;
        }
        for remote in topology
            .nodes()
            .filter(|remote| remote.object.name != node.object.name)
        {
            // Where two nodes claim one range, no set of routes can be right; the claim itself is the evidence.
            if in_dispute(&node.object.name, &remote.object.name)
                || disputed_node(&remote.object.name)
            {
                continue;
            }
            for cidr in &remote.object.pod_cidrs {
                let hop = remote::Hop {
                    node,
                    facts,
                    remote,
                    cidr: *cidr,
                    topology,
                    reached: &reached,
                };
                match hop.judge() {
                    Ok(kind) => *kinds.entry(kind).or_default() += 1,
                    Err(remote::NotVerified::Wrong(problem)) => problems.push(*problem),
                    Err(remote::NotVerified::Unmeasured { what, why }) => {
                        findings.unmeasured_for(what, why);
                    }
                }
            }
        }
    }
    for (kind, routes) in kinds {
        findings.fact(format!("{} {kind}", count(routes, "route")));
    }
    if topology.nodes().count() == 1 {
        findings.fact("one node: there is no remote podCIDR");
    }
    (tunnel::down_once(problems), findings)
}

/// Two nodes with overlapping podCIDRs: their pods get the same addresses.
fn claimed_twice(topology: &Topology<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let claims: Vec<(&ObservedNode, IpNet)> = topology
        .nodes()
        .flat_map(|node| node.object.pod_cidrs.iter().map(move |cidr| (node, *cidr)))
        .collect();
    for (i, (a, a_cidr)) in claims.iter().enumerate() {
        for (b, b_cidr) in &claims[i + 1..] {
            if a.object.name == b.object.name
                || !(a_cidr.contains(b_cidr) || b_cidr.contains(a_cidr))
            {
                continue;
            }
            problems.push(twice(topology, (a, *a_cidr), (b, *b_cidr)));
        }
    }
    problems
}

fn twice(
    topology: &Topology<'_>,
    (a, a_range): (&ObservedNode, IpNet),
    (b, b_range): (&ObservedNode, IpNet),
) -> Problem {
    let (a, b) = (a.object.name.clone(), b.object.name.clone());
    let claims = [(&a, a_range), (&b, b_range)].map(|(node, range)| State::RangeOf {
        node: node.clone(),
        range,
    });
    let pods = topology.networked();
    let pods = pods.filter(|pod| [&a, &b].contains(&&pod.object.node));
    let nodes = vec![Subject::node_of(&a), Subject::node_of(&b)];
    Problem {
        node: a.clone(),
        peer: Some(b.clone()),
        pods: pods.map(|pod| pod.reference().clone()).collect(),
        deviation: Deviation {
            subjects: nodes.clone(),
            culprits: nodes,
            expected: State::SeparateRanges,
            observed: claims.to_vec(),
            look: Command::on(&a, "ip route"),
            finding: Finding::cause(Cause::OverlappingPodCidrs {
                nodes: (a, b),
                ranges: (a_range, b_range),
            }),
        },
    }
}

/// The node's own range, and every part of it, must stay on the node: no tunnel, and no next hop but the node itself.
fn own_cidr_elsewhere(node: &ObservedNode, facts: &Facts, topology: &Topology<'_>) -> Vec<Problem> {
    let is_own = |dst: &IpNet| node.object.pod_cidrs.iter().any(|own| own.contains(dst));
    // The kernel's own route of an IPv6 address that a device here holds, as a VTEP's.
    let is_held = |dst: &IpNet| {
        dst.prefix_len() == dst.max_prefix_len() && facts.address(dst.addr()).is_some()
    };
    let away = |route: &&RouteEntry| {
        let elsewhere = |hop| !topology.node_has(&node.object.name, hop);
        let leaves = |hop: NextHop| facts.is_vxlan(hop.oif) || hop.gateway.is_some_and(elsewhere);
        is_own(&route.dst)
            && !is_held(&route.dst)
            && route.kind == route_kind::UNICAST
            && route.hops().any(leaves)
    };
    let found = facts.routes.iter().filter(away);
    let name = &node.object.name;
    found
        .map(|route| {
            let cause = Cause::OwnPodCidrRoutedAway {
                node: name.clone(),
                range: route.dst,
            };
            let observed = remote::state(route, facts, topology);
            Problem::on(
                name,
                cause,
                Seen::new(State::LocalDelivery, observed, look(name, route.dst)),
            )
        })
        .collect()
}

/// A node's own address in somebody's podCIDR: routes lead it to pods.
fn address_among_pods(node: &ObservedNode, topology: &Topology<'_>) -> Option<Problem> {
    let name = &node.object.name;
    let ranges = topology.nodes().flat_map(|of| {
        let cidrs = of.object.pod_cidrs.iter();
        cidrs.map(|cidr| (&of.object.name, *cidr))
    });
    let own = &node.object.internal_ips;
    let mut found = ranges.filter_map(|(of, range)| {
        let address = own.iter().find(|address| range.contains(*address))?;
        Some((*address, of, range))
    });
    let (address, of, range) = found.next()?;
    let cause = Cause::NodeAddressInPodCidr {
        node: name.clone(),
        address,
        range,
        of: of.clone(),
    };
    let observed = State::InPodCidrOf {
        address,
        range,
        of: of.clone(),
    };
    let look = Command::on(name, &format!("{} addr", ip_command(address)));
    let expected = State::OutsidePodCidrs { address };
    Some(Problem::on(
        name,
        cause,
        Seen::new(expected, observed, look),
    ))
}

/// Whether the entry has, or has lately had, the Ethernet address of its neighbour.
fn is_resolved(entry: &Neighbour) -> bool {
    !matches!(entry.state.as_str(), "FAILED" | "INCOMPLETE" | "NONE")
}

/// The command that shows a node's routes of a range's family.
fn look(node: &str, range: IpNet) -> Command {
    Command::on(node, &format!("{} route", ip_command(range.addr())))
}
