//! `dns`: a pod's own nameserver tells it the addresses of services, over UDP and TCP.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, NameAnswer, PodAt, State, Symptom, Talk};
use flatnet_model::probe::{Lookup, Resolved, Transport};
use flatnet_model::{PodRef, Protocol};

use super::callers::seen_cause_at;
use super::calls::part;
use super::findings::{Findings, count, listed, some, subjects};
use super::topology::Topology;
use super::{Deviation, Verdict};
use flatnet_model::observations::{Dns, DnsClient, Observations, expected_names};
use flatnet_model::skip::SkipReason;

pub(super) fn judge(observations: &Observations) -> Verdict {
    let dns = match part(observations, |plane| &plane.dns) {
        Ok(dns) => dns,
        Err(verdict) => return verdict,
    };
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    let mut without = Vec::new();
    let mut asking = Vec::new();
    for client in &dns.clients {
        match (&client.conf, &client.answers) {
            (Err(error), _) | (_, Err(error)) => {
                let name = topology.pod_name(&client.pod);
                findings.unmeasured_for(format!("names in pod {name}"), error);
            }
            (Ok(_), Ok(answers)) if answers.is_empty() => {
                without.push(topology.pod_name(&client.pod));
            }
            (Ok(_), Ok(answers)) => asking.push((client, answers.as_slice())),
        }
    }
    if asking.is_empty() && !without.is_empty() && without.len() == dns.clients.len() {
        return Verdict::Skip {
            reason: SkipReason::NoClusterDomain {
                pods: dns
                    .clients
                    .iter()
                    .map(|client| client.pod.clone())
                    .collect(),
            },
        };
    }
    for pod in topology.networked() {
        if !dns
            .clients
            .iter()
            .any(|client| client.pod == *pod.reference())
        {
            findings.unmeasured(format!(
                "pod {} was not asked for names",
                topology.pod_name(pod.reference())
            ));
        }
    }
    if dns.denied.is_none() {
        for (lookup, _) in asking.iter().flat_map(|(_, answers)| answers.iter()) {
            if let Err(why) = expected_names(&dns.names, lookup) {
                findings.unmeasured(format!("which addresses {} has: {why}", lookup.name));
            }
        }
    }
    let wrong: Vec<(&DnsClient, Vec<Complaint<'_>>)> = asking
        .iter()
        .map(|(client, answers)| (*client, complaints(dns, answers)))
        .filter(|(_, complaints)| !complaints.is_empty())
        .collect();
    headline(&asking, wrong.len(), &mut findings);
    if !without.is_empty() {
        findings.fact(format!(
            "no cluster domain in /etc/resolv.conf of {}",
            listed(&without, 6)
        ));
    }
    let nobody = wrong.len() == asking.len() && topology.nodes().count() > 1;
    for evidence in evidence(dns, wrong, nobody, &topology) {
        findings.fail(evidence);
    }
    if dns.clients.is_empty() {
        findings.unmeasured("no pod was asked for names");
    }
    findings.mention_idle(&topology);
    match (findings.verdict(), &dns.denied) {
        // Nothing is wrong with what was answered, but there is nothing to compare all of it with.
        (Verdict::Pass { .. }, Some(why)) => Verdict::Skip {
            reason: SkipReason::NotAvailable { why: why.clone() },
        },
        (verdict, _) => verdict,
    }
}

/// What is wrong with one answer.
struct Complaint<'a> {
    lookup: &'a Lookup,
    answer: NameAnswer,
}

fn complaints<'a>(dns: &Dns, answers: &'a [(Lookup, Resolved)]) -> Vec<Complaint<'a>> {
    let complaint = |(lookup, resolved): &'a (Lookup, Resolved)| {
        let answer = match resolved {
            Resolved::Failed { detail, .. } => NameAnswer::Nothing(detail.clone()),
            Resolved::Answered { code, .. } if code != "NOERROR" => NameAnswer::Code(code.clone()),
            Resolved::Answered { addresses, .. } => {
                // Where it is an error there is nothing to compare with: `judge` says so.
                let expected = expected_names(&dns.names, lookup).ok();
                NameAnswer::Addresses {
                    answered: addresses.clone(),
                    expected: expected.filter(|wanted| wanted != addresses)?,
                }
            }
        };
        Some(Complaint { lookup, answer })
    };
    answers.iter().filter_map(complaint).collect()
}

fn headline(asking: &[(&DnsClient, &[(Lookup, Resolved)])], wrong: usize, findings: &mut Findings) {
    let names: BTreeSet<&str> = asking
        .iter()
        .flat_map(|(_, answers)| answers.iter().map(|(lookup, _)| lookup.name.as_str()))
        .collect();
    let names = Vec::from_iter(names);
    let servers: BTreeSet<String> = asking
        .iter()
        .filter_map(|(client, _)| Some(client.conf.as_ref().ok()?.nameservers.first()?.to_string()))
        .collect();
    findings.fact(format!(
        "{} of {} get the addresses of {} from {} over udp, tcp",
        asking.len() - wrong,
        count(asking.len(), "pod"),
        listed(&names, 2),
        listed(&Vec::from_iter(servers), 2)
    ));
    let slowest = asking
        .iter()
        .flat_map(|(_, answers)| answers.iter())
        .filter_map(|(_, resolved)| match resolved {
            Resolved::Answered { rtt_us, .. } => Some(*rtt_us),
            Resolved::Failed { .. } => None,
        });
    if let Some(slowest) = slowest.max() {
        findings.fact(format!(
            "the slowest answer took {} ms",
            slowest.div_ceil(1000)
        ));
    }
}

/// One piece per node, or one for all where no pod gets the addresses.
fn evidence(
    dns: &Dns,
    wrong: Vec<(&DnsClient, Vec<Complaint<'_>>)>,
    nobody: bool,
    topology: &Topology<'_>,
) -> Vec<Deviation> {
    let mut groups: BTreeMap<&str, Vec<(&DnsClient, Vec<Complaint<'_>>)>> = BTreeMap::new();
    for (client, complaints) in wrong {
        let node = topology
            .pod(&client.pod)
            .map_or("?", |pod| &pod.object.node);
        let place = if nobody { "any node" } else { node };
        groups.entry(place).or_default().push((client, complaints));
    }
    let several = groups.len() > 1;
    groups
        .into_iter()
        .map(|(node, wrong)| one(dns, node, &wrong, nobody, several, topology))
        .collect()
}

fn one(
    dns: &Dns,
    node: &str,
    wrong: &[(&DnsClient, Vec<Complaint<'_>>)],
    nobody: bool,
    several: bool,
    topology: &Topology<'_>,
) -> Deviation {
    let complaints = || wrong.iter().flat_map(|(_, complaints)| complaints);
    let pods: Vec<PodRef> = wrong.iter().map(|(client, _)| client.pod.clone()).collect();
    let pods_at: Vec<PodAt> = pods
        .iter()
        .map(|pod| PodAt::new(pod.clone(), node))
        .collect();
    let server = wrong
        .iter()
        .find_map(|(client, _)| client.conf.as_ref().ok()?.nameservers.first());
    let asked = wrong
        .iter()
        .flat_map(|(client, complaints)| complaints.iter().map(move |c| (client, c)));
    let asked = asked.map(|(client, complaint)| {
        State::from(Talk::Asked {
            pod: client.pod.clone(),
            name: complaint.lookup.name.clone(),
            record: complaint.lookup.record,
            over: complaint.lookup.over,
            answer: complaint.answer.clone(),
        })
    });
    let over: BTreeSet<Protocol> = complaints().map(|c| c.lookup.over).collect();
    let silent = complaints().all(|complaint| matches!(complaint.answer, NameAnswer::Nothing(_)));
    let place = (!nobody).then(|| node.to_owned());
    let without = dns.servers.as_ref().is_ok_and(Vec::is_empty);
    let servers = dns.servers.iter().flatten();
    let servers = servers.filter_map(|server| server.node.as_deref());
    let transports = over.iter().map(|over| Transport::from(*over)).collect();
    let nodes = place.as_deref().into_iter().chain(servers);
    let known = seen_cause_at(topology, nodes, &transports).filter(|_| !without);
    let inferred = || {
        Found::inferred(match silent {
            _ if without => Cause::DnsServerMissing {},
            false => Cause::DnsServerIgnorant {},
            true => Cause::DnsServerUnreached {
                node: place.clone(),
                over: over.clone(),
            },
        })
    };
    let (culprits, cause) = match known {
        Some((node, found)) => (vec![node], found),
        // What pods of several nodes do not get is not a matter of each node.
        None if nobody || several => (Vec::new(), inferred()),
        None => (topology.blame(&pods_at), inferred()),
    };
    Deviation {
        subjects: subjects(&pods_at),
        culprits,
        expected: Talk::NamesKnown.into(),
        observed: some(asked.collect(), 3),
        look: match without {
            true => Command::here("kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide"),
            false => Command::in_pod(&pods[0], "nslookup kubernetes.default"),
        },
        finding: Finding::of(
            Symptom::NamesUnknown {
                pods,
                node: place,
                server: server.copied(),
                over,
            },
            cause,
        ),
    }
}
