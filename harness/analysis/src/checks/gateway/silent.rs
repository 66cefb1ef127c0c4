//! Gateways that are as they should be and do not answer.
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::PodRef;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Basis, Command, Finding, Found, PodAt, State, Subject, Symptom};
use flatnet_model::follow::Fate;
use flatnet_model::observations::{Endpoint, ObservedPod};
use flatnet_model::probe::{DialOutcome, Failure};
use flatnet_model::reference::Netns;
use ipnet::IpNet;

use super::one_a_family;
use crate::checks::Deviation;
use crate::checks::findings::{Findings, Problem, Seen, count, subjects};
use crate::checks::topology::{Topology, at};
use crate::checks::veth::default_route;
use crate::checks::{bridge, followed, node_routes, pod_ip_present};

/// Node, next hop, and the number of the known problem that keeps it from answering, where there is one.
type Gateway<'a> = (&'a str, IpAddr, Option<usize>);

/// Gateways that do not answer, one piece of evidence per node and next hop. Pods whose route is known to be wrong are left out.
pub(super) fn silent(
    topology: &Topology<'_>,
    broken: &BTreeSet<&PodRef>,
    findings: &mut Findings,
) -> Vec<Deviation> {
    let asked = asked(topology);
    // The routes of all nodes are looked up for it, which a cluster whose gateways answer need not wait for.
    let known = LazyCell::new(|| known(topology));
    let mut silent: BTreeMap<Gateway<'_>, (Vec<PodAt>, State)> = BTreeMap::new();
    let mut answering = 0;
    for pod in topology
        .networked()
        .filter(|pod| !broken.contains(pod.reference()))
    {
        let Ok(facts) = &pod.facts else { continue };
        for hop in one_a_family(&pod.object.ips).filter_map(|ip| default_route(facts, ip)?.gateway)
        {
            if !topology.node_has(&pod.object.node, hop) {
                continue;
            }
            match asked.get(&(pod.reference(), hop)) {
                None => findings.unmeasured(format!(
                    "{} did not ask its gateway {hop}",
                    topology.who(pod)
                )),
                Some(Reply::Unsupported(detail)) => findings.unmeasured_for(
                    format!("{} cannot ask its gateway {hop}", topology.who(pod)),
                    detail,
                ),
                Some(Reply::Yes) => answering += 1,
                Some(Reply::No(detail)) => {
                    let why = known.iter().position(|problem| cuts_off(problem, pod));
                    let entry = silent
                        .entry((&pod.object.node, hop, why))
                        .or_insert_with(|| (Vec::new(), (**detail).clone()));
                    entry.0.push(at(pod));
                }
            }
        }
    }
    findings.headline(format!(
        "{} answered by the next hop of their default route",
        count(answering, "pod")
    ));
    silent
        .into_iter()
        .map(|((node, hop, why), (pods, said))| {
            let expected = State::AnswerOf(topology.held(hop));
            let look = Command::in_pod(&pods[0].pod, &format!("ping -c 1 -W 1 {hop}"));
            let why = why.map(|number| &known[number]);
            let (culprits, cause) = cut_off(topology, node, hop, &pods, why);
            let look = crate::look::at(&cause.cause, &topology.observations.pods).unwrap_or(look);
            Seen::new(expected, said, look).deviation(
                subjects(&pods),
                culprits,
                Finding::of(Symptom::GatewaySilent { pods, hop }, cause),
            )
        })
        .collect()
}

/// What other checks found that keeps a gateway from answering pods.
fn known(topology: &Topology<'_>) -> Vec<Problem> {
    let mut known = pod_ip_present::problems(topology);
    known.extend(bridge::problems(topology));
    let routes = node_routes::problems(topology).into_iter();
    known.extend(routes.filter(|problem| routed_away(problem).is_some()));
    known
}

/// The range of its own pods that a node sends away, answers of their gateway included.
fn routed_away(problem: &Problem) -> Option<IpNet> {
    match problem.deviation.finding.found()?.cause {
        Cause::OwnPodCidrRoutedAway { range, .. } => Some(range),
        _ => None,
    }
}

/// Whether a problem is about the pod, or about its node and that range.
fn cuts_off(problem: &Problem, pod: &ObservedPod) -> bool {
    match problem.pods.is_empty() {
        true => {
            let ips = &pod.object.ips;
            problem.node == pod.object.node
                && routed_away(problem).is_none_or(|range| ips.iter().any(|ip| range.contains(ip)))
        }
        false => problem.pods.contains(pod.reference()),
    }
}

/// Why pods get no answer from their gateway, and who is to blame: what was seen to end packets of theirs there or on their node, or what
/// another check knows. Where neither is known, some of a node's pods may be cut off by themselves or by the node, and nobody is named.
fn cut_off(
    topology: &Topology<'_>,
    node: &str,
    hop: IpAddr,
    pods: &[PodAt],
    known: Option<&Problem>,
) -> (Vec<Subject>, Found) {
    let is_one =
        |end: &Endpoint| matches!(end, Endpoint::Pod(pod) if pods.iter().any(|at| at.pod == *pod));
    let here = |netns: &Netns| match netns {
        Netns::Node(name) => name == node,
        Netns::Pod(pod) => pods.iter().any(|at| at.pod == *pod),
        Netns::Wire => false,
    };
    let followed = followed::between(topology, |from, to| is_one(from) || is_one(to));
    let ended = followed.iter().find_map(|followed| {
        let fate = followed.found.as_ref()?.fate.as_ref()?;
        let seen = fate.cause.as_ref()?;
        let is_here = followed::place_of(&seen.cause).is_some_and(here);
        (is_here && seen.basis == Basis::Seen).then_some((fate, seen))
    });
    let detailed = ended.filter(|(_, seen)| !followed::is_outline(seen));
    let known = known.and_then(|problem| {
        let found = problem.deviation.finding.found()?.clone();
        Some((problem.deviation.culprits.clone(), found))
    });
    let told = |(fate, seen): (&Fate, &Found)| (followed::blamed(topology, fate), seen.clone());
    if let Some(told) = detailed.map(told).or(known).or_else(|| ended.map(told)) {
        return told;
    }
    let cause = Cause::GatewayCutOff {
        node: node.to_owned(),
        hop,
    };
    let whole_node = topology.blame(pods);
    let culprits = whole_node.into_iter();
    let culprits = culprits.filter(|subject| matches!(subject, Subject::Node { .. }));
    (culprits.collect(), Found::inferred(cause))
}

enum Reply {
    Yes,
    No(Box<State>),
    Unsupported(String),
}

/// What pods got when they dialled addresses of their own node; any transport that answers counts, and so does a refusal:
/// it came from the gateway.
fn asked<'a>(topology: &Topology<'a>) -> BTreeMap<(&'a PodRef, IpAddr), Reply> {
    let mut asked = BTreeMap::new();
    for dial in &topology.observations.dials {
        let (Endpoint::Pod(pod), Endpoint::Node(node)) = (&dial.from, &dial.to) else {
            continue;
        };
        if topology.pod(pod).is_none_or(|pod| pod.object.node != *node) {
            continue;
        }
        let reply = match &dial.result {
            DialOutcome::Answered { .. }
            | DialOutcome::Failed {
                kind: Failure::Refused,
                ..
            } => Reply::Yes,
            DialOutcome::Failed {
                kind: Failure::Unsupported,
                detail,
                ..
            } => Reply::Unsupported(detail.clone()),
            DialOutcome::Failed { detail, .. } => Reply::No(Box::new(State::Unanswered {
                transport: dial.request.transport,
                said: detail.clone(),
            })),
        };
        let slot = asked
            .entry((pod, dial.request.address))
            .or_insert_with(|| Reply::Unsupported(String::new()));
        if !matches!(
            (&*slot, &reply),
            (Reply::Yes, _) | (Reply::No(_), Reply::Unsupported(_))
        ) {
            *slot = reply;
        }
    }
    asked
}
