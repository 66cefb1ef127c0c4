//! The machine's reasons for packets that it dropped (`skb:kfree_skb`): they tell of no namespace, and others' packets are among them.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::follow::Followed;
use flatnet_model::probe::watch::Drop;
use flatnet_model::reference::Netns;

use super::fate::Ended;

/// Reasons that name what ended a packet (include/net/dropreason-core.h). Others are given for packets that nobody misses: copies,
/// frames for others, what a rule's own trace tells better.
const TELLING_REASONS: [&str; 12] = [
    "IP_CSUM",
    "IP_INHDR",
    "IP_RPFILTER",
    "IP_INNOROUTES",
    "NETFILTER_INGRESS",
    "NEIGH_FAILED",
    "NEIGH_QUEUEFULL",
    "PKT_TOO_BIG",
    "SOCKET_RCVBUFF",
    "TC_INGRESS",
    "TCP_CSUM",
    "UDP_CSUM",
];

/// How long after its last device a packet may be dropped, nanoseconds: it waits there for a processor at most.
const SOON_NS: u64 = 20_000_000;

/// The one reason for which the kernel dropped exactly as many packets as were lost, each soon after it was last seen. It is
/// concluded and not seen: what was dropped may have been others' packets.
pub(super) fn reason(
    followed: &Followed,
    ended: &Ended<'_>,
    at: &Netns,
    destination: IpAddr,
) -> Option<Cause> {
    let places = followed.places.iter();
    let drops = places.flat_map(|place| place.watched.iter().flat_map(|seen| &seen.drops));
    let in_pod = matches!(at, Netns::Pod(_));
    // Functions of one IP version's code say nothing of the other's packets.
    let other = match destination.is_ipv4() {
        true => ["ip6_", "ipv6_"],
        false => ["ip_", "fib_"],
    };
    let telling: Vec<_> = drops
        .filter(|drop| drop.packets == ended.fate.packets as u64 && are_those(ended, drop))
        .filter(|drop| !other.iter().any(|prefix| drop.place.starts_with(prefix)))
        // A pod forwards nothing.
        .filter(|drop| !(in_pod && drop.place.contains("forward")))
        .filter(|drop| TELLING_REASONS.contains(&drop.reason.as_str()))
        .collect();
    let [only] = telling[..] else { return None };
    Some(Cause::CountedDrop {
        at: at.clone(),
        device: None,
        counter: format!("kfree_skb {} in {}", only.reason, only.place),
        packets: only.packets,
    })
}

/// One after the other was dropped soon after one was last seen.
fn are_those(ended: &Ended<'_>, drop: &Drop) -> bool {
    let soon = |(seen, dropped): (&u64, &u64)| {
        dropped
            .checked_sub(*seen)
            .is_some_and(|after| after <= SOON_NS)
    };
    ended.last_at_ns.len() == drop.at_ns.len() && ended.last_at_ns.iter().zip(&drop.at_ns).all(soon)
}
