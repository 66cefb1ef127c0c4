//! Which route a namespace chooses. The main table explains; where the kernel itself was asked, its word counts.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::kernel::route_kind::{BLACKHOLE, LOCAL, PROHIBIT, UNICAST, UNREACHABLE};
use flatnet_model::kernel::{Flow, RouteEntry, RuleAction, TABLE_MAIN};
use flatnet_model::probe::{Facts, RouteOutcome};
use flatnet_model::rule::RouteChoice;
use nix::errno::Errno;

use super::model::{Cause, ChosenBy, Netns, PolicyRoute};
use super::policy::{self, Choice};
use crate::checks::route_words;

/// What kernels said, by namespace and packet.
pub type Kernels = BTreeMap<(Netns, Flow), RouteOutcome>;

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
    let best = policy::best(facts, TABLE_MAIN, flow);
    let by_table = |route: &RouteEntry| ChosenBy::MainTable {
        next_hops: route.hops().count(),
    };
    let rejected = |entry: &RouteEntry| Cause::Rejected {
        by: RouteChoice::Main {
            route: route_words(entry, facts),
        },
    };
    let by_main = || best.iter().find(|route| route.kind != UNICAST);
    match outcome {
        None => match best.first() {
            None => Err(Cause::NoRoute),
            Some(route) if route.kind == UNICAST => {
                let first = route.hops().next();
                let first = first.map_or_else(|| (*route).clone(), |hop| route.by(hop));
                Ok(Decision::Out(first, by_table(route)))
            }
            Some(route) => Err(rejected(route)),
        },
        Some(RouteOutcome::Found(entry)) if entry.kind == LOCAL => Ok(Decision::Own),
        Some(RouteOutcome::Found(entry)) if entry.kind != UNICAST => {
            let route = by_main().copied().unwrap_or(entry);
            Err(rejected(route))
        }
        Some(RouteOutcome::Found(entry)) => {
            let chosen = |route: &RouteEntry| {
                let mut hops = route.hops().filter(|_| route.kind == UNICAST);
                hops.find(|hop| (hop.oif, hop.gateway) == (entry.oif, entry.gateway))
            };
            let same = |route: &RouteEntry| chosen(route).is_some();
            let mut found = best.iter();
            Ok(
                match found.find_map(|route| Some((route, chosen(route)?))) {
                    Some((route, hop)) => {
                        let src = route.src.or(entry.src);
                        let by = by_table(route);
                        Decision::Out(
                            RouteEntry {
                                src,
                                ..route.by(hop)
                            },
                            by,
                        )
                    }
                    None => {
                        let choice = policy::choice(facts, flow)
                            .filter(|choice| choice.route.is_some_and(same));
                        let policy = choice.and_then(|choice| {
                            Some(PolicyRoute {
                                rule: choice.rule.clone(),
                                route: route_words(choice.route?, facts),
                                main_covers: best.iter().any(|route| route.dst.prefix_len() > 0),
                            })
                        });
                        Decision::Out(entry.clone(), ChosenBy::Policy(policy.map(Box::new)))
                    }
                },
            )
        }
        Some(RouteOutcome::Refused { errno, detail }) => {
            let errno = Errno::from_raw(*errno);
            let by_policy = policy::choice(facts, flow)
                .filter(|choice| !choice.is_main() && refuses_with(choice) == Some(errno));
            let rejected = match by_policy {
                Some(choice) => Some(Cause::Rejected {
                    by: said(&choice, facts),
                }),
                None => by_main().map(|route| rejected(route)),
            };
            Err(refusal(flow, errno, detail, facts, rejected))
        }
    }
}

/// What decides about a packet, as far as what was read of rules and tables tells.
pub(crate) fn route_choice(facts: &Facts, flow: &Flow) -> Option<RouteChoice> {
    policy::choice(facts, flow).map(|choice| said(&choice, facts))
}

fn said(choice: &Choice<'_>, facts: &Facts) -> RouteChoice {
    let rule = Box::new(choice.rule.clone());
    match choice.route.map(|route| route_words(route, facts)) {
        Some(route) if choice.is_main() => RouteChoice::Main { route },
        Some(route) => RouteChoice::Table { rule, route },
        None => RouteChoice::Rule { rule },
    }
}

/// The error of what a rule or its route does to a packet (fib_props, net/ipv4/fib_semantics.c; fib4_rule_action).
fn refuses_with(choice: &Choice<'_>) -> Option<Errno> {
    match choice.route {
        Some(route) => match route.kind {
            BLACKHOLE => Some(Errno::EINVAL),
            UNREACHABLE => Some(Errno::EHOSTUNREACH),
            PROHIBIT => Some(Errno::EACCES),
            _ => None,
        },
        None => match choice.rule.action {
            RuleAction::Blackhole => Some(Errno::EINVAL),
            RuleAction::Unreachable => Some(Errno::ENETUNREACH),
            RuleAction::Prohibit => Some(Errno::EACCES),
            _ => None,
        },
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
