//! Dials that users of a cluster make: services, ports of nodes, a peer outside.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flatnet_model::probe::{DialOutcome, DialRequest, Failure};

use super::dials::dial;
use super::fleet::Fleet;
use flatnet_model::observations::{Call, Endpoint};

/// Between two rounds: a refusal comes at once.
const PAUSE: Duration = Duration::from_millis(250);

/// A request that one end makes one or several times.
pub(super) struct Repeated {
    pub(super) from: Endpoint,
    pub(super) request: DialRequest,
    /// Dials, each from a fresh TCP socket; at least one.
    pub(super) times: usize,
}

/// Makes every request, one question per probe and round. Those of which a dial is not answered are repeated until
/// `patience` is over: what programs services and ports on nodes does so a moment after the API knows them.
pub(super) async fn make(fleet: &Fleet, requests: Vec<Repeated>, patience: Duration) -> Vec<Call> {
    let begun = Instant::now();
    let mut done = Vec::new();
    let mut left = requests;
    loop {
        let mut again = Vec::new();
        for (repeated, results) in round(fleet, left).await {
            let may_recover = |outcome: &DialOutcome| matches!(outcome, DialOutcome::Failed { kind, .. } if *kind != Failure::Unsupported);
            if results.iter().any(may_recover) && begun.elapsed() < patience {
                again.push(repeated);
            } else {
                done.push(Call {
                    from: repeated.from,
                    request: repeated.request,
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
        let key = |call: &Call| {
            let request = call.request;
            (request.address, request.port, request.transport)
        };
        (&a.from, key(a)).cmp(&(&b.from, key(b)))
    });
    done
}

async fn round(fleet: &Fleet, requests: Vec<Repeated>) -> Vec<(Repeated, Vec<DialOutcome>)> {
    let mut rows: BTreeMap<Endpoint, Vec<DialRequest>> = BTreeMap::new();
    for repeated in &requests {
        let each = std::iter::repeat_n(repeated.request, repeated.times.max(1));
        rows.entry(repeated.from.clone()).or_default().extend(each);
    }
    let mut results: BTreeMap<Endpoint, std::vec::IntoIter<DialOutcome>> = dial(fleet, rows)
        .await
        .into_iter()
        .map(|(from, results)| (from, results.into_iter()))
        .collect();
    let take = |repeated: Repeated| {
        let results = results.get_mut(&repeated.from).into_iter().flatten();
        let own = results.take(repeated.times.max(1)).collect();
        (repeated, own)
    };
    requests.into_iter().map(take).collect()
}
