//! `egress`: pods and nodes reach a peer outside the cluster, which sees the pod's own address or its node's.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Complaint, Finding, Found, State, Symptom, Talk};
use flatnet_model::probe::{DialOutcome, ReceivedRequest};

use super::callers::{culprits, only_some, seen_cause_at};
use super::calls::{Wrong, part};
use super::findings::{Findings, count, listed, transports};
use super::topology::Topology;
use super::{Deviation, Verdict};
use flatnet_model::observations::{Call, Endpoint, Observations, Outside};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let outside = match part(observations, |plane| &plane.outside) {
        Ok(outside) => outside,
        Err(verdict) => return verdict,
    };
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    let calls = &outside.egress;
    for node in topology.nodes() {
        let pods = topology
            .networked()
            .any(|pod| pod.object.node == node.object.name);
        let from = |call: &Call| {
            matches!(call.from, Endpoint::Pod(_))
                && topology.node_of(&call.from) == Some(&node.object.name)
        };
        if pods && !calls.iter().any(from) {
            findings.unmeasured(format!(
                "no pod of {} dialled the peer outside",
                node.object.name
            ));
        }
    }
    let mut routes_out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for call in calls {
        for outcome in &call.results {
            if let Ok(exit) = exit(&topology, call, outcome) {
                let names = routes_out.entry(exit).or_default();
                let name = topology.end_name(&call.from);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    let wrong = Wrong::of(&topology, calls, &mut findings, |call, outcome| {
        exit(&topology, call, outcome).map(drop)
    });
    let clients: BTreeSet<&Endpoint> = calls.iter().map(|call| &call.from).collect();
    let addresses: BTreeSet<IpAddr> = calls.iter().map(|call| call.request.address).collect();
    findings.headline(format!(
        "{} of {} reach {} outside the cluster over {}",
        clients.len() - wrong.clients().len(),
        count(clients.len(), "client"),
        list(&addresses),
        transports(calls.iter().map(|call| call.request.transport))
    ));
    for (exit, names) in &routes_out {
        findings.fact(format!("{exit}: {}", listed(names, 8)));
    }
    let nobody = wrong.len() == calls.len() && topology.nodes().count() > 1;
    for (node, wrong) in wrong.by(|call| topology.node_of(&call.from)) {
        let node = node.unwrap_or("?");
        let who = only_some(node, &wrong, calls, &topology);
        findings.fail(evidence(outside, node, who, &wrong, nobody, &topology));
    }
    findings.mention_forbidden(&topology);
    findings.mention_idle(&topology);
    findings.verdict()
}

/// Under which address a client is seen outside; an error is one that is neither its own nor its node's.
fn exit(
    topology: &Topology<'_>,
    call: &Call,
    outcome: &DialOutcome,
) -> Result<&'static str, Complaint> {
    let DialOutcome::Answered { seen_as, local, .. } = outcome else {
        return Err(Complaint::SourceUnknown);
    };
    match seen_as {
        Some(seen) => source(topology, call, *seen, Some(*local)),
        None => Err(Complaint::SourceUnknown),
    }
}

fn source(
    topology: &Topology<'_>,
    call: &Call,
    seen: IpAddr,
    local: Option<IpAddr>,
) -> Result<&'static str, Complaint> {
    let node = topology.node_of(&call.from).unwrap_or_default();
    let on_host = topology.on_host(&call.from);
    if on_host && (topology.node_has(node, seen) || local == Some(seen)) {
        Ok("nodes are seen as themselves")
    } else if !on_host && topology.addresses(&call.from).contains(&seen) {
        Ok("pods are seen outside as themselves (routed)")
    } else if !on_host && topology.node_has(node, seen) {
        Ok("pods are seen outside as their node (masqueraded)")
    } else if topology.unread(node).is_some() && topology.owner(seen).is_none() {
        Ok(
            "seen outside under an address of nobody known, where their node's addresses were not read",
        )
    } else {
        Err(Complaint::SeenAs(topology.held(seen)))
    }
}

fn evidence(
    outside: &Outside,
    node: &str,
    clients: Vec<Endpoint>,
    wrong: &Wrong<'_>,
    nobody: bool,
    topology: &Topology<'_>,
) -> Deviation {
    let strange = strangers(outside, wrong, topology);
    let stranger = strange.first();
    let saw = stranger.map(|(client, seen)| {
        State::from(Talk::PeerSaw {
            client: client.clone(),
            source: topology.held(*seen),
        })
    });
    let known = seen_cause_at(topology, [node], &wrong.over());
    let (who, cause) = match (stranger, known) {
        (Some((_, source)), _) => {
            let cause = Cause::EgressSource {
                node: node.to_owned(),
                source: *source,
            };
            (None, Found::inferred(cause))
        }
        (None, Some((node, found))) => (Some(vec![node]), found),
        (None, None) => {
            let cause = Cause::EgressBlocked {
                node: (!nobody).then(|| node.to_owned()),
            };
            (nobody.then(Vec::new), Found::inferred(cause))
        }
    };
    let subjects = culprits(node, &clients, &outside.egress, topology);
    let symptom = Symptom::OutsideUnreached {
        node: node.to_owned(),
        clients,
        over: wrong.over(),
    };
    let ping = wrong.calls().next().map(|call| {
        let ping = format!("ping -c 1 -W 1 {}", call.request.address);
        crate::look::in_end(&call.from, &ping)
    });
    Deviation {
        culprits: who.unwrap_or_else(|| subjects.clone()),
        subjects,
        finding: Finding::of(symptom, cause),
        expected: Talk::SeenAsOwn.into(),
        observed: wrong.observed().into_iter().chain(saw).collect(),
        look: ping.unwrap_or_else(|| Command::on(node, "ip route")),
    }
}

/// Clients of these calls that the peer saw under an address that is neither theirs nor their node's.
fn strangers<'a>(
    outside: &'a Outside,
    wrong: &Wrong<'a>,
    topology: &Topology<'_>,
) -> Vec<(Endpoint, IpAddr)> {
    let seen = |call: &'a Call| {
        let received = outside.received.iter().flatten();
        received
            .filter(|request: &&ReceivedRequest| {
                call.from.is_called(&request.from) && request.transport == call.request.transport
            })
            .filter(|request| source(topology, call, request.source, None).is_err())
            .map(|request| (call.from.clone(), request.source))
            .next()
    };
    wrong.calls().filter_map(seen).collect()
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    let each: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    each.join(", ")
}
