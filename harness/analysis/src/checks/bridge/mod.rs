//! `bridge`: a pod's host end sits on an UP bridge that holds the pod's gateway address.
mod before;
mod ports;

use std::collections::BTreeMap;

use flatnet_model::kernel::Link;
use flatnet_model::probe::Facts;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, PodAt, State, Subject, Symptom};

use crate::checks::Verdict;
use crate::checks::findings::{
    Findings, Problem, Seen, count, listed, subjects, without_networked, without_nodes,
};
use crate::checks::settings::ipv6_off;
use crate::checks::topology::{Topology, at, same_family};
use crate::checks::veth::{Wire, default_route, follow};
use flatnet_model::observations::{Observations, ObservedNode, ObservedPod};
use flatnet_model::reference::Netns;
use flatnet_model::skip::SkipReason;

pub(in crate::checks) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_nodes(&topology) {
        return skip;
    }
    if let Some(skip) = without_networked(&topology) {
        return skip;
    }
    let mut findings = Findings::default();
    if topology.networked().next().is_none() {
        findings.unmeasured("no pod with a network namespace of its own runs");
    }
    unseen(&topology, &mut findings);
    if uses_bridges(&topology) {
        for problem in examine(&topology, &mut findings) {
            findings.fail(problem.deviation);
        }
        for deviation in before::repaired(observations, &mut findings) {
            findings.fail(deviation);
        }
    } else if pairs(&topology).count() == topology.networked().count()
        && pairs(&topology).next().is_some()
    {
        return Verdict::Skip {
            reason: SkipReason::NoBridge,
        };
    }
    findings.mention_idle(&topology);
    findings.verdict()
}

/// What is wrong between pods and bridges. Empty where the CNI uses no bridge.
pub(in crate::checks) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
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
                    let held = outside.address(hop);
                    held.is_some_and(|held| held.index == link.index)
                })
        };
        port || outside.links.iter().any(holds_gateway)
    })
}

fn bridge_of<'a>(host_end: &Link, node: &'a Facts) -> Option<&'a Link> {
    node.link(host_end.master)
        .filter(|link| link.kind == "bridge")
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
            findings.unmeasured_for(format!("interfaces of {}", topology.who(pod)), error);
        }
        match topology
            .node(&pod.object.node)
            .map(|node| node.inside.facts())
        {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                findings.unmeasured_for(format!("interfaces of node {}", pod.object.node), error)
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
    let mut attached = Vec::new();
    for (pod, inside, node, outside) in pairs(topology) {
        attached.push(ports::Attached {
            pod,
            inside,
            node: &node.object.name,
            outside,
        });
        match port(pod, inside, node, outside) {
            Ok(bridge) => bridges
                .entry((&node.object.name, &bridge.name))
                .or_default()
                .push((pod, inside)),
            Err(problem) => problems.push(*problem),
        }
    }
    problems.extend(ports::problems(&attached));
    let ports: usize = bridges.values().map(Vec::len).sum();
    let mut held = 0;
    for ((node, bridge), pods) in bridges {
        let Some(facts) = topology
            .node(node)
            .and_then(|node| node.inside.facts().ok())
        else {
            continue;
        };
        match judge_bridge(node, bridge, &pods, facts) {
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
    of: &ObservedPod,
    inside: &Facts,
    node: &ObservedNode,
    outside: &'a Facts,
) -> Result<&'a Link, Box<Problem>> {
    let who = at(of);
    let complain = |cause: Cause, observed: State, look: Command| {
        let subject = vec![Subject::Pod(who.clone())];
        Box::new(Problem {
            node: node.object.name.clone(),
            peer: None,
            pods: vec![who.pod.clone()],
            deviation: Seen::new(State::VethOnBridge, observed, look).deviation(
                subject.clone(),
                subject,
                Finding::cause(cause),
            ),
        })
    };
    let in_pod = || Command::in_pod(&who.pod, "ip link");
    let on_node = || Command::on(&node.object.name, "ip link");
    let (pod, device) = (who.clone(), |link: &Link| link.name.clone());
    let host_end = match follow(of, inside, outside) {
        Wire::Joined { inside: link, .. } if !link.up => {
            let device = device(link);
            let observed = State::DownInPod {
                device: device.clone(),
            };
            return Err(complain(
                Cause::InterfaceDown { pod, device },
                observed,
                in_pod(),
            ));
        }
        Wire::Joined {
            outside: host_end, ..
        } => host_end,
        Wire::NoInterface => {
            let cause = Cause::InterfaceMissing { pod };
            return Err(complain(cause, State::NoInterface, in_pod()));
        }
        Wire::Loose(link) => {
            let device = device(link);
            let observed = State::NoPeer {
                device: device.clone(),
                node: node.object.name.clone(),
            };
            let cause = Cause::HostEndMissing { pod, device };
            return Err(complain(cause, observed, on_node()));
        }
        Wire::NotVeth(link) => {
            let device = device(link);
            let observed = State::DeviceKind {
                device: device.clone(),
                kind: link.kind.clone(),
            };
            let cause = Cause::NotVeth { pod, device };
            return Err(complain(cause, observed, on_node()));
        }
    };
    let device = device(host_end);
    if !host_end.up {
        let observed = State::DeviceIs {
            device: device.clone(),
            up: false,
        };
        let cause = Cause::HostEndDown { pod, device };
        return Err(complain(cause, observed, on_node()));
    }
    bridge_of(host_end, outside).ok_or_else(|| {
        let observed = State::NoMaster {
            device: device.clone(),
        };
        let cause = Cause::HostEndNotOnBridge { pod, device };
        complain(cause, observed, on_node())
    })
}

/// A bridge with pods on it: UP, and holding the address they use as gateway.
fn judge_bridge(
    node: &str,
    bridge: &str,
    pods: &[(&ObservedPod, &Facts)],
    facts: &Facts,
) -> Result<String, Box<Problem>> {
    let complain = |finding: Finding, expected: State, observed: State, command: &str| {
        let holders: Vec<PodAt> = pods.iter().map(|(pod, _)| at(pod)).collect();
        let look = Command::on(node, command);
        let culprit = vec![Subject::node_of(node)];
        let device = Subject::Device {
            node: node.to_owned(),
            device: bridge.to_owned(),
        };
        let about = std::iter::once(device).chain(subjects(&holders));
        Box::new(Problem {
            node: node.to_owned(),
            peer: None,
            pods: holders.iter().map(|at| at.pod.clone()).collect(),
            deviation: Seen::new(expected, observed, look).deviation(
                about.collect(),
                culprit,
                finding,
            ),
        })
    };
    let link = facts.link_named(bridge);
    let Some(link) = link.filter(|link| link.kind == "bridge") else {
        return Ok(format!("{node}: {bridge}"));
    };
    if !link.up || matches!(link.operstate.as_str(), "DOWN" | "LOWERLAYERDOWN") {
        let cause = Cause::BridgeDown {
            node: node.to_owned(),
            bridge: bridge.to_owned(),
        };
        let observed = State::BridgeState {
            state: link.operstate.clone(),
            set_down: !link.up,
        };
        return Err(complain(
            Finding::cause(cause),
            State::BridgeUp,
            observed,
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
            let has = held.iter().map(|a| a.net);
            let observed = State::DeviceAddresses {
                device: bridge.to_owned(),
                addresses: has.filter(|net| same_family(net.addr(), hop)).collect(),
            };
            let expected = State::AddressOn {
                address: hop,
                device: Some(bridge.to_owned()),
                node: node.to_owned(),
            };
            let symptom = Symptom::BridgeWithoutGateway {
                node: node.to_owned(),
                bridge: bridge.to_owned(),
                hop,
                pod: at(pod),
            };
            let cause = match ipv6_off(facts, bridge, hop) {
                Some(key) => Cause::Ipv6Off {
                    at: Netns::Node(node.to_owned()),
                    key,
                },
                None => Cause::GatewayAddressMissing {
                    node: node.to_owned(),
                    bridge: Some(bridge.to_owned()),
                    address: hop,
                },
            };
            let finding = Finding::of(symptom, Found::seen(cause));
            return Err(complain(finding, expected, observed, "ip addr"));
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
