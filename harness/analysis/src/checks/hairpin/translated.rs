//! A pod reaches itself at an address that its node translates to it, as it would through a service.
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use flatnet_model::PodRef;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Complaint, Finding, Subject, Symptom, Talk};
use flatnet_model::observations::{Dial, Endpoint, ObservedPod, Translated};
use flatnet_model::probe::{DialOutcome, Failure, Transport};

use super::port;
use crate::checks::Deviation;
use crate::checks::calls::answered_by;
use crate::checks::findings::{Findings, listed, some, transports};
use crate::checks::topology::{Topology, at};

/// Dials that differ in neither transport nor family.
type Kind = (Transport, bool);

fn kind(dial: &Dial) -> Kind {
    (dial.request.transport, dial.request.address.is_ipv6())
}

/// Judges the dials of pods to themselves. One that fails says something about that only where the cause is seen, or else where
/// such addresses lead from this pod to another, and from another to this one.
///
/// Returns how many were reached, as a clause.
pub(super) fn judge(
    translated: &Translated,
    topology: &Topology<'_>,
    findings: &mut Findings,
) -> Option<String> {
    for (node, planted) in &translated.nodes {
        if let Err(why) = planted {
            findings.fact(format!(
                "not tried through a service on {node}: its kernel took no rules for that: {why}"
            ));
        }
    }
    let mut own: BTreeMap<&PodRef, Vec<&Dial>> = BTreeMap::new();
    let (mut sent, mut arrived) = (BTreeSet::new(), BTreeSet::new());
    for dial in translated.dials.iter().filter(|dial| is_made(dial)) {
        let (Endpoint::Pod(from), Endpoint::Pod(to)) = (&dial.from, &dial.to) else {
            continue;
        };
        if from == to {
            own.entry(from).or_default().push(dial);
        } else if wrong(dial).is_none() {
            sent.insert((from, kind(dial)));
            arrived.insert((to, kind(dial)));
        }
    }
    let (mut reached, mut judged) = (0, 0);
    let mut over = BTreeSet::new();
    let mut elsewhere = Vec::new();
    for (name, dials) in own {
        let Some(pod) = topology.pod(name).filter(|pod| pod.runs()) else {
            continue;
        };
        over.extend(dials.iter().map(|dial| dial.request.transport));
        let mut bad = dials.iter().copied().filter(|dial| wrong(dial).is_some());
        let judge = |dial| {
            let off = port::off(topology, pod, kind(dial).1);
            let controlled = [&sent, &arrived].map(|ends| ends.contains(&(name, kind(dial))));
            (off.is_some() || controlled == [true, true]).then_some((dial, off))
        };
        let told: Vec<(&Dial, Option<_>)> = bad.clone().filter_map(judge).collect();
        if !told.is_empty() {
            judged += 1;
            findings.fail(deviation(pod, told));
        } else if bad.next().is_none() {
            judged += 1;
            reached += 1;
        } else {
            elsewhere.push(topology.pod_name(name));
        }
    }
    let tried = judged + elsewhere.len();
    let not_judged = match elsewhere.len() {
        0 => String::new(),
        some => format!(" ({some} not judged)"),
    };
    if !elsewhere.is_empty() {
        findings.fact(format!(
            "not judged through a service: {}: no other pod of the node is seen to be reached, and to reach it, that way",
            listed(&elsewhere, 6)
        ));
    }
    (tried > 0).then(|| {
        let over = transports(over);
        format!("{reached} of {tried} through a service address over {over}{not_judged}")
    })
}

/// A probe that could not dial says nothing.
fn is_made(dial: &Dial) -> bool {
    !matches!(
        dial.result,
        DialOutcome::Failed {
            kind: Failure::Unsupported,
            ..
        }
    )
}

/// What is wrong with a dial, where something is.
fn wrong(dial: &Dial) -> Option<Complaint> {
    if let DialOutcome::Failed { detail, .. } = &dial.result {
        return Some(Complaint::Said(detail.clone()));
    }
    let Endpoint::Pod(to) = &dial.to else {
        return None;
    };
    answered_by(std::iter::once(to), &dial.result).err()
}

fn deviation(pod: &ObservedPod, told: Vec<(&Dial, Option<(Cause, Command)>)>) -> Deviation {
    let (bad, off): (Vec<&Dial>, Vec<_>) = told.into_iter().unzip();
    let who = at(pod);
    let addresses: BTreeSet<IpAddr> = bad.iter().map(|dial| dial.request.address).collect();
    let target = |dial: &Dial| SocketAddr::new(dial.request.address, dial.request.port).to_string();
    let observed = bad.iter().filter_map(|dial| {
        let called = Talk::Called {
            from: dial.from.clone(),
            target: target(dial),
            transport: dial.request.transport,
            said: vec![(wrong(dial)?, 1)],
            dials: 1,
        };
        Some(called.into())
    });
    let symptom = Symptom::UnreflectedByService {
        pod: who.clone(),
        addresses: addresses.into_iter().collect(),
        over: bad.iter().map(|dial| dial.request.transport).collect(),
    };
    let (found, look) = port::explained(off.into_iter().flatten().next(), &who.node);
    let expected = Talk::AnswerOfPod {
        pod: Some(who.pod.clone()),
        at: Some(target(bad[0])),
    };
    let subject = vec![Subject::Pod(who)];
    Deviation {
        subjects: subject.clone(),
        culprits: subject,
        finding: Finding::of(symptom, found),
        expected: expected.into(),
        observed: some(observed.collect(), 3),
        look,
    }
}
