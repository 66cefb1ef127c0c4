//! What ended a packet where it was last seen: the first of these that was seen there. A rule that met it; the kernel's own
//! answer about its route, or what its tables lack; an ICMP error from there; a counter that moved as often as packets were lost.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Basis, Found};
use flatnet_model::follow::{Burst, Followed, Rewrite};
use flatnet_model::kernel::{Flow, MacAddr};
use flatnet_model::probe::watch::{Body, Passing};
use flatnet_model::reference::Netns;

use super::astray::{led_astray, routed_away};
use super::counters::COUNTERS;
use super::ends::{Ends, facts, holds, namespaces};
use super::fate::Ended;
use super::passage::Seen;
use super::walked::cause_of;
use super::{down, drops, local, narrow, path_mtu, ttl};
use crate::trace::model::{self, Direction, Ending, Step, Trace};
use crate::trace::{ObservedNetwork, route_choice};

/// Where packets and answers should go.
pub(super) struct Walks<'a> {
    pub(super) there: &'a Trace,
    pub(super) back: Option<&'a Trace>,
}

/// Everything that is asked about a packet's end.
pub(super) struct Case<'a> {
    pub(super) followed: &'a Followed,
    network: &'a ObservedNetwork,
    pub(super) ended: &'a Ended<'a>,
    /// Addresses of the packet as it was last seen, or as it was to be sent.
    pub(super) source: Option<IpAddr>,
    pub(super) destination: IpAddr,
    /// Source, where it is set, and destination of the packets that tunnels put around it.
    pub(super) around: Vec<(Option<IpAddr>, IpAddr)>,
}

pub(super) fn reason(
    followed: &Followed,
    ends: &Ends,
    network: &ObservedNetwork,
    ended: &Ended<'_>,
    walks: &Walks<'_>,
    rewrites: &[Rewrite],
) -> Option<Found> {
    let is_back = ended.fate.leg.is_back();
    let walk = match is_back {
        true => walks.back,
        false => Some(walks.there),
    };
    let case = Case {
        around: around(ended, walk),
        followed,
        network,
        ended,
        source: ended.packet().map(|packet| packet.source),
        destination: ended
            .packet()
            .map_or(followed.dial.request.address, |packet| packet.destination),
    };
    let last = ended.fate.last.as_ref();
    let at = last.map_or(&ends.client, |last| &last.netns);
    let left = last.is_some_and(|last| last.passing == Passing::Out);
    // What has left by a device may still have ended in the device, or before it was seen on the other side of it.
    let beyond = ended.fate.unseen_at.as_ref().filter(|_| left);
    let mut places = vec![at];
    places.extend(beyond);
    let answers_too = !left && ends.goal(is_back) == at;
    let by_rule = || {
        places
            .iter()
            .find_map(|netns| case.rule(netns, answers_too))
    };
    let seen = || {
        led_astray(network, followed, ends, ended, rewrites)
            .or_else(|| ends.way().iter().find_map(|netns| case.diverted(netns)))
            .or_else(|| case.misdirected())
            .or_else(|| routed_away(network, ended, &ends.way_of(is_back), walk?))
            .or_else(|| {
                let stopped =
                    |walk: &Trace| places.iter().find_map(|netns| case.stopped(walk, netns));
                let back = walks.back.filter(|_| answers_too);
                walk.and_then(stopped).or_else(|| back.and_then(stopped))
            })
            .or_else(|| ttl::ran_out(ended))
            .or_else(|| places.iter().find_map(|netns| case.error_from(netns, walk)))
            // Data is followed where datagrams of the interface's MTU pass, and seen before it is cut to segments.
            .or_else(|| {
                let is_data = followed.dial.burst == Burst::Filled;
                narrow::device(network, ended, walk).filter(|_| !is_data)
            })
    };
    let counted = || places.iter().find_map(|netns| case.counted(netns));
    let legacy = || {
        let mut dropping = places.iter();
        let mut diverting = places.iter();
        dropping
            .find_map(|netns| case.dropped_by_legacy(netns))
            .or_else(|| diverting.find_map(|netns| case.diverted_by_legacy(netns)))
    };
    by_rule()
        .map(Found::seen)
        .or_else(|| legacy().filter(|found| found.basis == Basis::Seen))
        .or_else(|| seen().map(Found::seen))
        .or_else(|| {
            let counted = counted().filter(|cause| !is_of_any_sending(cause));
            counted.map(Found::seen)
        })
        .or_else(|| walk.and_then(|walk| case.sent_away(walk)).map(Found::seen))
        // A legacy rule that counted other packets too.
        .or_else(legacy)
        .or_else(|| counted().map(Found::seen))
        .or_else(|| drops::reason(followed, ended, at, case.destination).map(Found::inferred))
}

/// Counters of what could not be sent, whatever refused it: a rule says more. ip_send_skb (net/ipv4/ip_output.c) counts what a hook or
/// the device did not take from it, a tunnel what its host did not take.
fn is_of_any_sending(cause: &Cause) -> bool {
    matches!(cause, Cause::CountedDrop { counter, .. }
        if counter.ends_with(".OutDiscards") || counter.starts_with("tx_"))
}

impl Case<'_> {
    pub(super) fn packets(&self) -> u64 {
        self.ended.fate.packets as u64
    }

    /// The namespace where the packet was last seen is the one where routes, neighbours and devices end its way.
    fn stopped(&self, walk: &Trace, netns: &Netns) -> Option<Cause> {
        let Ending::Stopped { at, cause } = &walk.ending else {
            return None;
        };
        let found = match cause {
            _ if at != netns => return None,
            // fib_validate_source: a source that is an address of its own is no stranger's.
            model::Cause::Refused { .. } => {
                let source = self
                    .source
                    .filter(|source| holds(self.network, at, *source));
                source.map(|address| Cause::SourceIsOwn {
                    at: at.clone(),
                    address,
                })
            }
            // A local route takes what no interface there has an address for.
            model::Cause::TakenByOther { .. } if !holds(self.network, at, walk.target) => {
                local::route(self.network, at, walk.target)
            }
            // Who sent the frame to that address is to blame, not who ignores it.
            model::Cause::WrongMac { frame: mac, .. } | model::Cause::NoPort { mac, .. } => {
                let wrong = self.wrong_neighbour(*mac);
                wrong.or_else(|| down::owner(self.network, *mac))
            }
            model::Cause::Neighbour { next_hop, .. } => down::holder(self.network, *next_hop),
            _ => None,
        };
        found.or_else(|| cause_of(at, cause, walk.target))
    }

    /// It came to a device for another Ethernet address than the device's: who sent it there, and what made it.
    fn misdirected(&self) -> Option<Cause> {
        let last = self.ended.last()?;
        if last.sighting.direction != Passing::InForOther {
            return None;
        }
        let frame = last.sighting.frame?.destination;
        let here = facts(self.network, last.netns)?;
        let device = here.link_named(&last.sighting.device)?;
        // A bridge takes frames for others; a loopback device has no address to compare with.
        let loopback = device.mac.is_none_or(|mac| mac.0 == [0; 6]);
        if loopback || device.master.is_some() || device.mac == Some(frame) {
            return None;
        }
        let wrong = self.wrong_neighbour(frame);
        let wrong = wrong.or_else(|| down::owner(self.network, frame));
        Some(wrong.unwrap_or(Cause::FrameMisdirected {
            at: last.netns.clone(),
            device: device.name.clone(),
            frame,
            own: device.mac,
        }))
    }

    /// The neighbour entry because of which a frame of the packet was sent to that Ethernet address, where its next hop is known to
    /// have another one.
    fn wrong_neighbour(&self, frame: MacAddr) -> Option<Cause> {
        let sent = |seen: &&Seen<'_>| {
            let to = seen.sighting.frame.map(|frame| frame.destination);
            !seen.is_in() && to == Some(frame)
        };
        let sender = self.ended.whole.iter().find(sent)?;
        let there = facts(self.network, sender.netns)?;
        let devices = there.links.iter().filter(|link| link.mac.is_some());
        let entry = devices.filter_map(|link| {
            let mut entries = there.neighbours.iter();
            let entry =
                entries.find(|entry| entry.index == link.index && entry.mac == Some(frame))?;
            Some((link, entry))
        });
        let (device, entry) = entry.into_iter().next()?;
        let actual = mac_of(self.network, entry.address)?;
        (actual != frame).then(|| Cause::NeighbourWrong {
            at: sender.netns.clone(),
            hop: entry.address,
            device: device.name.clone(),
            mac: frame,
            actual: Some(actual),
        })
    }

    /// An ICMP error about the packet, sent from there.
    fn error_from(&self, netns: &Netns, walk: Option<&Trace>) -> Option<Cause> {
        let sightings = self.followed.places.iter().flat_map(|place| {
            let watched = place.watched.iter();
            watched.flat_map(|watched| &watched.sightings)
        });
        let errors = sightings.filter_map(|sighting| match &sighting.packet.body {
            Body::Error {
                kind,
                code,
                mtu,
                about: Some(about),
                ..
            } if about.destination == self.destination => {
                Some((sighting.packet.source, *kind, *code, *mtu))
            }
            _ => None,
        });
        let (source, kind, code, mtu) = errors
            .into_iter()
            .find(|(source, ..)| holds(self.network, netns, *source))?;
        let at = netns.clone();
        let to = self.destination;
        // RFC 792, RFC 1812 section 5.2.7; RFC 4443 section 3.
        match (source.is_ipv4(), kind, code, mtu) {
            (true, 3, 4, Some(mtu)) | (false, 2, _, Some(mtu)) => Some(self.too_big(at, walk, mtu)),
            (true, 3, 0, _) | (false, 1, 0, _) => Some(Cause::RouteRefuses { at, to, by: None }),
            _ => None,
        }
    }

    /// What has the MTU that a namespace named: a device there, else a route.
    fn too_big(&self, at: Netns, walk: Option<&Trace>, mtu: u32) -> Cause {
        let device = walk.and_then(|walk| narrow::named(walk, &at, mtu));
        let by_route = || {
            let here = facts(self.network, &at);
            let routes = &self.followed.routes;
            path_mtu::route(routes, here, walk?, &at, self.destination, mtu)
        };
        match device {
            None => by_route().unwrap_or(Cause::TooBigForDevice {
                at,
                device: None,
                mtu,
            }),
            device => Cause::TooBigForDevice { at, device, mtu },
        }
    }

    /// Source and destination of the packet as it passed its last device: a tunnel's around it.
    fn outermost(&self) -> Option<(IpAddr, IpAddr)> {
        let sighting = self.ended.last()?.sighting;
        Some(match sighting.outer.first() {
            Some(outer) => (outer.source, outer.destination),
            None => (sighting.packet.source, sighting.packet.destination),
        })
    }

    /// A counter of dropped packets that moved at least as often as packets were lost.
    fn counted(&self, netns: &Netns) -> Option<Cause> {
        let watched = self.followed.seen_at(netns)?;
        let last = self.ended.fate.last.as_ref();
        // By which it came in there; what was last seen elsewhere says nothing of a device here.
        let came_in = last.filter(|last| last.netns == *netns && last.passing != Passing::Out);
        let device = came_in.map(|last| last.device.clone());
        let moved = |counter: &str| {
            let count = watched.counters.get(counter).copied();
            count.filter(|count| *count >= self.packets())
        };
        if let (Some(device), Some((source, destination)), Some(_)) = (
            &device,
            self.outermost(),
            moved("TcpExt.IPReversePathFilter"),
        ) {
            // __fib_validate_source (net/ipv4/fib_frontend.c) looks the source up as the namespace's own destination.
            let back = Flow {
                from: Some(destination),
                ..Flow::to(source)
            };
            let here = facts(self.network, netns);
            return Some(Cause::ReversePathFilter {
                at: netns.clone(),
                device: device.clone(),
                source,
                back: here.and_then(|here| route_choice(here, &back)),
            });
        }
        if let Some((counter, packets)) = COUNTERS
            .iter()
            .find_map(|counter| Some((*counter, moved(counter)?)))
        {
            return Some(Cause::CountedDrop {
                at: netns.clone(),
                device: None,
                counter: counter.to_owned(),
                packets,
            });
        }
        let name = last.filter(|last| last.netns == *netns)?.device.clone();
        let stats = watched.devices.get(&name)?;
        let counts = match last?.passing {
            Passing::Out => [
                ("tx_dropped", stats.tx_dropped),
                ("tx_errors", stats.tx_errors),
            ],
            Passing::In | Passing::InForOther => [
                ("rx_dropped", stats.rx_dropped),
                ("rx_errors", stats.rx_errors),
            ],
        };
        let (counter, packets) = counts
            .into_iter()
            .find(|(_, packets)| *packets >= self.packets())?;
        Some(Cause::CountedDrop {
            at: netns.clone(),
            device: Some(name),
            counter: counter.to_owned(),
            packets,
        })
    }

    /// It left by another device than the kernel's routes name for its destination.
    fn sent_away(&self, walk: &Trace) -> Option<Cause> {
        let last = self.ended.fate.last.as_ref()?;
        if last.passing != Passing::Out || last.tunnelled {
            return None;
        }
        let facts = facts(self.network, &last.netns)?;
        let bridged = facts
            .link_named(&last.device)
            .is_some_and(|link| link.master.is_some());
        let mut hops = walk.hops.iter().filter(|hop| {
            hop.netns == last.netns && hop.direction == Direction::Out && hop.overhead == 0
        });
        let expected = hops.any(|hop| hop.device == last.device);
        let passes = walk.hops.iter().any(|hop| hop.netns == last.netns);
        (passes && !expected && !bridged && walk.arrives()).then(|| Cause::SentAway {
            at: last.netns.clone(),
            device: last.device.clone(),
            expected: self.ended.fate.unseen_at.clone().unwrap_or(Netns::Wire),
        })
    }
}

/// Addresses of tunnels' packets in which the packet was seen, or was to be put.
fn around(ended: &Ended<'_>, walk: Option<&Trace>) -> Vec<(Option<IpAddr>, IpAddr)> {
    let seen = ended.whole.iter().flat_map(|seen| &seen.sighting.outer);
    let seen = seen.map(|outer| (Some(outer.source), outer.destination));
    let hops = walk.into_iter().flat_map(|walk| &walk.hops);
    let planned = hops.filter_map(|hop| match &hop.step {
        Step::Encapsulated { local, remote, .. } => Some((*local, *remote)),
        _ => None,
    });
    seen.chain(planned).collect()
}

/// The Ethernet address of the interface that holds an address, where one namespace does.
fn mac_of(network: &ObservedNetwork, address: IpAddr) -> Option<MacAddr> {
    let holders: Vec<MacAddr> = namespaces(network)
        .filter_map(|(_, facts)| facts.holder(address)?.mac)
        .collect();
    match holders[..] {
        [only] => Some(only),
        _ => None,
    }
}
