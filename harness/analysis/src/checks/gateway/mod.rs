//! `gateway`: a pod's default route leads to an address of its own node that answers.
mod silent;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::kernel::RouteEntry;
use flatnet_model::probe::Facts;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, PodAt, State, Symptom};
use flatnet_model::network::Family;
use flatnet_model::reference::Netns;
use ipnet::IpNet;

use super::Verdict;
use super::findings::{Findings, Problem, Seen, count, without_networked, without_nodes};
use super::settings::ipv6_off;
use super::topology::{Topology, at, device, ip_command, same_family};
use super::veth::{Wire, default_route, follow, on_link};
use flatnet_model::PodRef;
use flatnet_model::observations::{Observations, ObservedPod};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_nodes(&topology) {
        return skip;
    }
    if let Some(skip) = without_networked(&topology) {
        return skip;
    }
    let (problems, mut findings) = examine(&topology);
    let broken: BTreeSet<&PodRef> = problems.iter().flat_map(|problem| &problem.pods).collect();
    let silent = silent::silent(&topology, &broken, &mut findings);
    for evidence in problems
        .iter()
        .map(|problem| problem.deviation.clone())
        .chain(silent)
    {
        findings.fail(evidence);
    }
    if topology.networked().next().is_none() {
        findings.unmeasured("no pod with a network namespace of its own runs");
    }
    findings.mention_idle(&topology);
    findings.verdict()
}

/// What is wrong with one pod's default route of one family. Pods of one node that share it are reported together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    NoDefaultRoute { family: Family },
    OffLink { hop: IpAddr },
    NotOfNode { hop: IpAddr },
}

/// A default route that is as it should be.
enum Good {
    NodeAddress(IpAddr),
    ProxyArp { hop: IpAddr, host_end: String },
    NoNextHop(String),
}

/// Looks at routes, neighbours and the nodes' addresses; whether the gateway answers is not asked here, so that the result
/// is a cause and never a symptom.
pub(super) fn examine(topology: &Topology<'_>) -> (Vec<Problem>, Findings) {
    let mut findings = Findings::default();
    let mut faults: BTreeMap<(&str, Fault), Vec<&ObservedPod>> = BTreeMap::new();
    let mut good: BTreeMap<String, usize> = BTreeMap::new();
    for pod in topology.networked() {
        let facts = match &pod.facts {
            Ok(facts) => facts,
            Err(error) => {
                findings.unmeasured_for(format!("routes inside {}", topology.who(pod)), error);
                continue;
            }
        };
        for ip in one_a_family(&pod.object.ips) {
            match examine_one(pod, facts, ip, topology) {
                Err(fault) => faults
                    .entry((&pod.object.node, fault))
                    .or_default()
                    .push(pod),
                Ok(Some(found)) => *good.entry(describe(&found, pod, topology)).or_default() += 1,
                Ok(None) => findings.unmeasured_for(
                    format!("addresses of node {}", pod.object.node),
                    node_error(topology, &pod.object.node),
                ),
            }
        }
    }
    for (description, pods) in good {
        findings.fact(format!("{}: {description}", count(pods, "pod")));
    }
    let problems = faults
        .into_iter()
        .map(|((node, fault), pods)| problem(node, &fault, &pods, topology))
        .collect();
    (problems, findings)
}

/// `Ok(None)`: the node could not be looked at.
fn examine_one(
    pod: &ObservedPod,
    facts: &Facts,
    ip: IpAddr,
    topology: &Topology<'_>,
) -> Result<Option<Good>, Fault> {
    let Some(route) = default_route(facts, ip) else {
        return Err(Fault::NoDefaultRoute {
            family: Family::of(ip),
        });
    };
    let Some(hop) = route.gateway else {
        return Ok(Some(Good::NoNextHop(device(facts, route.oif).to_owned())));
    };
    if !on_link(facts, route, hop) {
        return Err(Fault::OffLink { hop });
    }
    if topology.node_has(&pod.object.node, hop) {
        return Ok(Some(Good::NodeAddress(hop)));
    }
    let Some(node) = topology
        .node(&pod.object.node)
        .and_then(|node| node.inside.facts().ok())
    else {
        return Ok(None);
    };
    match proxied(pod, facts, node, route, hop) {
        Some(host_end) => Ok(Some(Good::ProxyArp { hop, host_end })),
        None => Err(Fault::NotOfNode { hop }),
    }
}

/// As Calico does it: the next hop (169.254.1.1) is nobody's address, but the pod's own host end, which is in no bridge, answers
/// ARP for it (`proxy_arp`), or the pod has a permanent entry with its Ethernet address.
fn proxied(
    pod: &ObservedPod,
    inside: &Facts,
    outside: &Facts,
    route: &RouteEntry,
    hop: IpAddr,
) -> Option<String> {
    let Wire::Joined {
        outside: host_end, ..
    } = follow(pod, inside, outside)
    else {
        return None;
    };
    let known = |n: &&flatnet_model::kernel::Neighbour| {
        n.address == hop && n.mac.is_some() && route.oif == Some(n.index)
    };
    let neighbour = inside.neighbours.iter().find(known)?;
    (host_end.master.is_none() && neighbour.mac == host_end.mac).then(|| host_end.name.clone())
}

fn describe(found: &Good, pod: &ObservedPod, topology: &Topology<'_>) -> String {
    match found {
        Good::NodeAddress(hop) => {
            let facts = topology
                .node(&pod.object.node)
                .and_then(|node| node.inside.facts().ok());
            let device = facts
                .and_then(|facts| super::topology::device_of(facts, *hop))
                .unwrap_or("an interface");
            format!("default via {hop}, on {device} of {}", pod.object.node)
        }
        Good::ProxyArp { hop, host_end } => format!(
            "default via {hop}, for which {host_end} of {} answers (proxy ARP)",
            pod.object.node
        ),
        Good::NoNextHop(device) => {
            format!(
                "default dev {device}, without a next hop ({})",
                pod.object.node
            )
        }
    }
}

fn problem(node: &str, fault: &Fault, pods: &[&ObservedPod], topology: &Topology<'_>) -> Problem {
    let mut pods_at: Vec<PodAt> = pods.iter().map(|pod| at(pod)).collect();
    pods_at.dedup();
    let pods_of = pods_at.clone();
    let in_pod = |line: &str| Command::in_pod(&pods_at[0].pod, line);
    let (finding, seen) = match fault {
        Fault::NoDefaultRoute { family } => {
            let cause = Cause::DefaultRouteMissing {
                pods: pods_of,
                family: *family,
            };
            let routes = State::Routes {
                routes: pods
                    .first()
                    .map_or_else(Vec::new, |pod| routes(pod, *family)),
            };
            let look = in_pod(&format!("{} route", ip(*family)));
            (
                Finding::cause(cause),
                Seen::new(State::DefaultRoute, routes, look),
            )
        }
        Fault::OffLink { hop } => {
            let cause = Cause::GatewayOffLink {
                pods: pods_of,
                hop: *hop,
            };
            let look = in_pod(&format!("{} route", ip_command(*hop)));
            let expected = State::OnLink { hop: *hop };
            (
                Finding::cause(cause),
                Seen::new(expected, State::NotCovered, look),
            )
        }
        Fault::NotOfNode { hop } => {
            let facts = topology.node(node).and_then(|n| n.inside.facts().ok());
            let bridge = facts.and_then(|facts| bridge_of(pods, facts));
            let bridge = bridge.map(str::to_owned);
            let (address, node) = (*hop, node.to_owned());
            let off = facts.zip(bridge.as_ref());
            let off = off.and_then(|(facts, bridge)| ipv6_off(facts, bridge, address));
            let cause = match off {
                Some(key) => Cause::Ipv6Off {
                    at: Netns::Node(node.clone()),
                    key,
                },
                None => Cause::GatewayAddressMissing {
                    node: node.clone(),
                    bridge: bridge.clone(),
                    address,
                },
            };
            let symptom = Symptom::ForeignNextHop {
                pods: pods_of,
                hop: *hop,
            };
            let look = Command::on(&node, &format!("{} addr", ip_command(address)));
            let expected = State::AddressOn {
                address,
                device: bridge,
                node,
            };
            (
                Finding::of(symptom, Found::seen(cause)),
                Seen::new(expected, State::BelongsTo(topology.held(address)), look),
            )
        }
    };
    let culprits = match fault {
        Fault::NoDefaultRoute { .. } | Fault::OffLink { .. } => topology.blame_routes_of(&pods_at),
        Fault::NotOfNode { .. } => topology.blame(&pods_at),
    };
    Problem::in_pods(pods_at, culprits, finding, seen)
}

fn ip(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip -6",
    }
}

fn routes(pod: &ObservedPod, family: Family) -> Vec<IpNet> {
    let routes = pod.facts.iter().flat_map(|f| &f.routes).map(|r| r.dst);
    let of_family = |dst: &IpNet| Family::of(dst.addr()) == family;
    routes.filter(of_family).collect()
}

fn bridge_of<'a>(pods: &[&ObservedPod], node: &'a Facts) -> Option<&'a str> {
    pods.iter()
        .find_map(|pod| match follow(pod, pod.facts.as_ref().ok()?, node) {
            Wire::Joined { outside, .. } => node.link(outside.master).map(|l| l.name.as_str()),
            _ => None,
        })
}

fn one_a_family(ips: &[IpAddr]) -> impl Iterator<Item = IpAddr> + '_ {
    ips.iter()
        .enumerate()
        .filter(|(i, ip)| !ips[..*i].iter().any(|earlier| same_family(*earlier, **ip)))
        .map(|(_, ip)| *ip)
}

fn node_error(topology: &Topology<'_>, node: &str) -> String {
    match topology.node(node).map(|node| node.inside.facts()) {
        Some(Err(error)) => error.to_owned(),
        _ => "the cluster has no such node".to_owned(),
    }
}
