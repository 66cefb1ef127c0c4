//! Streams of numbers between pods, under way while something is changed.
use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_model::change::StreamRun;
use flatnet_model::observations::{Endpoint, Observed};
use flatnet_model::probe::{DialRequest, StreamReport, StreamReports, Transport, ask};
use flatnet_model::snapshot::PodSnapshot;

use super::fleet::{Fleet, READ_WITHIN};

/// Between two numbers of a stream, milliseconds.
const EVERY_MS: u64 = 10;
/// How long a connection may take to be opened, milliseconds: two lost SYNs (RFC 6298: 1 s, then 2 s).
const OPENS_WITHIN_MS: u64 = 4_000;
/// What the network has for longer is told as a stall, milliseconds: half of the shortest time after which TCP sends again
/// (TCP_RTO_MIN, 200 ms).
const STALL_MS: u64 = 100;
/// Ordered pairs of nodes that each get a stream; where there are more, each node is a client of the next ones only.
const MOST_PAIRS: usize = 64;

/// Streams that are open, by client, in the order in which its probe has them.
pub struct Streams(BTreeMap<Endpoint, Vec<Stream>>);

struct Stream {
    to: Endpoint,
    request: DialRequest,
    opened: Observed<()>,
}

/// From a pod of each node to one of each node, its own included: nodes in their order, each pod in turn.
pub fn pairs<'a>(pods: &[&'a PodSnapshot]) -> Vec<(&'a PodSnapshot, &'a PodSnapshot)> {
    let mut by_node: BTreeMap<&str, Vec<&PodSnapshot>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !pod.host_network) {
        by_node.entry(&pod.node).or_default().push(pod);
    }
    let nodes: Vec<Vec<&PodSnapshot>> = by_node.into_values().collect();
    let peers = match nodes.len() * nodes.len() <= MOST_PAIRS {
        true => nodes.len(),
        false => (MOST_PAIRS / nodes.len()).max(2),
    };
    let mut pairs = Vec::new();
    for (index, clients) in nodes.iter().enumerate() {
        for step in 0..peers {
            let servers = &nodes[(index + step) % nodes.len()];
            let client = clients[step % clients.len()];
            // On its own node, another than itself; where there is no other, none.
            let server = servers[(index + step + 1) % servers.len()];
            let server = match server.reference == client.reference {
                true => servers.iter().find(|pod| pod.reference != client.reference),
                false => Some(&server),
            };
            pairs.extend(server.map(|server| (client, *server)));
        }
    }
    pairs
}

/// Opens a TCP and a UDP stream for each pair and each of the server's addresses.
pub async fn open(fleet: &Fleet, pairs: &[(&PodSnapshot, &PodSnapshot)]) -> Streams {
    let mut streams: BTreeMap<Endpoint, Vec<Stream>> = BTreeMap::new();
    for (client, server) in pairs {
        let to = Endpoint::Pod(server.reference.clone());
        let Some(port) = fleet.port(&to) else {
            continue;
        };
        for address in &server.ips {
            let of_client = streams
                .entry(Endpoint::Pod(client.reference.clone()))
                .or_default();
            of_client.extend([Transport::Tcp, Transport::Udp].map(|transport| Stream {
                to: to.clone(),
                request: DialRequest {
                    address: *address,
                    transport,
                    port,
                },
                opened: Ok(()),
            }));
        }
    }
    let questions = streams.iter().map(|(from, streams)| {
        let question = ask::StreamsOpen {
            targets: streams.iter().map(|stream| stream.request).collect(),
            every_ms: EVERY_MS,
            timeout_ms: OPENS_WITHIN_MS,
            stall_ms: STALL_MS,
            lasts_ms: ask::StreamsOpen::MOST_MS,
        };
        (from.clone(), question)
    });
    let limit = Duration::from_millis(OPENS_WITHIN_MS) + READ_WITHIN;
    for (from, answer) in fleet.ask(questions.collect(), limit).await {
        let of_client = streams.get_mut(&from).into_iter().flatten();
        match answer {
            Ok(answer) => of_client
                .zip(answer.opened)
                .for_each(|(stream, opened)| stream.opened = opened),
            Err(why) => of_client.for_each(|stream| stream.opened = Err(why.clone())),
        }
    }
    Streams(streams)
}

impl Streams {
    /// What became of them so far.
    pub async fn so_far(&self, fleet: &Fleet) -> Vec<StreamRun> {
        let questions = self.0.keys().map(|from| (from.clone(), ask::Streams {}));
        self.told(fleet.ask(questions.collect(), READ_WITHIN).await)
    }

    /// Ends them and tells what became of them.
    pub async fn end(self, fleet: &Fleet) -> Vec<StreamRun> {
        let questions = self.0.keys().map(|from| (from.clone(), ask::StreamsEnd {}));
        let limit = Duration::from_micros(StreamReport::LATE_US) + READ_WITHIN;
        self.told(fleet.ask(questions.collect(), limit).await)
    }

    fn told(&self, answers: Vec<(Endpoint, Observed<StreamReports>)>) -> Vec<StreamRun> {
        let mut runs = Vec::new();
        let answers: BTreeMap<Endpoint, _> = answers.into_iter().collect();
        for (from, streams) in &self.0 {
            let mut reports = match answers.get(from) {
                Some(Ok(answer)) => Ok(answer.streams.iter()),
                Some(Err(why)) => Err(why.clone()),
                None => Err("not asked".to_owned()),
            };
            for stream in streams {
                let report = match &mut reports {
                    Ok(reports) => reports.next().cloned().ok_or("not told".to_owned()),
                    Err(why) => Err(why.clone()),
                };
                let opened = stream.opened.clone();
                runs.push(StreamRun {
                    from: from.clone(),
                    to: stream.to.clone(),
                    report: opened.and(report),
                });
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flatnet_model::PodRef;

    use super::*;

    fn pods(nodes: usize, each: usize) -> Vec<PodSnapshot> {
        let pod = |node: usize, index: usize| PodSnapshot {
            reference: PodRef::new("n", format!("p{node}-{index}")),
            node: format!("node{node:03}"),
            ..PodSnapshot::default()
        };
        let pods = (0..nodes).flat_map(|node| (0..each).map(move |index| pod(node, index)));
        pods.collect()
    }

    fn chosen(nodes: usize, each: usize) -> Vec<(String, String)> {
        let pods = pods(nodes, each);
        let all: Vec<&PodSnapshot> = pods.iter().collect();
        let pairs = pairs(&all);
        assert!(pairs.iter().all(|(a, b)| a.reference != b.reference));
        let names = pairs.iter().map(|(a, b)| (a.node.clone(), b.node.clone()));
        names.collect()
    }

    #[test]
    fn every_ordered_pair_of_nodes_has_a_stream() {
        let pairs = chosen(3, 2);
        assert_eq!(pairs.len(), 9);
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), 9);
    }

    #[test]
    fn a_node_with_one_pod_has_no_stream_to_itself() {
        assert_eq!(chosen(3, 1).len(), 6);
    }

    #[test]
    fn many_nodes_have_streams_to_a_few_others_each() {
        let pairs = chosen(200, 2);
        assert_eq!(pairs.len(), 400);
        assert_eq!(
            pairs.iter().map(|(a, _)| a).collect::<BTreeSet<_>>().len(),
            200
        );
    }
}
