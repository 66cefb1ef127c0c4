//! Devices that carry less than a packet is long, where it ended: the other end of the veth by which it left, or one by which a
//! bridge was to send it on. Neither says so with an ICMP error.
use flatnet_model::cause::Cause;
use flatnet_model::kernel::Link;
use flatnet_model::probe::watch::{OuterKind, Passing};
use flatnet_model::reference::Netns;

use super::ends::facts;
use super::fate::Ended;
use super::passage::Seen;
use crate::checks::{BEYOND_MTU, paired};
use crate::trace::ObservedNetwork;
use crate::trace::model::{Direction, Trace};

/// The device that is certainly too narrow for the packet where it was last seen.
pub(super) fn device(
    network: &ObservedNetwork,
    ended: &Ended<'_>,
    walk: Option<&Trace>,
) -> Option<Cause> {
    let last = ended.last()?;
    let bytes = length(last);
    let (at, link) = match last.sighting.direction {
        Passing::Out => beyond(network, ended, last)?,
        Passing::In | Passing::InForOther => bridged(network, last, walk?)?,
    };
    (link.mtu + BEYOND_MTU < bytes).then(|| Cause::TooBigForDevice {
        at: at.clone(),
        device: Some(link.name.clone()),
        mtu: link.mtu,
    })
}

/// The device on a packet's way out of a namespace that has that MTU, as the namespace says in an ICMP error.
pub(super) fn named(walk: &Trace, netns: &Netns, mtu: u32) -> Option<String> {
    let mut out = walk.hops.iter().filter(|hop| {
        hop.netns == *netns && hop.direction == Direction::Out && hop.mtu == mtu + hop.overhead
    });
    out.next().map(|hop| hop.device.clone())
}

/// The other end of the veth by which the packet left.
fn beyond<'n>(
    network: &'n ObservedNetwork,
    ended: &'n Ended<'_>,
    last: &Seen<'_>,
) -> Option<(&'n Netns, &'n Link)> {
    let link = facts(network, last.netns)?.link_named(&last.sighting.device)?;
    let next = ended.fate.unseen_at.as_ref()?;
    let mut others = facts(network, next)?.links.iter();
    others
        .find(|other| paired(link, other))
        .map(|other| (next, other))
}

/// The port by which a bridge was to send on what came in by another port.
fn bridged<'n>(
    network: &'n ObservedNetwork,
    last: &'n Seen<'_>,
    walk: &Trace,
) -> Option<(&'n Netns, &'n Link)> {
    let here = facts(network, last.netns)?;
    let bridge = here.link_named(&last.sighting.device)?.master?;
    let mut out = walk
        .hops
        .iter()
        .filter(|hop| hop.netns == *last.netns && hop.direction == Direction::Out)
        .filter_map(|hop| here.link_named(&hop.device));
    out.find(|link| link.master == Some(bridge))
        .map(|link| (last.netns, link))
}

/// Length of the packet as it was seen, with the headers of a tunnel around it, bytes.
fn length(seen: &Seen<'_>) -> u32 {
    let mut bytes = seen.sighting.packet.bytes;
    for outer in &seen.sighting.outer {
        let header = if outer.source.is_ipv4() { 20 } else { 40 };
        bytes += header
            + match outer.kind {
                // UDP, VXLAN and inner Ethernet headers (RFC 7348 section 5).
                OuterKind::Vxlan { .. } => 8 + 8 + 14,
                OuterKind::Ip => 0,
            };
    }
    bytes
}
