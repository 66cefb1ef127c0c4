//! Where the packets of a burst ended.
use std::collections::BTreeMap;

use flatnet_model::evidence::Found;
use flatnet_model::follow::{Fate, Followed, Leg, Outcomes, Sight};
use flatnet_model::probe::DialOutcome;
use flatnet_model::probe::watch::Packet;
use flatnet_model::reference::{Endpoint, Netns};

use super::ends::Ends;
use super::passage::{Attempt, Seen, legs};

/// A fate of which the cause is still to be found.
pub(super) struct Ended<'a> {
    pub(super) fate: Fate,
    /// Everywhere it was seen, in order.
    pub(super) whole: Vec<Seen<'a>>,
    /// When each of them was last seen, in order, nanoseconds since 1970; none for what was seen nowhere.
    pub(super) last_at_ns: Vec<u64>,
}

impl<'a> Ended<'a> {
    /// Where it was last seen; nothing where it was seen nowhere.
    pub(super) fn last(&self) -> Option<&Seen<'a>> {
        self.whole.last()
    }

    /// As it was then.
    pub(super) fn packet(&self) -> Option<&'a Packet> {
        self.last().map(|seen| &seen.sighting.packet)
    }

    pub(super) fn with(self, cause: Option<Found>) -> Fate {
        Fate { cause, ..self.fate }
    }
}

/// What was seen of one packet; nothing where it was sent and seen nowhere.
type Passage<'a> = Option<Vec<Seen<'a>>>;

/// Where most of the packets that did not come through ended; nothing where every dial of the burst was answered.
pub(super) fn fate<'a>(
    followed: &'a Followed,
    ends: &Ends,
    attempts: &[Attempt<'a>],
) -> Option<Ended<'a>> {
    let outcomes = followed.outcomes.as_ref().ok()?;
    let of = outcomes.sent();
    let failed = of - outcomes.answered() + diverted(outcomes, &followed.dial.to);
    if failed == 0 {
        return None;
    }
    let over = followed.dial.request.transport;
    let first = legs(over)[0];
    let mut groups: BTreeMap<(Leg, Option<String>), Vec<Passage<'a>>> = BTreeMap::new();
    for attempt in attempts {
        if let Some((leg, seen)) = dead(followed, attempt, legs(over), ends) {
            let last = seen.last().map(|seen| sight(seen)).map(|s| key(&s));
            groups
                .entry((leg, last))
                .or_default()
                .push(Some(seen.to_vec()));
        }
    }
    // Where nobody watched the client, what was not seen may have been sent all the same.
    if attempts.len() < failed && followed.watched(&ends.client).is_some() {
        let unseen = failed - attempts.len();
        let group = groups.entry((first, None)).or_default();
        group.extend(std::iter::repeat_n(None, unseen));
    }
    let ((leg, _), mut members) = groups
        .into_iter()
        .max_by_key(|(_, members)| members.len())?;
    let packets = members.len();
    let mut last_at_ns: Vec<u64> = members
        .iter()
        .filter_map(|seen| Some(seen.as_ref()?.last()?.sighting.at_ns))
        .collect();
    last_at_ns.sort_unstable();
    let seen = members.swap_remove(0);
    let last = seen.as_ref().and_then(|seen| seen.last());
    let on_way = ends.way_of(leg.is_back());
    let fate = Fate {
        leg,
        packets,
        of,
        unseen_at: unseen_at(followed, &on_way, seen.as_deref().unwrap_or_default()),
        last: last.map(|seen| sight(seen)),
        cause: None,
    };
    Some(Ended {
        fate,
        whole: seen.unwrap_or_default(),
        last_at_ns,
    })
}

/// How many of the burst another end answered than the one that was dialled.
fn diverted(outcomes: &Outcomes, dialled: &Endpoint) -> usize {
    let Outcomes::Dials(dials) = outcomes else {
        return 0;
    };
    let by_other = |dial: &&DialOutcome| dial.answered_by_other(dialled).is_some();
    dials.iter().filter(by_other).count()
}

/// The first leg that did not come to who it was for, as far as that was watched, or that was not followed by the next one; nothing
/// where all of them came through.
fn dead<'s, 'a>(
    followed: &Followed,
    attempt: &'s Attempt<'a>,
    legs: &[Leg],
    ends: &Ends,
) -> Option<(Leg, &'s [Seen<'a>])> {
    let arrived = |leg: Leg, seen: &[Seen<'a>]| {
        let goal = ends.goal(leg.is_back());
        let at_goal = |last: &Seen<'a>| last.is_in() && last.netns == goal;
        let blind = followed.watched(goal).is_none();
        (seen.last().is_some_and(at_goal), blind)
    };
    // What went on from there had come there, seen or not.
    let went_on = |leg: Leg| {
        let next = legs.iter().skip_while(|other| **other != leg).nth(1);
        let next = next.and_then(|next| attempt.get(next)?.first());
        next.is_some_and(|first| first.netns == ends.goal(leg.is_back()))
    };
    let strayed = attempt.iter().find(|(leg, seen)| {
        let (arrived, blind) = arrived(**leg, seen);
        !arrived && !blind && !went_on(**leg)
    });
    let last = legs.iter().rev().find(|leg| attempt.contains_key(leg))?;
    let (leg, seen) = match strayed {
        Some((leg, seen)) => (leg, seen),
        None => (last, attempt.get(last)?),
    };
    let (arrived, _) = arrived(*leg, seen);
    let is_end = legs.last() == Some(leg);
    (!(is_end && arrived)).then_some((*leg, seen.as_slice()))
}

fn sight(seen: &Seen<'_>) -> Sight {
    Sight {
        netns: seen.netns.clone(),
        device: seen.sighting.device.clone(),
        passing: seen.sighting.direction,
        tunnelled: !seen.sighting.outer.is_empty(),
    }
}

fn key(sight: &Sight) -> String {
    format!("{} {} {:?}", sight.netns, sight.device, sight.passing)
}

/// The next namespace on the way behind the furthest that saw the packet, if it was watched.
fn unseen_at(followed: &Followed, way: &[&Netns], seen: &[Seen<'_>]) -> Option<Netns> {
    let furthest = way
        .iter()
        .rposition(|netns| seen.iter().any(|seen| seen.netns == *netns));
    let next = way.get(furthest.map_or(0, |at| at + 1))?;
    followed.watched(next).map(|_| (*next).clone())
}
