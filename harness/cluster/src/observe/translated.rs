//! Pods dial an address that nobody has and that their node translates: to the pod itself, as kube-proxy does for a service with
//! that one backend, and to another pod of the node, which tells what is wrong with the first from what is wrong with every service.
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_model::kernel::netfilter::TRANSLATING;
use flatnet_model::observations::{Dial, Endpoint, Observed, ObservedPod, Translated};
use flatnet_model::probe::{DialRequest, Transport, ask};

use super::dials::dial;
use super::fleet::{Fleet, READ_WITHIN};

/// Leads a pod to itself. For documentation only (RFC 5737), so that no network has it.
const OWN_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));
/// Leads a pod to another one of its node.
const OTHER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 11));
/// The same of IPv6 (RFC 3849).
const OWN_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x7411, 0, 0, 0, 0, 0x10));
const OTHER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x7411, 0, 0, 0, 0, 0x11));

const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Udp];

/// An address that leads a pod of one node to a pod of that node.
struct Way<'a> {
    node: &'a str,
    from: Endpoint,
    to: Endpoint,
    port: u16,
    translation: ask::Translation,
}

/// Has every node translate for its pods, dials, and has it end; a node whose probe does not answer any more ends by itself. `run`
/// tells runs apart.
pub(super) async fn dials(fleet: &Fleet, pods: &[ObservedPod], run: &str) -> Translated {
    let ways = ways(fleet, pods);
    let mut questions: BTreeMap<Endpoint, ask::Translate> = BTreeMap::new();
    for way in &ways {
        let question = questions.entry(Endpoint::Node(way.node.to_owned()));
        let question = question.or_insert_with(|| ask::Translate {
            table: format!("{TRANSLATING}{run}"),
            translations: Vec::new(),
        });
        question.translations.push(way.translation);
    }
    let answers = fleet
        .ask(questions.into_iter().collect(), READ_WITHIN)
        .await;
    let nodes = answers.into_iter().map(|(at, answer)| match at {
        Endpoint::Node(node) => (node, answer.map(|_| ())),
        other => (other.to_string(), answer.map(|_| ())),
    });
    let nodes: BTreeMap<String, Observed<()>> = nodes.collect();
    let mut rows: BTreeMap<Endpoint, Vec<(Endpoint, DialRequest)>> = BTreeMap::new();
    for way in &ways {
        if nodes.get(way.node).is_some_and(Result::is_ok) {
            let row = rows.entry(way.from.clone()).or_default();
            row.extend(TRANSPORTS.map(|transport| {
                let request = DialRequest {
                    address: way.translation.dialled,
                    transport,
                    port: way.port,
                };
                (way.to.clone(), request)
            }));
        }
    }
    let requests = rows.iter().map(|(from, row)| {
        let row = row.iter().map(|(_, request)| *request);
        (from.clone(), row.collect())
    });
    let mut results = dial(fleet, requests.collect()).await;
    let ending = nodes
        .keys()
        .map(|node| (Endpoint::Node(node.clone()), ask::TranslateEnd {}));
    fleet.ask(ending.collect(), READ_WITHIN).await;
    let dials = rows.into_iter().flat_map(|(from, row)| {
        let results = results.remove(&from).unwrap_or_default();
        let made = row.into_iter().zip(results);
        made.map(move |((to, request), result)| Dial {
            from: from.clone(),
            to,
            request,
            result,
        })
    });
    Translated {
        dials: dials.collect(),
        nodes,
    }
}

/// Each pod to itself, and to the next of its node, the last to the first, in each family.
fn ways<'a>(fleet: &Fleet, pods: &'a [ObservedPod]) -> Vec<Way<'a>> {
    let mut of_nodes: BTreeMap<&str, Vec<(&ObservedPod, u16)>> = BTreeMap::new();
    for pod in pods
        .iter()
        .filter(|pod| pod.runs() && !pod.object.host_network)
    {
        if let Some(port) = fleet.port(&pod.endpoint()) {
            of_nodes
                .entry(&pod.object.node)
                .or_default()
                .push((pod, port));
        }
    }
    let mut ways = Vec::new();
    for (node, pods) in of_nodes {
        let next = pods.iter().cycle().skip(1);
        for ((pod, port), (other, others_port)) in pods.iter().zip(next) {
            let mut add = |to: &ObservedPod, port: u16, v4: IpAddr, v6: IpAddr| {
                for from in &pod.object.ips {
                    let same_family = |ip: &&IpAddr| ip.is_ipv4() == from.is_ipv4();
                    let Some(own) = to.object.ips.iter().find(same_family) else {
                        continue;
                    };
                    ways.push(Way {
                        node,
                        from: pod.endpoint(),
                        to: to.endpoint(),
                        port,
                        translation: ask::Translation {
                            from: *from,
                            dialled: if from.is_ipv4() { v4 } else { v6 },
                            to: *own,
                        },
                    });
                }
            };
            add(pod, *port, OWN_V4, OWN_V6);
            if pods.len() > 1 {
                add(other, *others_port, OTHER_V4, OTHER_V6);
            }
        }
    }
    ways
}
