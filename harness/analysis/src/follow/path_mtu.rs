//! MTUs that kernels have from their routes and not from a device: a route's own, or one that was learned of a path.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::follow::KernelRoute;
use flatnet_model::kernel::{Flow, RouteEntry};
use flatnet_model::probe::{Facts, RouteOutcome};
use flatnet_model::reference::Netns;

use crate::trace::model::{Direction, Trace};
use crate::trace::route_choice;

/// The MTU of the route by which a namespace sends a packet for `to` on, or one that a tunnel puts around it, where it leaves room for
/// the `mtu` bytes that the namespace named in an ICMP error.
pub(super) fn route(
    routes: &[KernelRoute],
    here: Option<&Facts>,
    walk: &Trace,
    at: &Netns,
    to: IpAddr,
    mtu: u32,
) -> Option<Cause> {
    // The outermost first: what a tunnel learns of its path, the kernel also notes for the packets in it.
    let mut out = walk
        .hops
        .iter()
        .rev()
        .filter(|hop| hop.netns == *at && hop.direction == Direction::Out);
    out.find_map(|hop| {
        let is_inner = hop.overhead == 0;
        let mut asked = routes.iter().filter_map(|asked| match &asked.outcome {
            RouteOutcome::Found(entry) if asked.netns == *at => Some((&asked.flow, entry)),
            _ => None,
        });
        let (flow, entry) = asked.find(|(flow, entry)| {
            (flow.to == to) == is_inner && entry.mtu == Some(mtu + hop.overhead)
        })?;
        cause(at, flow, entry, here)
    })
}

/// What that answer says of the MTU of packets.
fn cause(at: &Netns, flow: &Flow, entry: &RouteEntry, here: Option<&Facts>) -> Option<Cause> {
    let (at, to, mtu) = (at.clone(), flow.to, entry.mtu?);
    Some(match entry.learned_mtu() {
        Some(learned) => Cause::PathMtuLearned { at, to, learned },
        None => Cause::RouteMtu {
            at,
            to,
            mtu,
            by: here.and_then(|here| route_choice(here, flow)),
        },
    })
}
