//! Packets that end because their TTL, or hop limit, runs out: in a loop, or because it was small from the start or made small.
use std::collections::BTreeSet;

use flatnet_model::cause::Cause;
use flatnet_model::probe::watch::Passing;

use super::fate::Ended;
use super::passage::Seen;

/// What made the TTL run out where the packet was last seen; nothing where it had not (RFC 1812 section 5.3.1, RFC 8200 section 3).
pub(super) fn ran_out(ended: &Ended<'_>) -> Option<Cause> {
    let last = ended.last()?;
    if last.sighting.packet.ttl > 1 || last.sighting.direction == Passing::Out {
        return None;
    }
    let at = last.netns.clone();
    let mut passed = BTreeSet::new();
    let place = |seen: &Seen<'_>| {
        let way = seen.sighting.direction == Passing::Out;
        (seen.netns.clone(), seen.sighting.device.clone(), way)
    };
    if !ended.whole.iter().all(|seen| passed.insert(place(seen))) {
        return Some(Cause::RoutingLoop { at });
    }
    // Each namespace that forwards it takes one away.
    let lowered = ended.whole.windows(2).find_map(|pair| match pair {
        [before, after] => {
            let (before, now) = (before.sighting.packet.ttl, after.sighting.packet.ttl);
            (before.saturating_sub(now) > 1).then_some((after, now))
        }
        _ => None,
    });
    let first = ended.whole.first()?;
    let (by, ttl) = lowered.unwrap_or((first, first.sighting.packet.ttl));
    Some(Cause::TtlExpired {
        at,
        by: by.netns.clone(),
        ttl,
    })
}
