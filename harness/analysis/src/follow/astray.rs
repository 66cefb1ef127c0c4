//! A packet that a route or a rule leads away from its destination: whose that is, wherever the packet ends then.
use flatnet_model::cause::Cause;
use flatnet_model::follow::{Followed, Rewrite};
use flatnet_model::kernel::{AddressField, RouteEntry};
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::Netns;
use flatnet_model::rule::RouteChoice;

use super::ends::{Ends, facts, holds, namespaces};
use super::fate::Ended;
use crate::checks::route_words;
use crate::trace::ObservedNetwork;
use crate::trace::model::{ChosenBy, Direction, Ending, Hop, Routed, Step, Trace};

/// Where a packet comes next after a routing decision.
enum Next<'a> {
    /// To that namespace.
    To(&'a Netns),
    /// Nowhere: what takes it out of the namespace hands it to nobody.
    Nowhere,
    /// To something that could not be looked at.
    Unseen,
    /// It ends inside of a tunnel, which is judged by the decisions about the packet around it.
    Inside,
}

/// The first routing decision by which a packet leaves its way for good, as far as the packet was seen to come.
pub(super) fn routed_away(
    network: &ObservedNetwork,
    ended: &Ended<'_>,
    way: &[&Netns],
    walk: &Trace,
) -> Option<Cause> {
    let mut holders = namespaces(network).filter(|(_, facts)| facts.holder(walk.target).is_some());
    // To which of several that hold an address its route leads is not the route's fault.
    if walk.arrives() || holders.nth(1).is_some() {
        return None;
    }
    let decisions = walk.hops.iter().enumerate().filter_map(|(at, hop)| {
        let Step::Routed(routed) = &hop.step else {
            return None;
        };
        (hop.direction == Direction::Out).then_some((at, hop, routed))
    });
    let (_, hop, routed) = decisions
        .filter(|(_, hop, _)| was_taken(ended, walk, hop))
        .find(|(at, hop, routed)| is_away(network, ended, way, walk, (*at, hop, routed)))?;
    let here = facts(network, &hop.netns)?;
    let by = match &routed.by {
        ChosenBy::Policy(None) => return None,
        ChosenBy::Policy(Some(policy)) => policy.choice(),
        ChosenBy::MainTable { .. } => {
            let taken = &routed.route;
            // All its next hops, where the way is one of several.
            let is_whole = |route: &&RouteEntry| {
                (route.dst, route.metric) == (taken.dst, taken.metric)
                    && route.hops().any(|hop| route.by(hop) == *taken)
            };
            let whole = here.routes.iter().find(is_whole).unwrap_or(taken);
            RouteChoice::Main {
                route: route_words(whole, here),
            }
        }
    };
    Some(Cause::RoutedAway {
        at: hop.netns.clone(),
        to: walk.target,
        device: hop.device.clone(),
        by,
    })
}

/// Whether the packet was seen leaving by that device, or came as far as that namespace and was not seen to leave it: where a device
/// has no Ethernet address for its next hop, nothing leaves.
fn was_taken(ended: &Ended<'_>, walk: &Trace, hop: &Hop) -> bool {
    let left = ended.whole.iter().any(|seen| {
        *seen.netns == hop.netns
            && seen.sighting.device == hop.device
            && seen.sighting.direction == Passing::Out
    });
    let stayed = match ended.last() {
        Some(last) => *last.netns == hop.netns && last.sighting.direction != Passing::Out,
        None => walk.from == hop.netns,
    };
    left || stayed
}

/// Whether it was not seen any more once it had left by that device.
fn is_last(ended: &Ended<'_>, hop: &Hop) -> bool {
    ended.last().is_none_or(|last| {
        let stayed = last.sighting.direction != Passing::Out;
        *last.netns == hop.netns && (stayed || last.sighting.device == hop.device)
    })
}

/// Whether frames leave by the device as they are; a tunnel of which nothing is known may lead anywhere.
fn is_ethernet(network: &ObservedNetwork, hop: &Hop) -> bool {
    let link = facts(network, &hop.netns).and_then(|here| here.link_named(&hop.device));
    link.is_some_and(|link| link.mac.is_some() && link.vxlan.is_none())
}

fn is_away(
    network: &ObservedNetwork,
    ended: &Ended<'_>,
    way: &[&Netns],
    walk: &Trace,
    (at, hop, routed): (usize, &Hop, &Routed),
) -> bool {
    let Some(here) = way.iter().position(|netns| **netns == hop.netns) else {
        return false;
    };
    let policy = match &routed.by {
        ChosenBy::Policy(Some(policy)) => Some(policy),
        ChosenBy::Policy(None) | ChosenBy::MainTable { .. } => None,
    };
    // Where the main table knows no way to pods, the rule is how pods are reached here.
    if policy.is_some_and(|policy| !policy.main_covers) {
        return false;
    }
    let further = &way[here + 1..];
    let holds = |netns: &Netns, address| holds(network, netns, address);
    // A route to a gateway on the packet's way is right, whatever becomes of its frames.
    let leads_right = routed.route.gateway.is_some_and(|gateway| {
        let mut gateways = further.iter().filter(|netns| ***netns != Netns::Wire);
        gateways.any(|netns| holds(netns, gateway))
    });
    if leads_right {
        return false;
    }
    match next(walk, at, hop) {
        Next::Inside => false,
        Next::Nowhere => policy.is_some() && is_last(ended, hop),
        // What joins the nodes was looked at, and this device does not lead to it.
        Next::Unseen => {
            let leads_elsewhere =
                further.first() == Some(&&Netns::Wire) && is_ethernet(network, hop);
            (policy.is_some() || leads_elsewhere) && is_last(ended, hop)
        }
        // A router that knows no pods gets none of their packets where all is well.
        Next::To(Netns::Wire) => hop.overhead == 0 && !carries_pods(network),
        // An address that both hold is resolved to either: that is not the route's fault.
        Next::To(next) => {
            let held = |netns: &Netns| holds(netns, routed.next_hop);
            let shared = held(next) && further.iter().any(|netns| held(netns));
            !further.contains(&next) && !shared
        }
    }
}

fn next<'a>(walk: &'a Trace, at: usize, hop: &Hop) -> Next<'a> {
    let mut inside = false;
    for later in &walk.hops[at + 1..] {
        inside = later.overhead > hop.overhead;
        if !inside && matches!(later.step, Step::Routed(_)) {
            return Next::To(&later.netns);
        }
    }
    match &walk.ending {
        _ if inside => Next::Inside,
        Ending::Delivered { to, .. } => Next::To(to),
        Ending::Stopped { at, .. } if *at != hop.netns => Next::To(at),
        Ending::Stopped { .. } => Next::Nowhere,
        Ending::OutOfSight { .. } => Next::Unseen,
        Ending::Unseen { .. } | Ending::Left { .. } => Next::Inside,
    }
}

/// Whether what joins the nodes has a route to any pod, besides its default route.
fn carries_pods(network: &ObservedNetwork) -> bool {
    let Some(wire) = facts(network, &Netns::Wire) else {
        return true;
    };
    let own_network = network.pods.iter().filter(|pod| !pod.object.host_network);
    let mut addresses = own_network.flat_map(|pod| &pod.object.ips);
    addresses.any(|address| {
        let mut routes = wire.routes.iter();
        routes.any(|route| route.dst.prefix_len() > 0 && route.dst.contains(address))
    })
}

/// A rule that gave packets an address with which they cannot arrive, or their answers not come back: another destination than who was
/// dialled; a source that its own namespace does not hold, or does not change back; an answer from or to somebody else.
pub(super) fn led_astray(
    network: &ObservedNetwork,
    followed: &Followed,
    ends: &Ends,
    ended: &Ended<'_>,
    rewrites: &[Rewrite],
) -> Option<Cause> {
    let died = ended.fate.leg;
    let astray = |rewrite: &&Rewrite| match (rewrite.field, rewrite.leg.is_back()) {
        (AddressField::Destination, false) => !holds(network, &ends.server, rewrite.to),
        (AddressField::Source, false) => {
            let came_back = ended.last().is_some_and(|last| {
                *last.netns == rewrite.at && last.sighting.packet.destination == rewrite.to
            });
            !holds(network, &rewrite.at, rewrite.to) || (died.is_back() && came_back)
        }
        (AddressField::Source, true) => rewrite.to != followed.dial.request.address,
        (AddressField::Destination, true) => !ends.sources.contains(&rewrite.to),
    };
    let mut rewrites = rewrites.iter().filter(|rewrite| rewrite.leg <= died);
    let rewrite = rewrites.find(|rewrite| rewrite.by.is_some() && astray(rewrite))?;
    Some(Cause::RewrittenByRule {
        at: rewrite.at.clone(),
        rule: rewrite.by.clone()?,
    })
}
