//! Dials that users of a cluster make: services, ports of nodes, a peer outside.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use flatnet_model::probe::{Dialled, Failure, Target, Transport, ask};

use super::fleet::Fleet;
use super::gather::{AT_ONCE, AT_ONCE_EACH, ATTEMPT_MS, ATTEMPTS, READ_WITHIN};
use flatnet_model::observations::{Call, Endpoint};

/// Between two rounds, milliseconds: a refusal comes at once.
const PAUSE: Duration = Duration::from_millis(250);

/// A call to be made.
pub(super) struct Errand {
    pub(super) from: Endpoint,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) transport: Transport,
    /// Dials of this address, each from a fresh TCP socket; at least one.
    pub(super) times: usize,
}

/// Makes every call, one question a probe and round. Calls of which a dial is not answered are made anew until `patience`
/// is over: what programs services and ports on nodes does so a moment after the API knows them.
pub(super) async fn make(fleet: &Fleet, errands: Vec<Errand>, patience: Duration) -> Vec<Call> {
    let begun = Instant::now();
    let mut done = Vec::new();
    let mut left = errands;
    loop {
        let mut again = Vec::new();
        for (errand, results) in round(fleet, left).await {
            let hopeful = |dialled: &Dialled| matches!(dialled, Dialled::Failed { kind, .. } if *kind != Failure::Unsupported);
            if results.iter().any(hopeful) && begun.elapsed() < patience {
                again.push(errand);
            } else {
                done.push(Call {
                    from: errand.from,
                    address: errand.address,
                    port: errand.port,
                    transport: errand.transport,
                    results,
                });
            }
        }
        if again.is_empty() {
            break;
        }
        left = again;
        tokio::time::sleep(PAUSE).await;
    }
    done.sort_by(|a, b| {
        let key = |call: &Call| (call.from.clone(), call.address, call.port, call.transport);
        key(a).cmp(&key(b))
    });
    done
}

async fn round(fleet: &Fleet, errands: Vec<Errand>) -> Vec<(Errand, Vec<Dialled>)> {
    let mut rows: BTreeMap<Endpoint, Vec<Errand>> = BTreeMap::new();
    for errand in errands {
        rows.entry(errand.from.clone()).or_default().push(errand);
    }
    let at_once = (AT_ONCE / rows.len().max(1)).clamp(1, AT_ONCE_EACH);
    let targets = |row: &[Errand]| -> Vec<Target> {
        row.iter()
            .flat_map(|errand| {
                let target = Target {
                    address: errand.address,
                    transport: errand.transport,
                    port: errand.port,
                };
                std::iter::repeat_n(target, errand.times.max(1))
            })
            .collect()
    };
    let longest = rows.values().map(|row| targets(row).len()).max();
    let worst =
        ATTEMPT_MS * u64::from(ATTEMPTS) * (longest.unwrap_or(0).div_ceil(at_once) as u64 + 1);
    let questions = rows.iter().map(|(from, row)| {
        let ask = ask::Dial {
            targets: targets(row),
            at_once,
            timeout_ms: ATTEMPT_MS,
            attempts: ATTEMPTS,
        };
        (from.clone(), ask)
    });
    let limit = Duration::from_millis(worst) + READ_WITHIN;
    let answers = fleet.ask(questions.collect(), limit).await;
    let mut results = Vec::new();
    for (from, answer) in answers {
        let row = rows.remove(&from).unwrap_or_default();
        let wanted = targets(&row).len();
        let mut dialled = answer.map(|dials| dials.results).unwrap_or_else(|why| {
            let lost = Dialled::Failed {
                kind: Failure::Unsupported,
                detail: why,
                attempts: 0,
            };
            vec![lost; wanted]
        });
        for errand in row {
            let rest = dialled.split_off(errand.times.max(1).min(dialled.len()));
            results.push((errand, std::mem::replace(&mut dialled, rest)));
        }
    }
    results
}
