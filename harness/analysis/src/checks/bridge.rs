//! `bridge`: a pod's host end sits on an UP bridge that holds the pod's gateway address.
use std::collections::BTreeMap;

use flatnet_model::kernel::Link;
use flatnet_model::probe::Facts;

use super::findings::{Findings, Problem, count, listed, look, without_nodes};
use super::topology::{Topology, same_family};
use super::veth::{Wire, default_route, follow};
use super::{Evidence, Verdict};
use flatnet_model::observations::{Observations, ObservedNode, ObservedPod};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_nodes(&topology) {
        return skip;
    }
    let mut findings = Findings::default();
    if topology.networked().next().is_none() {
        findings.unmeasured("no pod with a network namespace of its own runs");
    }
    unseen(&topology, &mut findings);
    if uses_bridges(&topology) {
        for problem in examine(&topology, &mut findings) {
            findings.fail(problem.evidence);
        }
    } else if pairs(&topology).count() == topology.networked().count()
        && pairs(&topology).next().is_some()
    {
        return Verdict::Skip {
            reason: "this CNI uses no bridge: no pod's host end is a port of one".to_owned(),
        };
    }
    findings.mention_idle(&topology);
    findings.verdict()
}

/// What is wrong between pods and bridges. Empty where the CNI uses no bridge.
pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    if uses_bridges(topology) {
        examine(topology, &mut Findings::default())
    } else {
        Vec::new()
    }
}

fn pairs<'a>(
    topology: &Topology<'a>,
) -> impl Iterator<Item = (&'a ObservedPod, &'a Facts, &'a ObservedNode, &'a Facts)> {
    topology.networked().filter_map(|pod| {
        let node = topology.node(&pod.object.node)?;
        Some((
            pod,
            pod.facts.as_ref().ok()?,
            node,
            node.inside.facts().ok()?,
        ))
    })
}

/// Bridges are in use when any pod's host end is a port of one, or any bridge holds some pod's gateway.
fn uses_bridges(topology: &Topology<'_>) -> bool {
    pairs(topology).any(|(pod, inside, _, outside)| {
        let port = match follow(pod, inside, outside) {
            Wire::Joined {
                outside: host_end, ..
            } => bridge_of(host_end, outside).is_some(),
            _ => false,
        };
        let holds_gateway = |link: &Link| {
            link.kind == "bridge"
                && gateways(pod, inside).any(|hop| {
                    outside
                        .addresses
                        .iter()
                        .any(|a| a.index == link.index && a.net.addr() == hop)
                })
        };
        port || outside.links.iter().any(holds_gateway)
    })
}

fn bridge_of<'a>(host_end: &Link, node: &'a Facts) -> Option<&'a Link> {
    node.links
        .iter()
        .find(|link| Some(link.index) == host_end.master && link.kind == "bridge")
}

/// Next hops of the pod's default routes. A pod without one has none here: that is for `gateway` to say.
fn gateways<'a>(
    pod: &'a ObservedPod,
    facts: &'a Facts,
) -> impl Iterator<Item = std::net::IpAddr> + 'a {
    pod.object
        .ips
        .iter()
        .filter_map(|ip| default_route(facts, *ip)?.gateway)
}

/// Pods and nodes whose interfaces could not be looked at.
fn unseen(topology: &Topology<'_>, findings: &mut Findings) {
    for pod in topology.networked() {
        if let Err(error) = &pod.facts {
            findings.unmeasured(format!("interfaces of {}: {error}", topology.who(pod)));
        }
        match topology
            .node(&pod.object.node)
            .map(|node| node.inside.facts())
        {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                findings.unmeasured(format!("interfaces of node {}: {error}", pod.object.node))
            }
            None => findings.unmeasured(format!(
                "node {} of pod {} is not known",
                pod.object.node,
                topology.pod_name(pod.reference())
            )),
        }
    }
}

fn examine(topology: &Topology<'_>, findings: &mut Findings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut bridges: BTreeMap<(&str, &str), Vec<(&ObservedPod, &Facts)>> = BTreeMap::new();
    for (pod, inside, node, outside) in pairs(topology) {
        match port(pod, inside, node, outside, topology) {
            Ok(bridge) => bridges
                .entry((&node.object.name, &bridge.name))
                .or_default()
                .push((pod, inside)),
            Err(problem) => problems.push(*problem),
        }
    }
    let ports: usize = bridges.values().map(Vec::len).sum();
    let mut held = 0;
    for ((node, bridge), pods) in bridges {
        let Some(facts) = topology
            .node(node)
            .and_then(|node| node.inside.facts().ok())
        else {
            continue;
        };
        match judge_bridge(node, bridge, &pods, facts, topology) {
            Ok(fact) => {
                held += pods.len();
                findings.fact(fact);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    findings.headline(format!(
        "{held} of {} on a bridge that is UP and holds their gateway address",
        count(ports, "pod")
    ));
    problems
}

/// The bridge a pod's host end is a port of, or what keeps it from being one.
fn port<'a>(
    pod: &ObservedPod,
    inside: &Facts,
    node: &ObservedNode,
    outside: &'a Facts,
    topology: &Topology<'_>,
) -> Result<&'a Link, Box<Problem>> {
    let who = topology.who(pod);
    let name = topology.pod_name(pod.reference());
    let complain = |what: String, observed: String, cause: &str, at: &str| {
        let evidence = Evidence {
            what,
            expected: "a veth whose host end is UP and a port of the bridge".to_owned(),
            observed,
            culprit: Some(who.clone()),
            cause: Some(cause.to_owned()),
            look: look(at, "ip link"),
        };
        Box::new(Problem {
            node: node.object.name.clone(),
            peer: None,
            pods: vec![pod.reference().clone()],
            evidence,
        })
    };
    let host_end = match follow(pod, inside, outside) {
        Wire::Joined { inside: link, .. } if !link.up => {
            let observed = format!("{} is DOWN in the pod", link.name);
            return Err(complain(
                format!("{who}: its {} is down", link.name),
                observed,
                "the interface was set down inside the pod",
                &name,
            ));
        }
        Wire::Joined {
            outside: host_end, ..
        } => host_end,
        Wire::NoInterface => {
            return Err(complain(
                format!("{who} has no interface besides loopback"),
                "no eth0 in the pod".to_owned(),
                "the interface was deleted",
                &name,
            ));
        }
        Wire::Loose(link) => {
            let observed = format!(
                "{} has no peer among the interfaces of {}",
                link.name, node.object.name
            );
            return Err(complain(
                format!("{who}: the host end of its {} is gone", link.name),
                observed,
                "the host end was moved or deleted",
                &node.object.name,
            ));
        }
        Wire::NotVeth(link) => {
            let observed = format!(
                "{} is a {}",
                link.name,
                if link.kind.is_empty() {
                    "device"
                } else {
                    &link.kind
                }
            );
            return Err(complain(
                format!("{who}: its {} is no veth", link.name),
                observed,
                "another CNI configuration made this pod",
                &name,
            ));
        }
    };
    if !host_end.up {
        let observed = format!("{} is DOWN", host_end.name);
        return Err(complain(
            format!("{who}: its host end {} is down", host_end.name),
            observed,
            "the host end was set down",
            &node.object.name,
        ));
    }
    bridge_of(host_end, outside).ok_or_else(|| {
        let observed = format!("{} has no master", host_end.name);
        complain(
            format!("{who}: its host end {} is on no bridge", host_end.name),
            observed,
            "the host end was taken off the bridge",
            &node.object.name,
        )
    })
}

/// A bridge with pods on it: UP, and holding the address they use as gateway.
fn judge_bridge(
    node: &str,
    bridge: &str,
    pods: &[(&ObservedPod, &Facts)],
    facts: &Facts,
    topology: &Topology<'_>,
) -> Result<String, Box<Problem>> {
    let complain =
        |what: String, expected: String, observed: String, cause: String, command: &str| {
            let evidence = Evidence {
                what,
                expected,
                observed,
                culprit: Some(node.to_owned()),
                cause: Some(cause),
                look: look(node, command),
            };
            let pods = pods
                .iter()
                .map(|(pod, _)| pod.reference().clone())
                .collect();
            Box::new(Problem {
                node: node.to_owned(),
                peer: None,
                pods,
                evidence,
            })
        };
    let Some(link) = facts
        .links
        .iter()
        .find(|link| link.name == bridge && link.kind == "bridge")
    else {
        return Ok(format!("{node}: {bridge}"));
    };
    if !link.up || matches!(link.operstate.as_str(), "DOWN" | "LOWERLAYERDOWN") {
        return Err(complain(
            format!("bridge {bridge} of {node} is down"),
            "state UP".to_owned(),
            format!(
                "state {}{}",
                link.operstate,
                if link.up { "" } else { ", set down" }
            ),
            "the bridge was set down, or none of its ports has a carrier".to_owned(),
            "ip link",
        ));
    }
    let held: Vec<_> = facts
        .addresses
        .iter()
        .filter(|address| address.index == link.index)
        .collect();
    for (pod, inside) in pods {
        if let Some(hop) =
            gateways(pod, inside).find(|hop| !held.iter().any(|address| address.net.addr() == *hop))
        {
            let has: Vec<String> = held
                .iter()
                .filter(|a| same_family(a.net.addr(), hop))
                .map(|a| a.net.to_string())
                .collect();
            return Err(complain(
                format!(
                    "bridge {bridge} of {node} does not hold {hop}, the gateway of pod {}",
                    topology.pod_name(pod.reference())
                ),
                format!("{hop} on {bridge}"),
                if has.is_empty() {
                    format!("{bridge} has no address of that family")
                } else {
                    format!("{bridge} has {}", listed(&has, 4))
                },
                format!("the gateway address is gone from {bridge}"),
                "ip addr",
            ));
        }
    }
    let global: Vec<String> = held
        .iter()
        .filter(|a| a.scope != "link")
        .map(|a| a.net.to_string())
        .collect();
    Ok(format!(
        "{node}: {bridge} {} with {}, {}",
        link.operstate,
        listed(&global, 4),
        count(pods.len(), "pod")
    ))
}
