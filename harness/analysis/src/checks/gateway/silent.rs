//! Gateways that are as they should be and do not answer.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::PodRef;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, PodAt, State, Subject, Symptom};
use flatnet_model::observations::Endpoint;
use flatnet_model::probe::{DialOutcome, Failure};

use super::one_a_family;
use crate::checks::Deviation;
use crate::checks::findings::{Findings, Seen, count, subjects};
use crate::checks::followed;
use crate::checks::topology::{Topology, at};
use crate::checks::veth::default_route;

/// Gateways that do not answer, one piece of evidence per node and next hop. Pods whose route is known to be wrong are left out.
pub(super) fn silent(
    topology: &Topology<'_>,
    broken: &BTreeSet<&PodRef>,
    findings: &mut Findings,
) -> Vec<Deviation> {
    let asked = asked(topology);
    let mut silent: BTreeMap<(&str, IpAddr), (Vec<PodAt>, State)> = BTreeMap::new();
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
                    let entry = silent
                        .entry((&pod.object.node, hop))
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
        .map(|((node, hop), (pods, said))| {
            let expected = State::AnswerOf(topology.held(hop));
            let look = Command::in_pod(&pods[0].pod, &format!("ping -c 1 -W 1 {hop}"));
            let (culprits, cause) = cut_off(topology, node, hop, &pods);
            let look = crate::look::at(&cause.cause).unwrap_or(look);
            Seen::new(expected, said, look).deviation(
                subjects(&pods),
                culprits,
                Finding::of(Symptom::GatewaySilent { pods, hop }, cause),
            )
        })
        .collect()
}

/// Why pods get no answer from their gateway, and who is to blame: what was seen of packets between one of them and anybody.
fn cut_off(
    topology: &Topology<'_>,
    node: &str,
    hop: IpAddr,
    pods: &[PodAt],
) -> (Vec<Subject>, Found) {
    let is_one =
        |end: &Endpoint| matches!(end, Endpoint::Pod(pod) if pods.iter().any(|at| at.pod == *pod));
    let followed = followed::between(topology, |from, to| is_one(from) || is_one(to));
    let fate = followed::fate(&followed).map(|(_, fate)| fate);
    let seen = fate.and_then(|fate| fate.cause.as_ref());
    if let (Some(fate), Some(seen)) = (fate, seen.filter(|found| !followed::is_outline(found))) {
        return (followed::blamed(topology, fate), seen.clone());
    }
    let cause = Cause::GatewayCutOff {
        node: node.to_owned(),
        hop,
    };
    (topology.blame(pods), Found::inferred(cause))
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
