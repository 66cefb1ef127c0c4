//! How the node routes packets to and from a pod: the kernel is asked, and tables that only some packets look up are read.
use std::net::IpAddr;

use flatnet_netlink::{Flow, Link, Route, RouteEntry, Rule, RuleAction};
use ipnet::IpNet;

use super::Findings;
use crate::datapath::sysctl;
use crate::error::Result;
use crate::types::Plan;

/// How many addresses to try until one is found that the node routes to the bridge.
const PEERS: usize = 3;

/// Every packet to a pod's address leaves through the bridge, whether the node sends it or another pod does, and so does what the pod sends
/// to others there; no larger one than the pod's port takes. `end_mtu` is that of the node's end of the veth pair, bytes.
pub(super) fn check(
    findings: &mut Findings,
    host: &mut Route,
    bridge: &Link,
    plan: &Plan,
    addresses: &[IpNet],
    end_mtu: Option<u32>,
) -> Result<()> {
    let forwards = sysctl::forwarding(&plan.pools)?.iter().all(|(_, on)| *on);
    for address in addresses.iter().map(IpNet::addr) {
        let mut way = Way { host, bridge };
        let own = way.problem(&Flow::to(address));
        let mut problems: Vec<String> = match own {
            Some(problem) => vec![problem],
            // What is not forwarded at all has been named.
            None if forwards => way.forwarded(plan, address).into_iter().collect(),
            None => Vec::new(),
        };
        if problems.is_empty() {
            problems = hidden(host, plan, address)?;
        }
        if problems.is_empty()
            && let (Ok(route), Some(port)) = (host.route_of(&Flow::to(address)), end_mtu)
            && let sends = route.mtu.unwrap_or(bridge.mtu)
            && sends > port
        {
            problems.push(format!(
                "the node sends {address} packets of up to {sends} bytes, its port takes {port}"
            ));
        }
        findings.problems.extend(problems);
    }
    Ok(())
}

struct Way<'a> {
    host: &'a mut Route,
    bridge: &'a Link,
}

impl Way<'_> {
    /// Why such a packet does not leave through the bridge; `None` if it does.
    fn problem(&mut self, flow: &Flow) -> Option<String> {
        let what = match self.host.route_of(flow) {
            Ok(route) if route.oif == Some(self.bridge.index) && route.gateway.is_none() => {
                return None;
            }
            Ok(_) => format!("does not lead to bridge {}", self.bridge.name),
            Err(error) => error.errno().map_or_else(
                || error.to_string(),
                |errno| format!("ends with: {}", errno.desc()),
            ),
        };
        let to = flow.to;
        Some(match flow.from {
            None => format!("the node's route to {to} {what} (ip route get {to})"),
            Some(from) => format!(
                "the node's route from {from} to {to} {what} (ip route get {to} from {from} iif {})",
                self.bridge.name
            ),
        })
    }

    /// The first problem of packets between the pod and another address of its range.
    fn forwarded(&mut self, plan: &Plan, address: IpAddr) -> Option<String> {
        let set = plan.pools.sets().iter().find(|set| set.contains(address))?;
        let others = set.candidates(None).map(|one| one.address);
        let peer = others
            .filter(|other| *other != address)
            .take(PEERS)
            .find(|other| self.problem(&Flow::to(*other)).is_none())?;
        let mut between = |from, to| {
            self.problem(&Flow {
                from: Some(from),
                iif: Some(self.bridge.index),
                ..Flow::to(to)
            })
        };
        between(peer, address).or_else(|| between(address, peer))
    }
}

/// Rules and routes that end packets for the pod, but only those that match more than a destination (an interface, a mark): no lookup from
/// here finds them. One for more than the pod's range concerns others, and is not the pod's.
fn hidden(host: &mut Route, plan: &Plan, address: IpAddr) -> Result<Vec<String>> {
    let Some(subnet) = plan.pools.range_of(address).map(|range| range.subnet()) else {
        return Ok(Vec::new());
    };
    let concerns = |net: &IpNet| subnet.contains(net) && net.contains(&address);
    let rules: Vec<Rule> = host.rules()?;
    let of_family = |rule: &&Rule| rule.v6 == address.is_ipv6();
    let rules: Vec<&Rule> = rules.iter().filter(of_family).collect();
    let mut problems = Vec::new();
    for rule in &rules {
        let net = [rule.to, rule.from].into_iter().flatten().find(concerns);
        if let (Some(kind), Some(net)) = (rule.action.refuses(), net) {
            problems.push(format!(
                "rule {} of the node ends packets of {net} ({kind}; ip rule show pref {})",
                rule.priority, rule.priority
            ));
        }
    }
    let routes = host.routes_of_all_tables()?;
    for rule in &rules {
        let RuleAction::Lookup(table) = rule.action else {
            continue;
        };
        // Rules without a condition are part of the lookups above.
        let conditional = rule.iif.is_some() || rule.mark.is_some() || rule.from.is_some();
        if !conditional || rule.to.is_some_and(|to| !to.contains(&address)) {
            continue;
        }
        let Some(route) = best(&routes, table, address) else {
            continue;
        };
        if let Some(kind) = ends(route.kind).filter(|_| concerns(&route.dst)) {
            problems.push(format!(
                "rule {} of the node looks up table {}, where a {kind} route to {} ends packets for {address} (ip route show table {})",
                rule.priority, table, route.dst, table
            ));
        }
    }
    problems.dedup();
    Ok(problems)
}

/// The route that the kernel takes from a table: the longest prefix, then the lowest metric.
fn best(routes: &[(u32, RouteEntry)], table: u32, address: IpAddr) -> Option<&RouteEntry> {
    routes
        .iter()
        .filter(|(number, route)| *number == table && route.dst.contains(&address))
        .map(|(_, route)| route)
        .max_by_key(|route| {
            let metric = route.metric.unwrap_or(0);
            (route.dst.prefix_len(), std::cmp::Reverse(metric))
        })
}

/// The word for routes that end a packet.
fn ends(kind: u8) -> Option<&'static str> {
    match kind {
        6 => Some("blackhole"),
        7 => Some("unreachable"),
        8 => Some("prohibit"),
        _ => None,
    }
}
