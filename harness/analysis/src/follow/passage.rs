//! The packets of a burst: which sightings are of one packet, and in which order.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::Transport;
use flatnet_model::follow::{Burst, Followed, Leg, Wanted};
use flatnet_model::probe::watch::{Body, Packet, Passing, Sighting};
use flatnet_model::reference::Netns;

use super::ends::Ends;

const SYN: u8 = 2;
const ACK: u8 = 16;
/// A connection of a probe is over long before its sequence numbers are this far from the first.
const CONNECTION_BYTES: u32 = 1 << 17;
/// Messages that go before and behind the data of a transfer are shorter than this, and full segments longer, bytes.
const SHORT: u32 = 100;

/// A packet at a device.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) netns: &'a Netns,
    pub(super) sighting: &'a Sighting,
}

/// One conversation of the burst: what was seen of each of its packets, in the order in which they passed.
pub(super) type Attempt<'a> = BTreeMap<Leg, Vec<Seen<'a>>>;

/// The legs of a conversation over that transport.
pub(super) fn legs(over: Transport) -> &'static [Leg] {
    match over {
        Transport::Tcp => &[Leg::Syn, Leg::SynAck, Leg::Data, Leg::DataAnswer],
        Transport::Udp | Transport::Icmp => &[Leg::Request, Leg::Answer],
    }
}

/// What identifies the packets of one conversation, whatever becomes of their addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Nonce(u64),
    FirstSequence(u32),
}

/// The conversations of the burst of which anything was seen.
pub(super) fn attempts<'a>(followed: &'a Followed, ends: &Ends) -> Vec<Attempt<'a>> {
    let seen: Vec<Seen<'a>> = followed
        .places
        .iter()
        .flat_map(|place| {
            let sightings = place.watched.iter().flat_map(|watched| &watched.sightings);
            sightings.map(|sighting| Seen {
                netns: &place.netns,
                sighting,
            })
        })
        .collect();
    let request = &followed.dial.request;
    let keys: BTreeSet<Key> = seen
        .iter()
        .filter(|seen| {
            let packet = &seen.sighting.packet;
            // Either may have been changed before the packet left the client.
            packet.destination == request.address || ends.sources.contains(&packet.source)
        })
        .filter_map(|seen| opens(&seen.sighting.packet, request.transport, request.port))
        .collect();
    keys.into_iter()
        .map(|key| attempt(key, &followed.dial, &seen, ends))
        .collect()
}

/// The key of the conversation that a packet begins.
fn opens(packet: &Packet, over: Transport, port: u16) -> Option<Key> {
    match (&packet.body, over) {
        (
            Body::Udp {
                destination,
                message: Some(message),
                ..
            },
            Transport::Udp,
        ) if !message.answer && *destination == port => Some(Key::Nonce(message.nonce)),
        (
            Body::Echo {
                reply: false,
                message,
            },
            Transport::Icmp,
        ) => Some(Key::Nonce(message.nonce)),
        (
            Body::Tcp {
                destination,
                sequence,
                flags,
                ..
            },
            Transport::Tcp,
        ) if *destination == port && flags & (SYN | ACK) == SYN => {
            Some(Key::FirstSequence(*sequence))
        }
        _ => None,
    }
}

fn attempt<'a>(key: Key, dial: &Wanted, seen: &[Seen<'a>], ends: &Ends) -> Attempt<'a> {
    let is_data = dial.burst == Burst::Filled;
    let mut attempt = Attempt::new();
    for seen in seen {
        let packet = &seen.sighting.packet;
        let of_data = is_data && payload(packet) < SHORT;
        match leg(key, dial.request.transport, packet) {
            Some(Leg::Data | Leg::DataAnswer) if of_data => {}
            Some(leg) => attempt.entry(leg).or_default().push(*seen),
            None => {}
        }
    }
    for (leg, seen) in &mut attempt {
        // A bridge floods what it does not know: what comes to a pod for another Ethernet address is a copy that goes nowhere.
        seen.retain(|seen| {
            let copy = seen.sighting.direction == Passing::InForOther
                && matches!(seen.netns, Netns::Pod(_))
                && seen.netns != ends.goal(leg.is_back());
            !copy && !is_flooded(ends, seen)
        });
        order(seen, &ends.way_of(leg.is_back()));
        if is_data {
            keep_last(seen);
        }
    }
    attempt
}

/// Of many segments, some of them sent again, the one that was sent last: where it was seen, each time for the last time.
fn keep_last(seen: &mut Vec<Seen<'_>>) {
    let place = |seen: &Seen<'_>| {
        let sighting = seen.sighting;
        let device = (seen.netns.clone(), sighting.device.clone());
        (device, sighting.direction, sighting.outer.len())
    };
    let Some(first) = seen.first().map(place) else {
        return;
    };
    let last = seen.iter().rev().find(|seen| place(seen) == first);
    let Some((from, bytes)) = last.map(|last| span(&last.sighting.packet)) else {
        return;
    };
    // A kernel may cut it to smaller segments on its way.
    seen.retain(|seen| span(&seen.sighting.packet).0.wrapping_sub(from) < bytes.max(1));
    let places: Vec<_> = seen.iter().map(place).collect();
    let mut at = 0;
    seen.retain(|_| {
        at += 1;
        !places[at..].contains(&places[at - 1])
    });
}

/// First sequence number and bytes of a segment.
fn span(packet: &Packet) -> (u32, u32) {
    match packet.body {
        Body::Tcp { sequence, .. } => (sequence, payload(packet)),
        _ => (0, 0),
    }
}

fn payload(packet: &Packet) -> u32 {
    match packet.body {
        Body::Tcp { payload, .. } => payload,
        _ => 0,
    }
}

/// Whether what came there for another Ethernet address is a copy that a bridge flooded, which goes nowhere: it came to a namespace
/// off the way, and is for a device on it. Tunnels flood nothing.
fn is_flooded(ends: &Ends, seen: &Seen<'_>) -> bool {
    let device = (seen.netns.clone(), seen.sighting.device.clone());
    let goal = seen.sighting.frame.map(|frame| frame.destination);
    seen.sighting.direction == Passing::InForOther
        && !ends.way().contains(seen.netns)
        && goal.is_some_and(|goal| ends.macs.contains(&goal))
        && !ends.tunnels.contains(&device)
}

/// Which packet of that conversation this is.
fn leg(key: Key, over: Transport, packet: &Packet) -> Option<Leg> {
    match (key, &packet.body) {
        (
            Key::Nonce(nonce),
            Body::Udp {
                message: Some(message),
                ..
            },
        ) if over == Transport::Udp && message.nonce == nonce => Some(match message.answer {
            true => Leg::Answer,
            false => Leg::Request,
        }),
        (Key::Nonce(nonce), Body::Echo { reply, message })
            if over == Transport::Icmp && message.nonce == nonce =>
        {
            Some(match reply {
                true => Leg::Answer,
                false => Leg::Request,
            })
        }
        (
            Key::FirstSequence(first),
            Body::Tcp {
                sequence,
                acknowledgement,
                flags,
                payload,
                ..
            },
        ) => {
            let of_client = sequence.wrapping_sub(first) < CONNECTION_BYTES;
            let of_server =
                flags & ACK != 0 && acknowledgement.wrapping_sub(first) < CONNECTION_BYTES;
            match flags & (SYN | ACK) {
                SYN if *sequence == first => Some(Leg::Syn),
                // A reset may be anybody's who refused it on the way.
                _ if of_server && !of_client && flags & SYN != 0 => Some(Leg::SynAck),
                _ if of_client && *payload > 0 && flags & SYN == 0 => Some(Leg::Data),
                _ if of_server && !of_client && *payload > 0 => Some(Leg::DataAnswer),
                _ => None,
            }
        }
        _ => None,
    }
}

/// By time, where the clocks of all namespaces are one; else from one end to the other.
fn order(seen: &mut [Seen<'_>], way: &[&Netns]) {
    seen.sort_by_key(|seen| seen.sighting.at_ns);
    let rank = |netns: &Netns| {
        let at = way.iter().position(|place| *place == netns);
        // Whoever is not on the way is between the two nodes.
        at.map_or(way.len(), |at| at * 2)
    };
    let lowest = seen.iter().map(|seen| rank(seen.netns)).min();
    let one_clock = seen.first().map(|seen| rank(seen.netns)) == lowest;
    if !one_clock {
        seen.sort_by_key(|seen| (rank(seen.netns), seen.sighting.at_ns));
    }
}

impl Seen<'_> {
    /// Whether it comes into the namespace, for whomever.
    pub(super) fn is_in(&self) -> bool {
        self.sighting.direction != Passing::Out
    }
}
