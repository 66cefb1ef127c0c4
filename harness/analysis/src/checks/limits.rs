//! Limits of one kernel under all nodes: where one was reached, packets got lost that no network lost.
use flatnet_model::cause::Basis;
use flatnet_model::evidence::{Deviation, Finding};
use flatnet_model::observations::Observations;

use super::Verdict;
use super::findings::count;

/// Counters of refused neighbours with the table and the setting that limits it. All namespaces of a machine share the tables.
const TABLES: [(&str, &str, &str); 2] = [
    (
        "arp_cache.table_fulls",
        "IPv4",
        "net.ipv4.neigh.default.gc_thresh3",
    ),
    (
        "ndisc_cache.table_fulls",
        "IPv6",
        "net.ipv6.neigh.default.gc_thresh3",
    ),
];

/// The verdict, without what may have failed for such a limit: a cause that was seen stays. Where nothing stays, it is not measured.
pub(super) fn unless_exhausted(verdict: Verdict, observations: &Observations) -> Verdict {
    let Verdict::Fail { evidence } = verdict else {
        return verdict;
    };
    let Some(why) = exhausted(observations) else {
        return Verdict::Fail { evidence };
    };
    let evidence: Vec<Deviation> = evidence.into_iter().filter(is_seen).collect();
    match evidence.is_empty() {
        true => Verdict::broken(why),
        false => Verdict::Fail { evidence },
    }
}

fn is_seen(deviation: &Deviation) -> bool {
    let cause = match &deviation.finding {
        Finding::Symptom { cause, .. } => cause.as_ref(),
        Finding::Cause { cause } => Some(cause),
    };
    cause.is_some_and(|found| found.basis == Basis::Seen)
}

/// The limits that were reached between the first packet and the last look, in words.
fn exhausted(observations: &Observations) -> Option<String> {
    if observations.capabilities.own_kernels.is_present() {
        return None;
    }
    let reached: Vec<String> = TABLES
        .iter()
        .filter_map(|(counter, family, setting)| {
            let times = observations.nodes.iter().filter_map(|node| {
                let after = node.inside.facts().ok()?.counters.get(*counter)?;
                after.checked_sub(*node.counters_before.get(*counter)?)
            });
            let times = times.max().filter(|times| *times > 0)?;
            Some(format!(
                "the {family} neighbour table of this machine, which all its network namespaces share, was full {}; \
                 raise {setting}, or end what else fills it, and run again",
                count(usize::try_from(times).unwrap_or(usize::MAX), "time")
            ))
        })
        .collect();
    (!reached.is_empty()).then(|| {
        format!(
            "packets may have been lost to a kernel limit: {}",
            reached.join("; ")
        )
    })
}
