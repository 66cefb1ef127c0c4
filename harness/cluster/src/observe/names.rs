//! What pods get when they ask their own nameserver.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use flatnet_model::probe::{Lookup, Protocol, Record, ResolvConf, Resolved, ask};

use super::dials::{ATTEMPT_MS, ATTEMPTS};
use super::fleet::Fleet;
use super::fleet::READ_WITHIN;
use crate::PodRef;
use flatnet_model::observations::{DnsClient, Endpoint, Observed, ObservedPod};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// RFC 1035 section 4.2.
const DNS_PORT: u16 = 53;
/// A new name is served once the server's watch has brought it, and a "no such name" of the moment before is kept for 5 s
/// (CoreDNS, plugin kubernetes, `ttl`).
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(500);

/// Asks for `names` (without the cluster's domain) in every pod of the pod network; `good` says which answers are final.
pub(super) async fn ask(
    fleet: &Fleet,
    pods: &[ObservedPod],
    names: &[String],
    good: impl Fn(&Lookup, &Resolved) -> bool,
) -> Vec<DnsClient> {
    let asked = pods
        .iter()
        .filter(|pod| !pod.object.host_network && fleet.port(&pod.endpoint()).is_some());
    let asked = asked.map(|pod| (pod.endpoint(), pod.reference()));
    let pods: BTreeMap<Endpoint, &PodRef> = asked.collect();
    let questions = pods.keys().map(|end| {
        let ask = ask::ResolvConf {
            path: RESOLV_CONF.to_owned(),
        };
        (end.clone(), ask)
    });
    let confs = fleet.ask(questions.collect(), READ_WITHIN).await;
    let mut clients: BTreeMap<Endpoint, DnsClient> = BTreeMap::new();
    for (at, answer) in confs {
        let Some(pod) = pods.get(&at) else { continue };
        let client = DnsClient {
            pod: (*pod).clone(),
            conf: answer,
            answers: Ok(Vec::new()),
        };
        clients.insert(at, client);
    }
    let begun = Instant::now();
    let mut left: Vec<Endpoint> = clients.keys().cloned().collect();
    while !left.is_empty() {
        let row = |at: &Endpoint| question(clients.get(at)?.conf.as_ref().ok()?, names);
        let questions: Vec<(Endpoint, ask::Resolve)> = left
            .iter()
            .filter_map(|at| Some((at.clone(), row(at)?)))
            .collect();
        let mut lookups: BTreeMap<Endpoint, Vec<Lookup>> = questions
            .iter()
            .map(|(at, question)| (at.clone(), question.lookups.clone()))
            .collect();
        let limit = Duration::from_millis(ATTEMPT_MS * u64::from(ATTEMPTS)) + READ_WITHIN;
        left.clear();
        for (at, answer) in fleet.ask(questions, limit).await {
            let lookups = lookups.remove(&at).unwrap_or_default();
            let answers: Observed<Vec<_>> =
                answer.map(|answer| lookups.into_iter().zip(answer.results).collect());
            let settled = match &answers {
                Ok(answers) => answers
                    .iter()
                    .all(|(lookup, resolved)| good(lookup, resolved)),
                Err(_) => true,
            };
            if !settled && begun.elapsed() < PATIENCE {
                left.push(at.clone());
            }
            if let Some(client) = clients.get_mut(&at) {
                client.answers = answers;
            }
        }
        if !left.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    clients.into_values().collect()
}

/// Every name, both families, both ways; nothing where the file names no nameserver or no cluster domain.
fn question(conf: &ResolvConf, names: &[String]) -> Option<ask::Resolve> {
    let server = SocketAddr::new(*conf.nameservers.first()?, DNS_PORT);
    let domain = domain(conf)?;
    let mut lookups = Vec::new();
    for name in names {
        for record in [Record::A, Record::Aaaa] {
            for over in [Protocol::Udp, Protocol::Tcp] {
                lookups.push(Lookup {
                    name: format!("{name}.{domain}"),
                    record,
                    over,
                });
            }
        }
    }
    Some(ask::Resolve {
        server,
        lookups,
        timeout_ms: ATTEMPT_MS,
        attempts: ATTEMPTS,
    })
}

/// The cluster's domain: kubelet's search list is `NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN` (Kubernetes, DNS for Services and
/// Pods).
fn domain(conf: &ResolvConf) -> Option<&str> {
    let mut search = conf.search.iter();
    search.find_map(|entry| entry.strip_prefix("svc."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_read_from_the_search_list() {
        let conf = |search: &[&str]| ResolvConf {
            nameservers: vec!["10.96.0.10".parse().unwrap()],
            search: search.iter().map(|&entry| entry.to_owned()).collect(),
        };
        let usual = conf(&["a.svc.k.example", "svc.k.example", "k.example", "lan"]);
        assert_eq!(domain(&usual), Some("k.example"));
        let names = ["kubernetes.default.svc".to_owned()];
        let asked = question(&usual, &names).unwrap();
        assert_eq!(asked.server, "10.96.0.10:53".parse().unwrap());
        assert_eq!(asked.lookups.len(), 4);
        assert_eq!(asked.lookups[0].name, "kubernetes.default.svc.k.example");
        assert!(question(&conf(&["lan"]), &names).is_none());
    }
}
