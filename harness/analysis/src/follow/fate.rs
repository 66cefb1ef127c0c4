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
    /// They came to the client, which did not say that it had them: dropped there, or later than it waited.
    pub(super) unheard: bool,
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

/// Where packets of a burst ended, most of them first: most of those that got lost on their way, and those that came to the client,
/// which took no notice of them. Nothing where every dial was answered.
pub(super) fn fates<'a>(
    followed: &'a Followed,
    ends: &Ends,
    attempts: &[Attempt<'a>],
) -> Vec<Ended<'a>> {
    let Ok(outcomes) = &followed.outcomes else {
        return Vec::new();
    };
    let failed = outcomes.sent() - outcomes.answered() + diverted(outcomes, &followed.dial.to);
    let legs = legs(followed.dial.request.transport);
    let mut groups: BTreeMap<(Leg, Option<String>), Vec<Passage<'a>>> = BTreeMap::new();
    let mut whole: Vec<Passage<'a>> = Vec::new();
    let last = legs[legs.len() - 1];
    for attempt in attempts {
        match dead(followed, attempt, legs, ends) {
            Some((leg, seen)) => {
                let at = seen.last().map(|seen| key(&sight(seen)));
                let group = groups.entry((leg, at)).or_default();
                group.push(Some(seen.to_vec()));
            }
            None => whole.extend(attempt.get(&last).cloned().map(Some)),
        }
    }
    // Where nobody watched the client, what was not seen may have been sent all the same.
    if attempts.len() < failed && followed.watched(&ends.client).is_some() {
        let unseen = failed - attempts.len();
        let group = groups.entry((legs[0], None)).or_default();
        group.extend(std::iter::repeat_n(None, unseen));
    }
    let strayed: usize = groups.values().map(Vec::len).sum();
    // Which of them were heard nobody says.
    whole.truncate(failed.saturating_sub(strayed));
    let most = groups.into_iter().max_by_key(|(_, members)| members.len());
    let most = most.map(|((leg, _), members)| (leg, members, false));
    let unheard = Some((last, whole, true)).filter(|(_, whole, _)| !whole.is_empty());
    let mut fates: Vec<Ended<'a>> = [most, unheard]
        .into_iter()
        .flatten()
        .filter(|_| failed > 0)
        .map(|(leg, members, unheard)| ended(followed, ends, leg, members, unheard))
        .collect();
    fates.sort_by_key(|ended| std::cmp::Reverse(ended.fate.packets));
    fates
}

fn ended<'a>(
    followed: &Followed,
    ends: &Ends,
    leg: Leg,
    mut members: Vec<Passage<'a>>,
    unheard: bool,
) -> Ended<'a> {
    let packets = members.len();
    let mut last_at_ns: Vec<u64> = members
        .iter()
        .filter_map(|seen| Some(seen.as_ref()?.last()?.sighting.at_ns))
        .collect();
    last_at_ns.sort_unstable();
    let seen = members.swap_remove(0).unwrap_or_default();
    Ended {
        fate: Fate {
            leg,
            packets,
            of: followed.outcomes.as_ref().map_or(0, Outcomes::sent),
            unseen_at: unseen_at(followed, &ends.way_of(leg.is_back()), &seen),
            last: seen.last().map(sight),
            cause: None,
        },
        whole: seen,
        last_at_ns,
        unheard,
    }
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
