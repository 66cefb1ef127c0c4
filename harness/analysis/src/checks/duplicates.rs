//! `duplicates`: no packet arrives twice.
//!
//! Servers count the nonces of the requests they receive, clients those of the answers. A request that comes twice is answered
//! twice, so that only answers beyond those were doubled on the way back.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, Found, State, Subject, Symptom, Talk};
use flatnet_model::observations::{Endpoint, Observations};
use flatnet_model::probe::Transport;

use super::findings::{Findings, count, some, transports, without_networked};
use super::series::extent;
use super::topology::Topology;
use super::{Deviation, Verdict};

/// Sender, receiver, over what.
type Direction = (Endpoint, Endpoint, Transport);

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skipped) = without_networked(&topology) {
        return skipped;
    }
    let mut findings = Findings::default();
    let mut copies: BTreeMap<Direction, usize> = BTreeMap::new();
    let (mut received, mut over) = (0_usize, BTreeSet::new());
    for (server, seen) in &observations.received {
        if !topology.takes_part(server) {
            continue;
        }
        let requests = match seen {
            Ok(requests) => requests,
            Err(error) => {
                if topology.within_reach(server) {
                    let (kind, name) = (server.kind(), topology.end_name(server));
                    findings.unmeasured_for(format!("what arrived at {kind}/{name}"), error);
                }
                continue;
            }
        };
        for request in requests.iter().filter(|r| r.transport != Transport::Tcp) {
            received += request.count as usize;
            over.insert(request.transport);
            if let (Some(client), true) = (topology.named(&request.from), request.copies > 0) {
                let direction = (client, server.clone(), request.transport);
                *copies.entry(direction).or_default() += request.copies as usize;
            }
        }
    }
    for (client, answers) in &observations.repeated_answers {
        for answers in answers {
            let Some(server) = holder(&topology, answers.from) else {
                continue;
            };
            let asked_twice = (client.clone(), server.clone(), answers.transport);
            let explained = copies.get(&asked_twice).copied().unwrap_or_default();
            let own = (answers.count as usize).saturating_sub(explained);
            if own > 0 {
                let direction = (server, client.clone(), answers.transport);
                *copies.entry(direction).or_default() += own;
            }
        }
    }
    if received == 0 {
        findings.unmeasured("no request over udp or icmp arrived anywhere");
    }
    if !copies.is_empty() {
        findings.fail(evidence(&copies, &topology));
    }
    findings.fact(format!(
        "{} over {} arrived once, and so did the answers",
        count(received, "request"),
        transports(over)
    ));
    findings.mention_idle(&topology);
    findings.verdict()
}

/// The pod or node that answers at an address.
fn holder(topology: &Topology<'_>, address: std::net::IpAddr) -> Option<Endpoint> {
    let mut pods = topology.networked();
    let pod = pods.find(|pod| pod.object.ips.contains(&address));
    let node = || {
        topology
            .holders(address)
            .first()
            .map(|name| (*name).to_owned())
    };
    pod.map(|pod| pod.endpoint())
        .or_else(|| node().map(Endpoint::Node))
}

fn evidence(copies: &BTreeMap<Direction, usize>, topology: &Topology<'_>) -> Deviation {
    let known: Vec<(&Endpoint, &Endpoint)> =
        copies.keys().map(|(from, to, _)| (from, to)).collect();
    let (between, culprit) = extent(topology, known.into_iter());
    let mut directions: Vec<(&Direction, usize)> = copies
        .iter()
        .map(|(direction, n)| (direction, *n))
        .collect();
    directions.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let each = directions.iter().map(|((from, to, over), copies)| {
        State::from(Talk::Twice {
            from: from.clone(),
            to: to.clone(),
            over: *over,
            copies: *copies,
        })
    });
    let (from, to, _) = directions[0].0;
    let target = topology.addresses(to).first();
    let line = match target {
        Some(address) => format!("ping -c 4 {address}"),
        None => "ip neigh".to_owned(),
    };
    let pairs = between.iter().cloned();
    Deviation {
        subjects: pairs.map(|(from, to)| Subject::Pair { from, to }).collect(),
        culprits: culprit.map(Subject::node_of).into_iter().collect(),
        finding: Finding::of(
            Symptom::Doubled {
                copies: copies.values().sum(),
                over: copies.keys().map(|(.., over)| *over).collect(),
                between,
            },
            Found::inferred(Cause::PacketsDoubled {
                node: culprit.map(str::to_owned),
            }),
        ),
        expected: Talk::OneOfEach.into(),
        observed: some(each.collect(), 4),
        look: crate::look::in_end(from, &line),
    }
}
