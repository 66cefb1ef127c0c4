//! `hairpin`: a pod reaches itself by its own IP, and through a service address.
mod control;
pub(super) mod port;
mod translated;

use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::probe::{DialOutcome, Failure, Transport};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, State, Subject, Symptom, Talk};

use crate::checks::findings::{
    Findings, Problem, count, listed, some, transports, without_networked,
};
use crate::checks::topology::{Topology, at};
use crate::checks::{Deviation, Verdict, pod_ip_present};
use crate::look;
use flatnet_model::PodRef;
use flatnet_model::observations::{Dial, Endpoint, Observations, ObservedPod};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_networked(&topology) {
        return skip;
    }
    let mut findings = Findings::default();
    let mut own: BTreeMap<&PodRef, Vec<&Dial>> = BTreeMap::new();
    for dial in &observations.dials {
        if let (Endpoint::Pod(from), true) = (&dial.from, dial.from == dial.to) {
            own.entry(from).or_default().push(dial);
        }
    }
    let mut over = BTreeSet::new();
    let mut no_icmp = Vec::new();
    let addresses = pod_ip_present::problems(&topology);
    let (mut judged, mut reached) = (0, 0);
    for pod in topology.networked() {
        let dials = own.get(pod.reference()).map_or(&[][..], Vec::as_slice);
        let (not_supported, measured): (Vec<&Dial>, Vec<&Dial>) = dials.iter().partition(|dial| {
            matches!(
                dial.result,
                DialOutcome::Failed {
                    kind: Failure::Unsupported,
                    ..
                }
            )
        });
        for dial in not_supported {
            if dial.request.transport == Transport::Icmp && !measured.is_empty() {
                no_icmp.push(topology.pod_name(pod.reference()));
            } else {
                findings.unmeasured(format!(
                    "{} of {} to itself",
                    dial.request.transport,
                    topology.who(pod)
                ));
            }
        }
        if measured.is_empty() {
            let what = format!("{} did not dial itself", topology.who(pod));
            match &pod.facts {
                Ok(_) => findings.unmeasured(what),
                Err(why) => findings.unmeasured_for(what, why),
            }
            continue;
        }
        judged += 1;
        over.extend(measured.iter().map(|dial| dial.request.transport));
        let failed: Vec<&Dial> = measured
            .into_iter()
            .filter(|dial| matches!(dial.result, DialOutcome::Failed { .. }))
            .collect();
        if failed.is_empty() {
            reached += 1;
        } else {
            findings.fail(evidence(
                pod,
                &failed,
                addresses
                    .iter()
                    .find(|problem| problem.pods.contains(pod.reference())),
            ));
        }
    }
    if judged == 0 {
        findings.unmeasured("no running pod dialled its own address");
    }
    let translated = observations.translated.as_ref();
    let by_service =
        translated.and_then(|tried| translated::judge(tried, &topology, &mut findings));
    findings.headline(format!(
        "{reached} of {} reach themselves by their own IP over {}{}",
        count(judged, "pod"),
        transports(over),
        by_service.map_or_else(String::new, |clause| format!(", {clause}"))
    ));
    if !no_icmp.is_empty() {
        findings.fact(format!(
            "icmp not measured in {}: it may not be sent there",
            listed(&no_icmp, 6)
        ));
    }
    findings.mention_idle(&topology);
    findings.verdict()
}

fn evidence(pod: &ObservedPod, failed: &[&Dial], address: Option<&Problem>) -> Deviation {
    let said = failed.iter().filter_map(|dial| match &dial.result {
        DialOutcome::Failed { detail, .. } => Some(State::from(Talk::Itself {
            transport: dial.request.transport,
            address: dial.request.address,
            said: detail.clone(),
        })),
        DialOutcome::Answered { .. } => None,
    });
    let lo_down = pod
        .facts
        .as_ref()
        .is_ok_and(|facts| facts.links.iter().any(|link| link.name == "lo" && !link.up));
    let over: BTreeSet<Transport> = failed.iter().map(|dial| dial.request.transport).collect();
    let look = match lo_down {
        true => Command::in_pod(pod.reference(), "ip link show lo"),
        false => look::unanswered(&pod.endpoint(), &over, &failed[0].request),
    };
    let who = at(pod);
    // The kernel delivers what goes to an own address over loopback (net/ipv4/route.c, RTN_LOCAL).
    let loopback = || {
        let pod = who.clone();
        Found::seen(Cause::LoopbackDown { pod })
    };
    let cause = match address.and_then(|problem| problem.deviation.finding.found()) {
        Some(found) => Some(found.clone()),
        None => lo_down.then(loopback),
    };
    let symptom = Symptom::Unreflected {
        pod: who.clone(),
        over,
    };
    let subject = vec![Subject::Pod(who)];
    Deviation {
        subjects: subject.clone(),
        culprits: subject,
        finding: Finding::Symptom { symptom, cause },
        expected: Talk::AnswersItself.into(),
        observed: some(said.collect(), 3),
        look,
    }
}
