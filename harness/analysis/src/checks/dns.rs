//! `dns`: a pod's own nameserver tells it the addresses of services, over UDP and TCP.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::probe::{Lookup, Record, Resolved};

use super::calls::part;
use super::findings::{Findings, count, joined, listed, look};
use super::topology::Topology;
use super::{Evidence, Verdict};
use flatnet_model::observations::{Dns, DnsClient, Observations, expected_names};

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
                findings.unmeasured(format!(
                    "names in pod {}: {error}",
                    topology.pod_name(&client.pod)
                ));
            }
            (Ok(_), Ok(answers)) if answers.is_empty() => {
                without.push(topology.pod_name(&client.pod));
            }
            (Ok(_), Ok(answers)) => asking.push((client, answers.as_slice())),
        }
    }
    if asking.is_empty() && !without.is_empty() && without.len() == dns.clients.len() {
        return Verdict::Skip {
            reason: format!(
                "no cluster domain in /etc/resolv.conf of {}: dnsPolicy is not ClusterFirst there",
                listed(&without, 4)
            ),
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
    findings.verdict()
}

/// What is wrong with one answer.
struct Complaint<'a> {
    lookup: &'a Lookup,
    what: String,
    /// No answer at all.
    silent: bool,
}

fn complaints<'a>(dns: &Dns, answers: &'a [(Lookup, Resolved)]) -> Vec<Complaint<'a>> {
    let complaint = |(lookup, resolved): &'a (Lookup, Resolved)| {
        let (what, silent) = match resolved {
            Resolved::Failed { detail, .. } => (detail.clone(), true),
            Resolved::Answered {
                code, addresses, ..
            } => {
                let expected = expected_names(&dns.names, lookup);
                if code != "NOERROR" {
                    (code.clone(), false)
                } else if expected.as_ref().is_some_and(|wanted| wanted != addresses) {
                    let wanted = expected.unwrap_or_default();
                    (
                        format!("{}, expected {}", list(addresses), list(&wanted)),
                        false,
                    )
                } else {
                    return None;
                }
            }
        };
        Some(Complaint {
            lookup,
            what,
            silent,
        })
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
        "{} of {} told {} by {} over udp, tcp",
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

/// One piece a node, or one for all where nobody is told.
fn evidence(
    dns: &Dns,
    wrong: Vec<(&DnsClient, Vec<Complaint<'_>>)>,
    nobody: bool,
    topology: &Topology<'_>,
) -> Vec<Evidence> {
    let mut groups: BTreeMap<&str, Vec<(&DnsClient, Vec<Complaint<'_>>)>> = BTreeMap::new();
    for (client, complaints) in wrong {
        let node = topology
            .pod(&client.pod)
            .map_or("?", |pod| &pod.object.node);
        let place = if nobody { "any node" } else { node };
        groups.entry(place).or_default().push((client, complaints));
    }
    groups
        .into_iter()
        .map(|(node, wrong)| one(dns, node, &wrong, nobody, topology))
        .collect()
}

fn one(
    dns: &Dns,
    node: &str,
    wrong: &[(&DnsClient, Vec<Complaint<'_>>)],
    nobody: bool,
    topology: &Topology<'_>,
) -> Evidence {
    let complaints = || wrong.iter().flat_map(|(_, complaints)| complaints);
    let pods: Vec<String> = wrong
        .iter()
        .map(|(client, _)| topology.pod_name(&client.pod))
        .collect();
    let here = topology
        .networked()
        .filter(|pod| pod.object.node == node)
        .count();
    let culprit = match (nobody, pods.len() == here) {
        (true, _) => None,
        (false, true) => Some(node.to_owned()),
        (false, false) => Some(format!("{} on {node}", listed(&pods, 6))),
    };
    let server = wrong
        .iter()
        .find_map(|(client, _)| client.conf.as_ref().ok()?.nameservers.first());
    let server = server.map_or_else(|| "its nameserver".to_owned(), ToString::to_string);
    let said: Vec<String> = wrong
        .iter()
        .flat_map(|(client, complaints)| complaints.iter().map(move |c| (client, c)))
        .map(|(client, Complaint { lookup, what, .. })| {
            format!(
                "{} asked for {} {} over {}: {what}",
                topology.pod_name(&client.pod),
                lookup.name,
                record(lookup.record),
                lookup.over
            )
        })
        .collect();
    let carriers: BTreeSet<&str> = complaints().map(|c| c.lookup.over.as_str()).collect();
    let over = Vec::from_iter(carriers).join(", ");
    let silent = complaints().all(|complaint| complaint.silent);
    let who = match (nobody, pods.len()) {
        (true, _) => "no pod is".to_owned(),
        (false, 1) => format!("{} on {node} is not", pods[0]),
        (false, _) => format!("{} on {node} are not", listed(&pods, 6)),
    };
    Evidence {
        what: format!("{who} told the addresses of services by {server}, asked over {over}"),
        expected: "the address of each service (A), or no address of a family it has not (AAAA)"
            .to_owned(),
        observed: joined(&said, "; ", 3),
        cause: Some(cause(dns, silent, nobody, node, &over)),
        look: match dns.servers {
            Ok(0) => "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide".to_owned(),
            _ => look(&pods[0], "nslookup kubernetes.default"),
        },
        culprit,
    }
}

fn cause(dns: &Dns, silent: bool, nobody: bool, node: &str, over: &str) -> String {
    if dns.servers == Ok(0) {
        return "no pod behind the service kube-system/kube-dns is ready".to_owned();
    }
    match (silent, nobody) {
        (false, _) => {
            "the server answers, but does not know the cluster's services: does it reach the API?"
                .to_owned()
        }
        (true, true) => "no node leads to the DNS server, or it does not answer".to_owned(),
        (true, false) => format!(
            "a packet filter on {node} drops questions over {over}, or {node} does not reach the server's pods, see service and cross-node"
        ),
    }
}

fn record(record: Record) -> &'static str {
    match record {
        Record::A => "A",
        Record::Aaaa => "AAAA",
    }
}

fn list(addresses: &[std::net::IpAddr]) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    let each: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    each.join(", ")
}
