//! Dials, many at once: each probe gets its requests as one question.
use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_model::observations::Endpoint;
use flatnet_model::probe::{DialOutcome, DialRequest, Failure, ask};

use super::fleet::Fleet;
use super::fleet::READ_WITHIN;

/// One attempt, milliseconds: an answer takes well under a millisecond on one machine. It outlasts TCP's first retransmission
/// (after a second, RFC 6298 section 2.1), which is then seen as that, and not hidden by a second attempt.
pub(super) const ATTEMPT_MS: u64 = 1_500;
/// Attempts per request, the second when each of the probe's requests has had the first: a packet lost to a busy machine is not a
/// broken network, twice at different times it is.
pub(super) const ATTEMPTS: u32 = 2;
/// Dials under way at once in one probe, at most; it makes fewer where the machine does not keep up.
const AT_ONCE: usize = 256;
/// Those that it makes at once at least where nothing answers: waiting costs no processor.
const AT_ONCE_SILENT: usize = 8;

/// Has each end dial its requests, all ends at once; a result for each request, in their order. Requests of an end whose
/// probe does not answer are [`Failure::Unsupported`] for that reason.
pub(super) async fn dial(
    fleet: &Fleet,
    rows: BTreeMap<Endpoint, Vec<DialRequest>>,
) -> BTreeMap<Endpoint, Vec<DialOutcome>> {
    let counts: BTreeMap<Endpoint, usize> = rows
        .iter()
        .map(|(from, requests)| (from.clone(), requests.len()))
        .collect();
    // The worst case: nothing answers the longest row, and every attempt takes its whole time.
    let turns = counts.values().max().unwrap_or(&0).div_ceil(AT_ONCE_SILENT) as u64 + 1;
    let limit = Duration::from_millis(ATTEMPT_MS * u64::from(ATTEMPTS) * turns) + READ_WITHIN;
    let questions = rows.into_iter().map(|(from, targets)| {
        let question = ask::Dial {
            targets,
            at_once: AT_ONCE,
            timeout_ms: ATTEMPT_MS,
            attempts: ATTEMPTS,
        };
        (from, question)
    });
    let answers = fleet.ask(questions.collect(), limit).await;
    let lost = |from: &Endpoint, why: String| {
        let failed = DialOutcome::Failed {
            kind: Failure::Unsupported,
            detail: why,
            attempts: 0,
        };
        vec![failed; counts.get(from).copied().unwrap_or_default()]
    };
    answers
        .into_iter()
        .map(|(from, answer)| {
            let outcomes = answer.map(|answer| answer.results);
            let outcomes = outcomes.unwrap_or_else(|why| lost(&from, why));
            (from, outcomes)
        })
        .collect()
}
