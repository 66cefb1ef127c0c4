//! Packets sent one after the other over chosen paths: the first packets of all, and where dials had failed some of the time.
use std::collections::BTreeMap;

use std::time::Duration;

use flatnet_model::observations::{Dial, Endpoint, ObservedNode, ObservedPod, Occasion, SeriesRun};
use flatnet_model::probe::{DialOutcome, DialRequest, Failure, PacketFate, Transport, ask};

use super::fleet::{Fleet, READ_WITHIN};

/// Clients whose first packets are watched, at most; spread over the nodes.
const CLIENTS: usize = 60;
/// The first packet, and those it is compared with.
const FIRST: usize = 4;
/// Paths on which dials failed that are measured again, at most.
const SUSPECTS: usize = 64;
/// Packets sent there: enough to tell a path that always fails from one that fails some of the time.
const SOME: usize = 20;
/// As many more where part of them got lost, for the rate.
const MORE: usize = 80;
/// Between two packets, milliseconds.
const APART_MS: u64 = 3;
/// For answers after the last packet, milliseconds: more than TCP's first retransmission takes (RFC 6298, 1 s).
const WAIT_MS: u64 = 1_300;
/// Likewise, for first packets: a third of it is what the second waits for an answer to the first.
const FIRST_WAIT_MS: u64 = 900;

/// From some pods to one on their node, one on the next node, and that node itself: before any other packet between them.
pub(super) async fn first(
    fleet: &Fleet,
    nodes: &[ObservedNode],
    pods: &[ObservedPod],
) -> Vec<SeriesRun> {
    let mut on_node: Vec<(&ObservedNode, Vec<&ObservedPod>)> = Vec::new();
    for node in nodes {
        let here = pods.iter().filter(|pod| {
            !pod.object.host_network
                && pod.object.node == node.object.name
                && fleet.port(&pod.endpoint()).is_some()
        });
        on_node.push((node, here.collect()));
    }
    let each = (CLIENTS / on_node.len().max(1)).max(1);
    let mut runs = Vec::new();
    for (index, (_, here)) in on_node.iter().enumerate() {
        let next = &on_node[(index + 1) % on_node.len()];
        for (slot, client) in here.iter().take(each).enumerate() {
            let neighbour = here.get((slot + 1) % here.len());
            let neighbour = neighbour.filter(|other| other.reference() != client.reference());
            let mut to = |end: Endpoint, address: Option<&std::net::IpAddr>| {
                let (Some(address), Some(port)) = (address, fleet.port(&end)) else {
                    return;
                };
                // An echo has no part in how busy the other end's probe is; where it may not be sent, UDP is.
                for transport in [Transport::Icmp, Transport::Udp] {
                    let request = DialRequest {
                        address: *address,
                        transport,
                        port,
                    };
                    runs.push(run(
                        client.endpoint(),
                        end.clone(),
                        request,
                        Occasion::First,
                    ));
                }
            };
            if let Some(other) = neighbour {
                to(other.endpoint(), other.object.ips.first());
            }
            let (node, there) = next;
            if node.object.name != client.object.node {
                if let Some(other) = there.get(slot % there.len().max(1)) {
                    to(other.endpoint(), other.object.ips.first());
                }
                to(node.endpoint(), node.object.internal_ips.first());
            }
        }
    }
    send(fleet, &mut runs, FIRST, FIRST_WAIT_MS).await;
    runs
}

/// Of each direction between two nodes and each transport with a dial that failed or was repeated, the path of one that failed
/// and of one that was repeated.
pub(super) async fn again(
    fleet: &Fleet,
    dials: &[Dial],
    node_of: impl Fn(&Endpoint) -> Option<String>,
) -> Vec<SeriesRun> {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    for dial in dials.iter().filter(|dial| dial.from != dial.to) {
        let request = dial.request;
        let key = (
            node_of(&dial.from),
            node_of(&dial.to),
            request.transport,
            request.address.is_ipv4(),
        );
        groups.entry(key).or_default().add(dial);
    }
    let suspects = groups.values().flat_map(Group::suspects).take(SUSPECTS);
    let mut runs: Vec<SeriesRun> = suspects
        .map(|dial| {
            let (from, to) = (dial.from.clone(), dial.to.clone());
            run(from, to, dial.request, Occasion::Suspicion)
        })
        .collect();
    send(fleet, &mut runs, SOME, WAIT_MS).await;
    let partly = |run: &SeriesRun| {
        let lost = run.packets.iter().flatten().filter(|fate| fate.is_lost());
        (1..SOME).contains(&lost.count())
    };
    let (mut partly, mut rest): (Vec<SeriesRun>, Vec<SeriesRun>) =
        runs.into_iter().partition(partly);
    send(fleet, &mut partly, MORE, WAIT_MS).await;
    rest.append(&mut partly);
    rest
}

fn run(from: Endpoint, to: Endpoint, request: DialRequest, occasion: Occasion) -> SeriesRun {
    SeriesRun {
        from,
        to,
        request,
        occasion,
        packets: Ok(Vec::new()),
    }
}

/// Dials of one kind.
#[derive(Default)]
struct Group<'a> {
    answered: usize,
    failed: Vec<&'a Dial>,
    repeated: Option<&'a Dial>,
}

impl<'a> Group<'a> {
    /// So many dials that all failed, twice each, did not fail by chance.
    const CERTAIN: usize = 4;

    fn add(&mut self, dial: &'a Dial) {
        match &dial.result {
            DialOutcome::Answered {
                attempts,
                retransmits,
                ..
            } => {
                self.answered += 1;
                if *attempts > 1 || *retransmits > 0 {
                    self.repeated.get_or_insert(dial);
                }
            }
            DialOutcome::Failed {
                kind: Failure::TimedOut,
                ..
            } => self.failed.push(dial),
            DialOutcome::Failed { .. } => {}
        }
    }

    fn suspects(&self) -> impl Iterator<Item = &'a Dial> {
        let certain = self.answered == 0 && self.failed.len() >= Self::CERTAIN;
        let failed = self.failed.first().copied().filter(|_| !certain);
        self.repeated.into_iter().chain(failed)
    }
}

/// Sends `packets` more over each of these paths.
async fn send(fleet: &Fleet, runs: &mut [SeriesRun], packets: usize, wait_ms: u64) {
    let mut rows: BTreeMap<Endpoint, Vec<DialRequest>> = BTreeMap::new();
    for run in runs.iter() {
        let row = rows.entry(run.from.clone()).or_default();
        row.push(run.request);
    }
    let questions = rows.into_iter().map(|(from, targets)| {
        let question = ask::Series {
            targets,
            packets,
            apart_ms: APART_MS,
            wait_ms,
        };
        (from, question)
    });
    let limit = Duration::from_millis(APART_MS * packets as u64 + 2 * wait_ms) + READ_WITHIN;
    let answers = fleet.ask(questions.collect(), limit).await;
    let mut results: BTreeMap<Endpoint, _> = answers
        .into_iter()
        .map(|(from, answer)| (from, answer.map(|answer| answer.results.into_iter())))
        .collect();
    for run in runs {
        let fates: Result<Vec<PacketFate>, String> = match results.get_mut(&run.from) {
            Some(Ok(each)) => each.next().unwrap_or_else(|| Ok(Vec::new())),
            Some(Err(why)) => Err(why.clone()),
            None => Err("not asked".to_owned()),
        };
        match (&mut run.packets, fates) {
            (Ok(all), Ok(more)) => all.extend(more),
            (packets, Err(why)) => *packets = Err(why),
            (Err(_), Ok(_)) => {}
        }
    }
}
