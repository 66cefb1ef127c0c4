//! `pod-ip-unique`: no pod shares its IP with another pod, a node or a gateway.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::DialOutcome;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, PodAt, State, Subject};

use super::allocation::without_pod_cidrs;
use super::findings::{
    Findings, Problem, Seen, count, not_allowed, some, subjects, without_networked,
};
use super::topology::{Topology, at, is_link_local, own_addresses};
use super::{Deviation, Verdict, veth};
use flatnet_model::PodRef;
use flatnet_model::observations::{Observations, ObservedNode, ObservedPod};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_networked(&topology) {
        return skip;
    }
    let mut findings = Findings::default();
    let holders = holders(&topology);
    for problem in problems(&topology) {
        findings.fail(problem.deviation);
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
            findings.unmeasured_for(format!("addresses inside {}", topology.who(pod)), error);
        }
    }
    if judged == 0 {
        findings.unmeasured("no pod with an address of its own runs");
    }
    match topology.nodes_forbidden() {
        Some(denied) => findings.fact(format!(
            "of nodes only the InternalIPs were compared: {}",
            not_allowed(denied)
        )),
        None => findings.unread(&topology, "addresses"),
    }
    findings.mention_idle(&topology);
    findings.headline(format!(
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
                deviation: shared(*address, &pods, &answers, topology),
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
        if let DialOutcome::Answered {
            responder: Some(name),
            ..
        } = &dial.result
        {
            *answers
                .entry(dial.request.address)
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
) -> Deviation {
    let holders: Vec<PodAt> = pods.iter().map(|pod| at(pod)).collect();
    let nodes: BTreeSet<&str> = holders.iter().map(|at| at.node.as_str()).collect();
    let answered = answers.get(&address).into_iter().flatten();
    let answered = answered.map(|(name, times)| State::AnsweredThere {
        name: (*name).to_owned(),
        times: *times,
    });
    let held = State::HeldBy {
        address,
        pods: holders.clone(),
    };
    let in_use = without_pod_cidrs(topology).is_none();
    let claims = |node: &&ObservedNode| {
        in_use
            && node
                .object
                .pod_cidrs
                .iter()
                .any(|cidr| cidr.contains(&address))
    };
    let claimants: Vec<Subject> = topology
        .nodes()
        .filter(claims)
        .map(|node| Subject::node_of(&node.object.name))
        .collect();
    let culprits = match claimants.len() {
        _ if nodes.len() == 1 => vec![Subject::node_of(&holders[0].node)],
        2.. => claimants,
        _ => Vec::new(),
    };
    Deviation {
        subjects: subjects(&holders),
        culprits,
        expected: State::OwnAddress,
        observed: std::iter::once(held)
            .chain(some(answered.collect(), 4))
            .collect(),
        look: Command::in_pod(pods[0].reference(), "ip addr"),
        finding: Finding::cause(Cause::AddressShared {
            address,
            pods: holders,
        }),
    }
}

fn pod_and_node(
    address: IpAddr,
    pods: &[&ObservedPod],
    node: &str,
    topology: &Topology<'_>,
) -> Deviation {
    let holders: Vec<PodAt> = pods.iter().map(|pod| at(pod)).collect();
    let device = topology
        .node(node)
        .and_then(|n| n.inside.facts().ok())
        .and_then(|facts| super::topology::device_of(facts, address));
    let observed = State::OnNodeToo {
        address,
        device: device.map(str::to_owned),
        node: node.to_owned(),
    };
    let seen = Seen::new(State::FreeOfNodes, observed, Command::on(node, "ip addr"));
    seen.deviation(
        subjects(&holders),
        vec![Subject::node_of(node)],
        Finding::cause(Cause::NodeAddressOnPod {
            address,
            node: node.to_owned(),
            pods: holders,
        }),
    )
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
        let pod = at(pods[0]);
        let observed = State::DefaultRouteOf {
            pod: at(user),
            via: address,
        };
        let look = Command::in_pod(user.reference(), "ip route");
        findings.fail(Seen::new(State::FreeOfGateways, observed, look).deviation(
            vec![Subject::Pod(pod.clone())],
            vec![Subject::node_of(&pod.node)],
            Finding::cause(Cause::GatewayOnPod { address, pod }),
        ));
    }
}
