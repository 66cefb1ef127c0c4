//! A pod reaches itself at an address that its node translates to it, as it would through a service.
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use flatnet_model::PodRef;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, State, Subject, Symptom, Talk};
use flatnet_model::observations::{Dial, Endpoint, ObservedPod, Translated};

use super::control::{Controls, Says, is_made, wrong};
use super::port;
use crate::checks::Deviation;
use crate::checks::findings::{Findings, listed, some, transports};
use crate::checks::topology::{Topology, at};

/// Judges the dials of pods to themselves. Where one fails, dials of others tell what is wrong: hairpin, or all that is translated.
///
/// Returns how many were reached, as a clause.
pub(super) fn judge(
    translated: &Translated,
    topology: &Topology<'_>,
    findings: &mut Findings,
) -> Option<String> {
    for (node, planted) in &translated.nodes {
        if let Err(why) = planted {
            findings.unmeasured_for(
                format!("whether pods of {node} reach themselves through a service"),
                format!("the node took no rules that translate an address: {why}"),
            );
        }
    }
    let controls = Controls::of(translated, topology);
    let mut own: BTreeMap<&PodRef, Vec<&Dial>> = BTreeMap::new();
    for dial in translated.dials.iter().filter(|dial| is_made(dial)) {
        if let (Endpoint::Pod(from), true) = (&dial.from, dial.from == dial.to) {
            own.entry(from).or_default().push(dial);
        }
    }
    let (mut reached, mut tried) = (0, 0);
    let mut over = BTreeSet::new();
    let mut elsewhere = Vec::new();
    for (name, dials) in own {
        let Some(pod) = topology.pod(name).filter(|pod| pod.runs()) else {
            continue;
        };
        tried += 1;
        over.extend(dials.iter().map(|dial| dial.request.transport));
        let bad: Vec<&Dial> = dials.into_iter().filter(|d| wrong(d).is_some()).collect();
        if bad.is_empty() {
            reached += 1;
            continue;
        }
        let judged = Judged::of(&controls, topology, pod, bad);
        if judged.is_told_elsewhere() {
            elsewhere.push(topology.pod_name(name));
        }
        judged.tell(&controls, topology, findings);
    }
    let not_judged = match elsewhere.len() {
        0 => String::new(),
        some => format!(" ({some} not judged)"),
    };
    if !elsewhere.is_empty() {
        findings.fact(format!(
            "not judged through a service: {}: to and from another pod of the node packets get lost, or answers rewritten, without one, too",
            listed(&elsewhere, 6)
        ));
    }
    (tried > 0).then(|| {
        let over = transports(over);
        format!("{reached} of {tried} through a service address over {over}{not_judged}")
    })
}

/// The failed dials of a pod to itself, by what the others say of them.
struct Judged<'a> {
    pod: &'a ObservedPod,
    /// Where the way back to the port is at fault, and what was seen of it.
    hairpin: Vec<(&'a Dial, Option<(Cause, Command)>)>,
    /// Where translated packets are lost, and not only those of the pod to itself.
    lost: Vec<&'a Dial>,
    others_lost: Vec<&'a Dial>,
    unknown: Vec<&'a Dial>,
}

impl<'a> Judged<'a> {
    fn of(
        controls: &Controls<'a>,
        topology: &Topology<'_>,
        pod: &'a ObservedPod,
        bad: Vec<&'a Dial>,
    ) -> Self {
        let mut judged = Judged {
            pod,
            hairpin: Vec::new(),
            lost: Vec::new(),
            others_lost: Vec::new(),
            unknown: Vec::new(),
        };
        for dial in bad {
            let off = port::off(topology, pod, dial.request.address.is_ipv6());
            match controls.of_failed(pod.reference(), dial) {
                _ if off.is_some() => judged.hairpin.push((dial, off)),
                Says::OnlyItself => judged.hairpin.push((dial, None)),
                Says::Translated(others) => {
                    judged.lost.push(dial);
                    let (own, to_it): (Vec<&Dial>, Vec<&Dial>) = others
                        .into_iter()
                        .partition(|other| other.from == dial.from);
                    // Those of its own say enough, and are alike for all pods of a node.
                    let shown = if own.is_empty() { to_it } else { own };
                    judged.others_lost.extend(shown);
                }
                Says::Everything => {}
                Says::Nothing => judged.unknown.push(dial),
            }
        }
        judged
    }

    fn is_told_elsewhere(&self) -> bool {
        self.hairpin.is_empty() && self.lost.is_empty() && self.unknown.is_empty()
    }

    fn tell(self, controls: &Controls<'_>, topology: &Topology<'_>, findings: &mut Findings) {
        let pod = self.pod;
        let node = &pod.object.node;
        for dial in self.unknown {
            findings.unmeasured_for(
                format!(
                    "why {} does not reach itself through a service over {}",
                    topology.who(pod),
                    dial.request.transport
                ),
                "no dial of the same kind to or from another pod is there to compare with",
            );
        }
        if !self.hairpin.is_empty() {
            let (bad, off): (Vec<&Dial>, Vec<_>) = self.hairpin.into_iter().unzip();
            let (found, look) = port::explained(off.into_iter().flatten().next(), node);
            let culprit = Subject::Pod(at(pod));
            findings.fail(deviation(pod, &bad, &[], culprit, (found, look)));
        }
        if let Some(first) = self.lost.first() {
            let culprit = match controls.any_passes(topology, node, first) {
                true => Subject::Pod(at(pod)),
                false => Subject::node_of(node),
            };
            let found = Found::inferred(Cause::TranslatedLost { node: node.clone() });
            let look = Command::on(node, "nft list ruleset");
            let others = &self.others_lost;
            findings.fail(deviation(pod, &self.lost, others, culprit, (found, look)));
        }
    }
}

/// A pod that does not reach itself: dials of its own, and others that failed as well.
fn deviation(
    pod: &ObservedPod,
    bad: &[&Dial],
    others: &[&Dial],
    culprit: Subject,
    (found, look): (Found, Command),
) -> Deviation {
    let who = at(pod);
    let addresses: BTreeSet<IpAddr> = bad.iter().map(|dial| dial.request.address).collect();
    let target = |dial: &Dial| SocketAddr::new(dial.request.address, dial.request.port).to_string();
    let called = |dial: &&Dial| -> Option<State> {
        let called = Talk::Called {
            from: dial.from.clone(),
            target: target(dial),
            transport: dial.request.transport,
            said: vec![(wrong(dial)?, 1)],
            dials: 1,
        };
        Some(called.into())
    };
    let mut observed = some(bad.iter().filter_map(called).collect(), 3);
    if !others.is_empty() {
        observed.extend(some(others.iter().filter_map(called).collect(), 3));
    }
    let symptom = Symptom::UnreflectedByService {
        pod: who.clone(),
        addresses: addresses.into_iter().collect(),
        over: bad.iter().map(|dial| dial.request.transport).collect(),
    };
    let expected = Talk::AnswerOfPod {
        pod: Some(who.pod.clone()),
        at: Some(target(bad[0])),
    };
    Deviation {
        subjects: vec![Subject::Pod(who)],
        culprits: vec![culprit],
        finding: Finding::of(symptom, found),
        expected: expected.into(),
        observed,
        look,
    }
}
