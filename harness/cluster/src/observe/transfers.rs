//! Full segments of TCP: from a pod of each node to one of each node, and as much back.
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flatnet_model::observations::{Dial, Endpoint, MtuRun, ObservedPod};
use flatnet_model::probe::{DialOutcome, TRANSFER_BYTES, Transfer, Transport, ask};

use super::fleet::{Fleet, READ_WITHIN};

/// No byte for so long, milliseconds: TCP has sent again twice by then on a path of short round trips (its shortest timeout is 200 ms,
/// and doubles).
const STALL_MS: u32 = 700;
/// A transfer that did not pass is tried so often in all.
const TRIES: usize = 2;
/// Connections of one pod at once.
const AT_ONCE: usize = 8;
/// Paths in all, at most: 40 nodes have 1,600 ordered pairs, whose transfers took a tenth of the time of observing them.
const MOST: usize = 1_000;

/// Adds transfers to runs whose trials passed, where every TCP dial was answered at once: others have a reason already.
pub(super) async fn add(fleet: &Fleet, runs: &mut [MtuRun], pods: &[ObservedPod], dials: &[Dial]) {
    let mut open = chosen(runs, pods, dials);
    for _ in 0..TRIES {
        send(fleet, runs, &open).await;
        open.retain(|at| !matches!(runs[*at].transfers.last(), Some(Ok(Transfer::Passed))));
    }
}

/// One path from each node to each, itself included, for each family, by the pods that have the fewest others; and one of each pod that
/// has none.
fn chosen(runs: &[MtuRun], pods: &[ObservedPod], dials: &[Dial]) -> Vec<usize> {
    let homes: BTreeMap<Endpoint, &str> = pods
        .iter()
        .map(|pod| (pod.endpoint(), pod.object.node.as_str()))
        .collect();
    let answered = at_once(dials);
    let is_open =
        |run: &MtuRun| passes(run) && answered.contains(&(&run.from, &run.to, run.address));
    let open: Vec<usize> = (0..runs.len()).filter(|at| is_open(&runs[*at])).collect();
    let mut classes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for at in &open {
        let run = &runs[*at];
        let class = (
            homes.get(&run.from),
            homes.get(&run.to),
            run.address.is_ipv6(),
        );
        classes.entry(class).or_default().push(*at);
    }
    let mut used: BTreeMap<&Endpoint, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    let of =
        |used: &BTreeMap<&Endpoint, usize>, end: &Endpoint| used.get(end).copied().unwrap_or(0);
    let apart = classes.len().div_ceil(MOST).max(1);
    for class in classes.values().step_by(apart) {
        let paths = class.iter().copied();
        let path = paths.min_by_key(|at| of(&used, &runs[*at].from) + of(&used, &runs[*at].to));
        if let Some(at) = path {
            *used.entry(&runs[at].from).or_default() += 1;
            *used.entry(&runs[at].to).or_default() += 1;
            chosen.push(at);
        }
    }
    for at in open {
        let (from, to) = (&runs[at].from, &runs[at].to);
        if chosen.len() < MOST && (of(&used, from) == 0 || of(&used, to) == 0) {
            *used.entry(from).or_default() += 1;
            *used.entry(to).or_default() += 1;
            chosen.push(at);
        }
    }
    chosen
}

/// Paths on which every TCP dial was answered with no packet sent again: what gets lost at random is not told by data.
fn at_once(dials: &[Dial]) -> BTreeSet<(&Endpoint, &Endpoint, IpAddr)> {
    let mut whole: BTreeMap<(&Endpoint, &Endpoint, IpAddr), bool> = BTreeMap::new();
    let tcp = dials
        .iter()
        .filter(|dial| dial.request.transport == Transport::Tcp);
    for dial in tcp {
        let at_once = matches!(
            dial.result,
            DialOutcome::Answered {
                attempts: 1,
                retransmits: 0,
                ..
            }
        );
        let path = (&dial.from, &dial.to, dial.request.address);
        *whole.entry(path).or_insert(true) &= at_once;
    }
    let passed = whole.into_iter().filter(|(_, passes)| *passes);
    passed.map(|(path, _)| path).collect()
}

/// Whether a datagram of the interface's MTU arrived.
fn passes(run: &MtuRun) -> bool {
    let mut trials = run.trials.iter().flatten();
    trials.any(|trial| trial.size == run.interface_mtu && trial.arrived)
}

async fn send(fleet: &Fleet, runs: &mut [MtuRun], some: &[usize]) {
    let mut asked: BTreeMap<Endpoint, Vec<usize>> = BTreeMap::new();
    for at in some {
        asked.entry(runs[*at].from.clone()).or_default().push(*at);
    }
    let questions = asked.iter().map(|(from, of)| {
        let target = |at: &usize| SocketAddr::new(runs[*at].address, runs[*at].port);
        let question = ask::Transfer {
            targets: of.iter().map(target).collect(),
            bytes: TRANSFER_BYTES,
            stall_ms: STALL_MS,
            at_once: AT_ONCE,
        };
        (from.clone(), question)
    });
    let questions: Vec<_> = questions.collect();
    // The worst case: short messages, data there and data back each take all of their time.
    let turns = asked.values().map(Vec::len).max().unwrap_or(0) as u32 + 1;
    let limit = Duration::from_millis((5 * STALL_MS).into()) * turns + READ_WITHIN;
    for (from, answer) in fleet.ask(questions, limit).await {
        let of = asked.remove(&from).unwrap_or_default();
        match answer {
            Ok(answer) => {
                for (at, transfer) in of.into_iter().zip(answer.transfers) {
                    runs[at].transfers.push(Ok(transfer));
                }
            }
            Err(why) => {
                for at in of {
                    runs[at].transfers.push(Err(why.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flatnet_model::PodRef;
    use flatnet_model::probe::{DialRequest, MtuTrial};
    use flatnet_model::snapshot::PodSnapshot;

    use super::*;

    /// Pods a, b and c of node1, d and e of node2: every run between them, and its TCP dial.
    fn cluster() -> (Vec<MtuRun>, Vec<ObservedPod>, Vec<Dial>) {
        let homes = [("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 2)];
        let pod = |(name, node): (&str, u8)| {
            ObservedPod::new(PodSnapshot {
                reference: PodRef::new("default", name),
                node: format!("node{node}"),
                ..PodSnapshot::default()
            })
        };
        let pods: Vec<ObservedPod> = homes.map(pod).into();
        let ends = || pods.iter().map(ObservedPod::endpoint).enumerate();
        let (mut runs, mut dials) = (Vec::new(), Vec::new());
        for (_, from) in ends() {
            for (at, to) in ends().filter(|(_, to)| *to != from) {
                let address = IpAddr::from([10, 244, 0, at as u8 + 1]);
                let trial = MtuTrial {
                    size: 1500,
                    arrived: true,
                    detail: None,
                };
                runs.push(MtuRun {
                    from: from.clone(),
                    to: to.clone(),
                    address,
                    port: 7411,
                    interface_mtu: 1500,
                    trials: Ok(vec![trial]),
                    learned: None,
                    transfers: Vec::new(),
                });
                dials.push(Dial {
                    from: from.clone(),
                    to,
                    request: DialRequest {
                        address,
                        transport: Transport::Tcp,
                        port: 7411,
                    },
                    result: DialOutcome::Answered {
                        local: address,
                        responder: None,
                        seen_as: None,
                        reply_from: address,
                        rtt_us: 90,
                        attempts: 1,
                        retransmits: 0,
                    },
                });
            }
        }
        (runs, pods, dials)
    }

    #[test]
    fn every_ordered_pair_of_nodes_has_a_path_and_every_pod_takes_part() {
        let (runs, pods, dials) = cluster();
        let chosen = chosen(&runs, &pods, &dials);
        let node = |end: &Endpoint| {
            let mut pods = pods.iter();
            let pod = pods.find(|pod| pod.endpoint() == *end);
            pod.expect("a pod").object.node.clone()
        };
        let paths = chosen.iter().map(|at| &runs[*at]);
        let between: BTreeSet<(String, String)> = paths
            .clone()
            .map(|run| (node(&run.from), node(&run.to)))
            .collect();
        assert_eq!((chosen.len(), between.len()), (4, 4));
        let ends: BTreeSet<&Endpoint> = paths.flat_map(|run| [&run.from, &run.to]).collect();
        assert_eq!(ends.len(), pods.len());
    }

    #[test]
    fn paths_that_lose_packets_or_carry_less_are_left_out() {
        let (mut runs, pods, mut dials) = cluster();
        for dial in &mut dials {
            if let DialOutcome::Answered { retransmits, .. } = &mut dial.result {
                *retransmits = 1;
            }
        }
        assert!(chosen(&runs, &pods, &dials).is_empty());
        let (_, _, dials) = cluster();
        for run in &mut runs {
            run.trials
                .iter_mut()
                .flatten()
                .for_each(|trial| trial.arrived = false);
        }
        assert!(chosen(&runs, &pods, &dials).is_empty());
    }
}
