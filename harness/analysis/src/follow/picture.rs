//! Expected beside seen: the devices that packets should pass, and at which of them they were seen.
use flatnet_model::evidence::Command;
use flatnet_model::follow::{Followed, FollowedTo, Leg, Outcomes, Place, Wanted};
use flatnet_model::observations::Observed;
use flatnet_model::reference::Netns;

use super::passage::{Attempt, Seen};
use crate::trace::model::Direction;
use crate::trace::{ObservedNetwork, Trace, flooding_bridge, words};

/// A dial that was followed, for people.
pub struct Live {
    /// Which.
    pub dial: Wanted,
    /// What became of each of the burst.
    pub outcomes: Observed<Outcomes>,
    /// Requests: datagrams, echo requests, or TCP's first segments.
    pub there: Picture,
    /// What answers those, where its way is known.
    pub back: Option<Picture>,
    /// What could not be watched, and why.
    pub blind: Vec<String>,
    /// What became of them.
    pub found: FollowedTo,
    /// The command that shows what ended them.
    pub look: Option<Command>,
}

impl Live {
    /// Whether every dial was answered, and no address changed on the way.
    pub fn is_well(&self) -> bool {
        let (sent, answered) = self.counts();
        sent > 0 && sent == answered && self.found.rewrites.is_empty()
    }

    /// How many were sent, and how many of them were answered.
    pub fn counts(&self) -> (usize, usize) {
        let counts = |outcomes: &Outcomes| (outcomes.sent(), outcomes.answered());
        self.outcomes.as_ref().map_or((0, 0), counts)
    }
}

/// What could not be watched, each reason once.
pub(super) fn blind(followed: &Followed) -> Vec<String> {
    let mut blind = Vec::new();
    let mut add = |what: &str, netns: &Netns, why: &str| {
        blind.push(format!("{what} not watched at {netns}: {why}"));
    };
    for Place {
        netns, watching, ..
    } in &followed.places
    {
        match watching {
            Err(why) => add("packets and rules", netns, why),
            Ok(watching) => {
                if let Err(why) = &watching.packets {
                    add("packets", netns, why);
                }
                if let (Err(why), Netns::Node(_)) = (&watching.rules, netns) {
                    add("rules", netns, why);
                }
                if let Some(why) = &watching.no_device_rules {
                    add("rules of family netdev", netns, why);
                }
            }
        }
    }
    blind
}

/// One direction of a dial that was followed.
pub struct Picture {
    /// In the order in which packets pass.
    pub rows: Vec<Row>,
    /// Packets of which anything was seen in this direction.
    pub packets: usize,
}

/// A device in one direction.
pub struct Row {
    /// The namespace.
    pub netns: Netns,
    /// Name of the device.
    pub device: String,
    /// In which direction.
    pub direction: Direction,
    /// Why packets are expected here; nothing where they are not.
    pub expected: Option<String>,
    /// How many packets were seen here; nothing where nobody looked.
    pub seen: Option<usize>,
}

impl Picture {
    /// Packets of `leg` on the way of `walk`.
    pub(super) fn of(
        followed: &Followed,
        attempts: &[Attempt<'_>],
        leg: Leg,
        walk: &Trace,
        network: &ObservedNetwork,
    ) -> Picture {
        let passages: Vec<&[Seen<'_>]> = attempts
            .iter()
            .filter_map(|attempt| attempt.get(&leg).map(Vec::as_slice))
            .collect();
        let mut rows: Vec<Row> = Vec::new();
        for hop in &walk.hops {
            let again = rows.last().is_some_and(|row| {
                row.netns == hop.netns && row.device == hop.device && row.direction == hop.direction
            });
            if !again {
                rows.push(Row {
                    netns: hop.netns.clone(),
                    device: hop.device.clone(),
                    direction: hop.direction,
                    expected: Some(words::step(&hop.step)),
                    seen: followed.watched(&hop.netns).map(|_| 0),
                });
            }
        }
        for passage in &passages {
            let mut after = 0;
            let mut counted = Vec::new();
            for seen in *passage {
                let direction = match seen.is_in() {
                    true => Direction::In,
                    false => Direction::Out,
                };
                let device = &seen.sighting.device;
                let place = rows.iter().position(|row| {
                    row.netns == *seen.netns && row.device == *device && row.direction == direction
                });
                let place = place.unwrap_or_else(|| {
                    let flooding = flooding_bridge(network, walk, seen.netns, device);
                    let flooding = flooding.filter(|_| direction == Direction::Out);
                    let row = Row {
                        netns: seen.netns.clone(),
                        device: device.clone(),
                        direction,
                        expected: flooding.map(words::copy),
                        seen: Some(0),
                    };
                    rows.insert(after, row);
                    for at in &mut counted {
                        *at += usize::from(*at >= after);
                    }
                    after
                });
                // The same packet may pass a device twice, inside a tunnel and out of it.
                if !counted.contains(&place) {
                    counted.push(place);
                    rows[place].seen = rows[place].seen.map(|count| count + 1);
                }
                after = place + 1;
            }
        }
        Picture {
            rows,
            packets: passages.len(),
        }
    }
}
