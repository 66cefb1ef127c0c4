//! The largest packet that fits, from every pod and to every pod.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_model::observations::{Dial, Endpoint, MtuRun, Observed, ObservedPod};
use flatnet_model::probe::{DialOutcome, Facts, MtuTrials, Transport, ask};

use super::fleet::{Fleet, POD_PORT};

/// Wait for one acknowledgement, milliseconds.
const TRIAL_MS: u64 = 300;
/// Each packet is sent so often within it.
const SENDS: u32 = 3;
/// All trials of one question, retries included.
const WITHIN: Duration = Duration::from_secs(20);
/// The datagram every IPv4 host must accept (RFC 791, section 3.1); the search looks no lower.
const SMALLEST: u32 = 576;
/// Sizes that a search tries at once: three times as many come to the one byte between 576 and 5,000 bytes.
const AT_ONCE: u32 = 16;
/// Paths that are tried once more at the same time, at first.
const FEW: usize = 16;
/// Paths of one sender on which the largest size that passes is searched, at most.
const SEARCHED: usize = 4;

/// One run for each pair of pods that was dialled, at each address. Where no datagram passed, none of any size does.
pub(super) async fn paths(
    fleet: &Fleet,
    pods: &[ObservedPod],
    facts: &BTreeMap<Endpoint, Observed<Facts>>,
    dials: &[Dial],
) -> Vec<MtuRun> {
    let mut runs = planned(pods, facts, dials);
    let all: Vec<usize> = (0..runs.len()).collect();
    let sizes = |run: &MtuRun| vec![run.interface_mtu, run.interface_mtu + 1];
    measure(fleet, &mut runs, &all, sizes).await;
    confirm(fleet, &mut runs).await;
    search(fleet, &mut runs).await;
    runs
}

/// Tries the interface MTU once more where it did not arrive: all paths at once may be more than the machine or the network could take.
/// Few paths at a time; where nothing of a group arrives, load is not the reason, and the next is twice as large.
async fn confirm(fleet: &Fleet, runs: &mut [MtuRun]) {
    let failed: Vec<usize> = (0..runs.len()).filter(|at| is_narrow(&runs[*at])).collect();
    let (mut rest, mut together) = (&failed[..], FEW);
    while !rest.is_empty() {
        let (group, later) = rest.split_at(together.min(rest.len()));
        measure(fleet, runs, group, |run| vec![run.interface_mtu]).await;
        let arrived = group.iter().any(|at| !is_narrow(&runs[*at]));
        together = if arrived { FEW } else { together * 2 };
        rest = later;
    }
}

/// Searches the largest size that passes, until it is found or the client says nothing more.
async fn search(fleet: &Fleet, runs: &mut [MtuRun]) {
    let mut open = searched(runs);
    while !open.is_empty() {
        let answered = measure(fleet, runs, &open, next_sizes).await;
        open.retain(|at| answered.contains(at) && !next_sizes(&runs[*at]).is_empty());
    }
}

fn planned(
    pods: &[ObservedPod],
    facts: &BTreeMap<Endpoint, Observed<Facts>>,
    dials: &[Dial],
) -> Vec<MtuRun> {
    let pods: BTreeMap<Endpoint, &ObservedPod> = pods
        .iter()
        .filter(|pod| !pod.object.host_network)
        .map(|pod| (pod.endpoint(), pod))
        .collect();
    let mut whole: BTreeMap<(&Endpoint, &Endpoint, IpAddr), bool> = BTreeMap::new();
    for dial in dials.iter().filter(|dial| dial.from != dial.to) {
        let passes = dial.request.transport != Transport::Udp
            || matches!(dial.result, DialOutcome::Answered { .. });
        *whole
            .entry((&dial.from, &dial.to, dial.request.address))
            .or_insert(true) &= passes;
    }
    let paths = whole.into_iter().filter(|(_, passes)| *passes);
    let runs = paths.filter_map(|((from, to, address), _)| {
        pods.get(to)?;
        let interface_mtu =
            interface_mtu(facts.get(from)?.as_ref().ok()?, pods.get(from)?, &address)?;
        Some(MtuRun {
            from: from.clone(),
            to: to.clone(),
            address,
            port: POD_PORT,
            interface_mtu,
            trials: Ok(Vec::new()),
            learned: None,
            transfers: Vec::new(),
        })
    });
    runs.collect()
}

/// MTU of the interface that holds the client's own address of that family.
fn interface_mtu(facts: &Facts, client: &ObservedPod, to: &IpAddr) -> Option<u32> {
    let own = client
        .object
        .ips
        .iter()
        .find(|ip| ip.is_ipv4() == to.is_ipv4())?;
    facts.holder(*own).map(|link| link.mtu)
}

/// Tries sizes on some of the runs: one question for each client, all clients side by side. Returns the runs that have a trial more.
async fn measure(
    fleet: &Fleet,
    runs: &mut [MtuRun],
    some: &[usize],
    sizes: impl Fn(&MtuRun) -> Vec<u32>,
) -> BTreeSet<usize> {
    let mut asked: BTreeMap<Endpoint, Vec<(usize, ask::SizedRequest)>> = BTreeMap::new();
    for at in some {
        let run = &runs[*at];
        let target = |bytes| ask::SizedRequest {
            address: run.address,
            port: run.port,
            bytes,
        };
        let targets = sizes(run).into_iter().map(|bytes| (*at, target(bytes)));
        asked.entry(run.from.clone()).or_default().extend(targets);
    }
    let questions = asked.iter().map(|(from, targets)| {
        let question = ask::PathMtu {
            targets: targets.iter().map(|(_, target)| *target).collect(),
            timeout_ms: TRIAL_MS,
            sends: SENDS,
        };
        (from.clone(), question)
    });
    let answers = fleet.ask(questions.collect(), WITHIN).await;
    let mut answered = BTreeSet::new();
    for (from, answer) in answers {
        let targets = asked.remove(&from).unwrap_or_default();
        let of = targets.into_iter().map(|(at, _)| at);
        answered.extend(note(runs, of, answer));
    }
    answered
}

/// Writes trials to their runs, which are in the order of the question; returns the runs that have a trial more. An error is that of a
/// run that has no trial: it takes nothing from those that have.
fn note(
    runs: &mut [MtuRun],
    of: impl Iterator<Item = usize>,
    answer: Observed<MtuTrials>,
) -> BTreeSet<usize> {
    let mut answered = BTreeSet::new();
    match answer {
        Ok(answer) => {
            for (at, trial) in of.zip(answer.trials) {
                runs[at].learned = answer.learned.get(&runs[at].address).copied();
                if let Ok(trials) = &mut runs[at].trials {
                    trials.push(trial);
                    answered.insert(at);
                }
            }
        }
        Err(why) => {
            for at in of {
                if runs[at].trials.as_ref().is_ok_and(Vec::is_empty) {
                    runs[at].trials = Err(why.clone());
                }
            }
        }
    }
    answered
}

/// Whether the interface MTU was tried and never arrived.
fn is_narrow(run: &MtuRun) -> bool {
    let trials = run.trials.as_deref().unwrap_or_default();
    let mut whole = trials
        .iter()
        .filter(|trial| trial.size == run.interface_mtu)
        .peekable();
    whole.peek().is_some() && whole.all(|trial| !trial.arrived)
}

/// Runs on which the largest size that passes is not found yet: the first few of each sender.
fn searched(runs: &[MtuRun]) -> Vec<usize> {
    let mut of_sender: BTreeMap<&Endpoint, usize> = BTreeMap::new();
    let mut searched = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        if !is_narrow(run) {
            continue;
        }
        let seen = of_sender.entry(&run.from).or_default();
        *seen += 1;
        if *seen <= SEARCHED && !next_sizes(run).is_empty() {
            searched.push(at);
        }
    }
    searched
}

/// Sizes between the largest that passed and the smallest that did not, evenly.
fn next_sizes(run: &MtuRun) -> Vec<u32> {
    let trials = run.trials.as_deref().unwrap_or_default();
    let of = |arrived: bool| {
        let those = trials.iter().filter(move |trial| trial.arrived == arrived);
        those.map(|trial| trial.size)
    };
    let fits = of(true).max().unwrap_or(SMALLEST - 1);
    let Some(fails) = of(false).filter(|size| *size > fits).min() else {
        return Vec::new();
    };
    let step = (fails - fits).div_ceil(AT_ONCE + 1).max(1) as usize;
    (fits + 1..fails).step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use flatnet_model::PodRef;
    use flatnet_model::probe::MtuTrial;

    use super::*;

    fn run(limit: u32, mtu: u32) -> MtuRun {
        let pod = |name: &str| Endpoint::Pod(PodRef::new("default", name));
        let mut run = MtuRun {
            from: pod("a"),
            to: pod("b"),
            address: IpAddr::from([10, 244, 1, 2]),
            port: POD_PORT,
            interface_mtu: mtu,
            trials: Ok(Vec::new()),
            learned: None,
            transfers: Vec::new(),
        };
        send(&mut run, limit, vec![mtu, mtu + 1]);
        run
    }

    fn send(run: &mut MtuRun, limit: u32, sizes: Vec<u32>) {
        let trials = run.trials.as_mut().unwrap();
        trials.extend(sizes.into_iter().map(|size| MtuTrial {
            size,
            arrived: size <= limit,
            detail: None,
        }));
    }

    #[test]
    fn the_search_finds_the_largest_size_that_passes_to_the_byte() {
        for (limit, mtu) in [
            (575, 1500),
            (576, 1500),
            (1343, 1450),
            (1449, 1450),
            (4999, 5000),
            (8000, 9000),
        ] {
            let mut run = run(limit, mtu);
            let mut rounds = 0;
            while !next_sizes(&run).is_empty() {
                let sizes = next_sizes(&run);
                assert!(sizes.len() <= AT_ONCE as usize + 1, "{sizes:?}");
                send(&mut run, limit, sizes);
                rounds += 1;
            }
            let trials = run.trials.as_ref().unwrap();
            let largest = trials
                .iter()
                .filter(|trial| trial.arrived)
                .map(|trial| trial.size)
                .max();
            assert_eq!(largest, (limit >= SMALLEST).then_some(limit));
            assert!(rounds <= 4, "{limit} of {mtu}: {rounds} rounds");
        }
    }

    #[test]
    fn what_arrives_when_tried_again_is_not_searched() {
        let mut run = run(1400, 1500);
        assert!(is_narrow(&run));
        send(&mut run, 1500, vec![1500]);
        assert!(!is_narrow(&run));
        assert!(searched(&[run]).is_empty());
    }

    #[test]
    fn an_error_or_a_short_answer_takes_no_trial_away() {
        let mut untried = run(1400, 1500);
        untried.trials = Ok(Vec::new());
        let mut runs = vec![run(1400, 1500), untried, run(1400, 1500)];
        let answered = note(&mut runs, 0..2, Err("probe killed".to_owned()));
        assert_eq!(answered, BTreeSet::new());
        assert_eq!(runs[0].trials.as_ref().map(Vec::len), Ok(2));
        assert_eq!(runs[1].trials, Err("probe killed".to_owned()));
        let trial = MtuTrial {
            size: 1400,
            arrived: true,
            detail: None,
        };
        let short = MtuTrials {
            trials: vec![trial],
            learned: BTreeMap::new(),
        };
        let answered = note(&mut runs, [0, 2].into_iter(), Ok(short));
        assert_eq!(answered, BTreeSet::from([0]));
    }

    /// No probe answers: what was tried stands, and there is an end.
    #[tokio::test]
    async fn a_client_that_says_nothing_more_ends_the_search() {
        let fleet = Fleet::none();
        let mut runs = vec![run(1400, 1500)];
        confirm(&fleet, &mut runs).await;
        search(&fleet, &mut runs).await;
        assert_eq!(runs[0].trials.as_ref().map(Vec::len), Ok(2));
    }

    #[test]
    fn only_the_first_few_paths_of_a_sender_are_searched() {
        let mut runs = vec![run(1400, 1500); SEARCHED + 3];
        runs.push(run(1500, 1500));
        let found = searched(&runs);
        assert_eq!(found, Vec::from_iter(0..SEARCHED));
        let mut whole = run(1400, 1500);
        send(&mut whole, 1400, vec![1400, 1401]);
        runs[0] = whole;
        assert_eq!(searched(&runs), Vec::from_iter(1..SEARCHED));
    }
}
