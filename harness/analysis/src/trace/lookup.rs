//! Which route a namespace chooses. The main table explains; where the kernel itself was asked, its word counts.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::kernel::{Flow, RouteEntry};
use flatnet_model::probe::{Facts, RouteOutcome};
use nix::errno::Errno;

use super::model::{Cause, ChosenBy, Netns};
use crate::checks::route_words;

/// What kernels said, by namespace and packet.
pub type Kernels = BTreeMap<(Netns, Flow), RouteOutcome>;

/// RTN_UNICAST and RTN_LOCAL.
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;

/// What a namespace does with a packet that is not for one of its addresses.
pub(super) enum Decision {
    /// It goes out by this route.
    Out(RouteEntry, ChosenBy),
    /// The kernel takes it for the namespace's own, though no interface holds the address.
    Own,
}

/// Decides from the main table and, where there is one, the kernel's answer.
pub(super) fn decide(
    facts: &Facts,
    flow: &Flow,
    outcome: Option<&RouteOutcome>,
) -> Result<Decision, Cause> {
    let best = best(facts, flow);
    let by_table = ChosenBy::MainTable {
        next_hops: best.len(),
    };
    let rejected = || {
        let route = best.iter().find(|route| route.kind != UNICAST);
        route.map(|route| Cause::Rejected {
            route: route_words(route, facts),
        })
    };
    match outcome {
        None => match best.first() {
            None => Err(Cause::NoRoute),
            Some(route) if route.kind == UNICAST => Ok(Decision::Out((*route).clone(), by_table)),
            Some(route) => Err(Cause::Rejected {
                route: route_words(route, facts),
            }),
        },
        Some(RouteOutcome::Found(entry)) if entry.kind == LOCAL => Ok(Decision::Own),
        Some(RouteOutcome::Found(entry)) if entry.kind != UNICAST => {
            Err(rejected().unwrap_or(Cause::Rejected {
                route: route_words(entry, facts),
            }))
        }
        Some(RouteOutcome::Found(entry)) => {
            let same = |route: &&&RouteEntry| {
                route.kind == UNICAST && route.oif == entry.oif && route.gateway == entry.gateway
            };
            Ok(match best.iter().find(same) {
                Some(route) => {
                    let src = route.src.or(entry.src);
                    Decision::Out(
                        RouteEntry {
                            src,
                            ..(*route).clone()
                        },
                        by_table,
                    )
                }
                None => Decision::Out(entry.clone(), ChosenBy::Policy),
            })
        }
        Some(RouteOutcome::Refused { errno, detail }) => Err(refusal(
            flow,
            Errno::from_raw(*errno),
            detail,
            facts,
            rejected(),
        )),
    }
}

/// ip_route_input_slow and fib_validate_source (net/ipv4), fib_table_lookup's error of a route that rejects.
fn refusal(
    flow: &Flow,
    errno: Errno,
    detail: &str,
    facts: &Facts,
    rejected: Option<Cause>,
) -> Cause {
    match (errno, rejected) {
        (Errno::EXDEV, _) => Cause::ReversePath {
            device: crate::checks::device(facts, flow.iif).to_owned(),
        },
        (_, Some(rejected)) => rejected,
        (Errno::ENETUNREACH, None) => Cause::NoRoute,
        // IN_DEV_FORWARD: each interface has a setting of its own, which ip_forward sets for all when it is written.
        (Errno::EHOSTUNREACH, None)
            if flow.iif.is_some() && flow.to.is_ipv4() && !is_on(facts, flow) =>
        {
            let device = crate::checks::device(facts, flow.iif);
            let sysctl = format!("ipv4/conf/{device}/forwarding");
            Cause::ForwardingOff { sysctl }
        }
        (_, None) => Cause::Refused {
            detail: detail.to_owned(),
        },
    }
}

/// Whether the interface by which the packet comes in is known to forward: a route that refuses has the same error.
fn is_on(facts: &Facts, flow: &Flow) -> bool {
    let device = crate::checks::device(facts, flow.iif);
    let setting = facts.setting("ipv4", device, "forwarding");
    setting == Some("1")
}

/// The setting that lets a namespace pass on what is not its own.
pub(super) fn forwarding(destination: IpAddr) -> &'static str {
    if destination.is_ipv4() {
        "ipv4.ip_forward"
    } else {
        "ipv6.conf.all.forwarding"
    }
}

/// The routes of the main table with the longest prefix that covers the destination and, of these, the lowest metric:
/// several where a packet's hash chooses among next hops.
fn best<'a>(facts: &'a Facts, flow: &Flow) -> Vec<&'a RouteEntry> {
    let covers = |route: &&RouteEntry| {
        route.dst.contains(&flow.to)
            && (flow.oif.is_none() || route.oif == flow.oif || route.kind != UNICAST)
    };
    let mut best: Vec<&RouteEntry> = facts.routes.iter().filter(covers).collect();
    let rank = |route: &RouteEntry| {
        let shorter = u8::MAX - route.dst.prefix_len();
        (shorter, route.metric.unwrap_or(0))
    };
    let Some(first) = best.iter().map(|route| rank(route)).min() else {
        return Vec::new();
    };
    best.retain(|route| rank(route) == first);
    best
}

/// The address from which a namespace speaks by a route, where nobody chose one: the route's preferred source, else the
/// device's first address of the family, else any of the namespace's (inet_select_addr, net/ipv4/devinet.c).
pub(super) fn source(facts: &Facts, route: &RouteEntry, destination: IpAddr) -> Option<IpAddr> {
    let fits = |address: &&flatnet_model::kernel::Address| {
        address.net.addr().is_ipv4() == destination.is_ipv4()
            && address.scope == "global"
            && !address.net.addr().is_loopback()
    };
    let global = || facts.addresses.iter().filter(fits);
    route
        .src
        .or_else(|| {
            global()
                .find(|address| Some(address.index) == route.oif)
                .map(|address| address.net.addr())
        })
        .or_else(|| global().next().map(|address| address.net.addr()))
}
