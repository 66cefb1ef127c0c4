//! `pod-ip-unique`: no pod shares its IP with another pod, a node or a gateway.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::Dialled;

use super::findings::{Findings, Problem, count, listed, look};
use super::topology::{Topology, is_link_local, own_addresses};
use super::{Evidence, Verdict, veth};
use flatnet_model::PodRef;
use flatnet_model::observations::{Observations, ObservedNode, ObservedPod};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    let holders = holders(&topology);
    for problem in problems(&topology) {
        findings.fail(problem.evidence);
    }
    for (address, pods) in &holders {
        let pods: Vec<&ObservedPod> = pods.iter().filter_map(|pod| topology.pod(pod)).collect();
        for node in topology.holders(*address) {
            findings.fail(pod_and_node(*address, &pods, node, &topology));
        }
        if topology.holders(*address).is_empty() {
            gateway_of_others(*address, &pods, &topology, &mut findings);
        }
    }
    let mut judged = 0;
    for pod in topology.networked() {
        judged += 1;
        if let Err(error) = &pod.facts {
            findings.unmeasured(format!("addresses inside {}: {error}", topology.who(pod)));
        }
    }
    if judged == 0 {
        findings.unmeasured("no pod with an address of its own runs");
    }
    findings.mention_idle(&topology);
    findings.fact(format!(
        "{} of {}, all different",
        count(holders.len(), "address"),
        count(judged, "pod")
    ));
    findings.verdict()
}

/// Pods that share an address: what is sent to one reaches the other.
pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    let answers = answers(topology.observations);
    let holders = holders(topology);
    let shared_by = holders.iter().filter(|(_, pods)| pods.len() > 1);
    shared_by
        .map(|(address, pods)| {
            let pods: Vec<&ObservedPod> = pods.iter().filter_map(|pod| topology.pod(pod)).collect();
            Problem {
                node: pods[0].object.node.clone(),
                peer: None,
                pods: pods.iter().map(|pod| pod.reference().clone()).collect(),
                evidence: shared(*address, &pods, &answers, topology),
            }
        })
        .collect()
}

/// Which pods hold an address: by the API, or on an interface of their own whatever the API says. Used by `no-nat` too: a
/// wrong responder at a shared address is not address translation.
pub(super) fn holders<'a>(topology: &Topology<'a>) -> BTreeMap<IpAddr, BTreeSet<&'a PodRef>> {
    let mut holders: BTreeMap<IpAddr, BTreeSet<&PodRef>> = BTreeMap::new();
    for pod in topology.networked() {
        let inside = pod
            .facts
            .iter()
            .flat_map(own_addresses)
            .filter(|address| !is_link_local(*address));
        for address in pod.object.ips.iter().copied().chain(inside) {
            holders.entry(address).or_default().insert(pod.reference());
        }
    }
    holders
}

/// Who answered at each address, and how often.
fn answers(observations: &Observations) -> BTreeMap<IpAddr, BTreeMap<&str, usize>> {
    let mut answers: BTreeMap<IpAddr, BTreeMap<&str, usize>> = BTreeMap::new();
    for dial in &observations.dials {
        if let Dialled::Answered {
            responder: Some(name),
            ..
        } = &dial.result
        {
            *answers
                .entry(dial.address)
                .or_default()
                .entry(name)
                .or_default() += 1;
        }
    }
    answers
}

fn shared(
    address: IpAddr,
    pods: &[&ObservedPod],
    answers: &BTreeMap<IpAddr, BTreeMap<&str, usize>>,
    topology: &Topology<'_>,
) -> Evidence {
    let names: Vec<String> = pods.iter().map(|pod| topology.who(pod)).collect();
    let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.object.node.as_str()).collect();
    let who: Vec<String> = answers
        .get(&address)
        .into_iter()
        .flatten()
        .map(|(name, times)| {
            let name = topology.own_name(name);
            format!("{name} answered {} there", count(*times, "dial"))
        })
        .collect();
    let mut observed = format!("{} all hold {address}", names.join(" and "));
    if pods.len() == 2 {
        observed = format!("{} both hold {address}", names.join(" and "));
    }
    if !who.is_empty() {
        observed.push_str(&format!("; {}", listed(&who, 4)));
    }
    let same_node = nodes.len() == 1;
    let claims = |node: &&ObservedNode| {
        node.object
            .pod_cidrs
            .iter()
            .any(|cidr| cidr.contains(&address))
    };
    let claimants: Vec<&str> = topology
        .nodes()
        .filter(claims)
        .map(|node| node.object.name.as_str())
        .collect();
    Evidence {
        what: format!("{} share the IP {address}", names.join(" and ")),
        expected: "an IP of its own for every pod".to_owned(),
        observed,
        culprit: match claimants.len() {
            _ if same_node => Some(pods[0].object.node.clone()),
            2.. => Some(claimants.join(" and ")),
            _ => None,
        },
        cause: Some(if same_node {
            format!(
                "IPAM on {} gave the address out twice, or it was added by hand",
                pods[0].object.node
            )
        } else {
            format!(
                "nodes {} assign from the same range, or the address was added by hand",
                listed(&Vec::from_iter(nodes), 4)
            )
        }),
        look: look(topology.pod_name(pods[0].reference()), "ip addr"),
    }
}

fn pod_and_node(
    address: IpAddr,
    pods: &[&ObservedPod],
    node: &str,
    topology: &Topology<'_>,
) -> Evidence {
    let names: Vec<String> = pods
        .iter()
        .map(|pod| topology.pod_name(pod.reference()))
        .collect();
    let device = topology
        .node(node)
        .and_then(|n| n.inside.facts().ok())
        .and_then(|facts| super::topology::device_of(facts, address));
    Evidence {
        what: format!(
            "pod {} has the IP {address} of node {node}",
            listed(&names, 4)
        ),
        expected: "an IP that no node holds".to_owned(),
        observed: format!(
            "{address} is on {} of {node} too",
            device.unwrap_or("an interface")
        ),
        culprit: Some(node.to_owned()),
        cause: Some("IPAM does not leave out the gateway or node address".to_owned()),
        look: look(node, "ip addr"),
    }
}

/// A pod that holds what other pods use as their next hop takes their traffic, even if the node lost that address.
fn gateway_of_others(
    address: IpAddr,
    pods: &[&ObservedPod],
    topology: &Topology<'_>,
    findings: &mut Findings,
) {
    let uses = |pod: &&ObservedPod| {
        let route = pod
            .facts
            .as_ref()
            .ok()
            .and_then(|facts| veth::default_route(facts, address));
        route.and_then(|route| route.gateway) == Some(address)
    };
    if let Some(user) = topology.networked().find(uses) {
        findings.fail(Evidence {
            what: format!(
                "{} has the IP {address} of the gateway",
                topology.who(pods[0])
            ),
            expected: "an IP that is no pod's next hop".to_owned(),
            observed: format!("{} has its default route via {address}", topology.who(user)),
            culprit: Some(pods[0].object.node.clone()),
            cause: Some("IPAM does not leave out the gateway address".to_owned()),
            look: look(topology.pod_name(user.reference()), "ip route"),
        });
    }
}
