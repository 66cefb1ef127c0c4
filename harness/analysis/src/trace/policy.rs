//! Which policy rule decides about a packet, and which route of its table: what the kernel's answer about the packet leaves out.
use flatnet_model::kernel::route_kind::{THROW, UNICAST};
use flatnet_model::kernel::{Flow, RouteEntry, Rule, RuleAction, TABLE_MAIN};
use flatnet_model::probe::Facts;

/// The name by which rules know what a namespace sends itself.
const LOOPBACK: &str = "lo";
/// IP protocols that have ports.
const WITH_PORTS: [u8; 2] = [6, 17];

/// The rule that decides about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice<'a> {
    pub(super) rule: &'a Rule,
    /// The route of its table; nothing where the rule itself ends the packet.
    pub(super) route: Option<&'a RouteEntry>,
}

impl Choice<'_> {
    /// Whether the main table decides, as it does where nobody has made rules.
    pub(super) fn is_main(&self) -> bool {
        self.rule.action == RuleAction::Lookup(TABLE_MAIN)
    }
}

/// What a rule comes to for a packet that matches it.
enum Decision<'a> {
    Ends(Option<&'a RouteEntry>),
    /// The next rule is tried, from that priority on.
    On(u32),
    Unknown,
}

/// The rule that decides about a packet (fib_rules_lookup, net/core/fib_rules.c). Nothing where none does, or a rule before it has
/// conditions of which it is not known whether they hold.
pub(super) fn choice<'a>(facts: &'a Facts, flow: &Flow) -> Option<Choice<'a>> {
    let mut least = 0;
    for rule in facts
        .rules
        .iter()
        .filter(|rule| rule.v6 == flow.to.is_ipv6())
    {
        if rule.priority < least {
            continue;
        }
        let decision = decision(facts, rule, flow);
        let passes_by = matches!(decision, Decision::On(next) if next == rule.priority);
        let matches = match passes_by {
            true => Some(false),
            false => matches(facts, rule, flow),
        };
        match (matches?, decision) {
            (false, _) => {}
            (true, Decision::Ends(route)) => return Some(Choice { rule, route }),
            (true, Decision::On(next)) => least = next,
            (true, Decision::Unknown) => return None,
        }
    }
    None
}

/// Whether a rule is for the packet, where that is known.
fn matches(facts: &Facts, rule: &Rule, flow: &Flow) -> Option<bool> {
    let name = |index: Option<u32>| facts.link(index).map(|link| link.name.as_str());
    let covers = |net: ipnet::IpNet, address| net.contains(&address);
    let came_by = match flow.iif {
        Some(_) => name(flow.iif),
        None => Some(LOOPBACK),
    };
    let conditions = [
        // A packet whose source is still to be chosen is looked up without one.
        rule.from
            .map(|from| Some(flow.from.is_some_and(|source| covers(from, source)))),
        rule.to.map(|to| Some(covers(to, flow.to))),
        rule.iif.as_deref().map(|iif| Some(came_by? == iif)),
        rule.oif
            .as_deref()
            .map(|oif| Some(name(flow.oif) == Some(oif))),
        rule.mark.map(|wanted| {
            let mark = flow.mark.unwrap_or(0);
            Some((mark ^ wanted.value) & wanted.mask == 0)
        }),
        // What is forwarded is looked up as the user's who owns the namespace; whose a packet of its own is, is not known here.
        rule.users.map(|(first, _)| flow.iif.map(|_| first == 0)),
        rule.protocol
            .map(|protocol| Some(flow.carries?.protocol == protocol)),
        rule.source_ports
            .map(|range| within(range, flow, |carries| carries.source)),
        rule.destination_ports
            .map(|range| within(range, flow, |carries| carries.destination)),
        rule.more.then_some(None),
    ];
    let mut known = true;
    for condition in conditions.into_iter().flatten() {
        match condition {
            Some(false) => return Some(rule.inverted),
            Some(true) => {}
            None => known = false,
        }
    }
    known.then_some(!rule.inverted)
}

fn within(
    (first, last): (u16, u16),
    flow: &Flow,
    port: impl Fn(&flatnet_model::kernel::Carries) -> Option<u16>,
) -> Option<bool> {
    let carries = flow.carries?;
    if !WITH_PORTS.contains(&carries.protocol) {
        return Some(false);
    }
    Some((first..=last).contains(&port(&carries)?))
}

fn decision<'a>(facts: &'a Facts, rule: &Rule, flow: &Flow) -> Decision<'a> {
    let table = match rule.action {
        RuleAction::Lookup(table) => table,
        RuleAction::LookupOfVrf => match vrf_table(facts, flow) {
            Some(table) => table,
            None => return Decision::On(rule.priority),
        },
        RuleAction::Goto(priority) => return Decision::On(priority),
        RuleAction::Nop => return Decision::On(rule.priority),
        RuleAction::Blackhole | RuleAction::Unreachable | RuleAction::Prohibit => {
            return Decision::Ends(None);
        }
        RuleAction::Other(_) => return Decision::Unknown,
    };
    let route = best(facts, table, flow);
    match route.first() {
        None => Decision::On(rule.priority),
        Some(route) if route.kind == THROW => Decision::On(rule.priority),
        Some(route) => {
            let length = u32::from(route.dst.prefix_len());
            match rule.suppress_prefix {
                Some(least) if route.kind == UNICAST && length <= least => {
                    Decision::On(rule.priority)
                }
                _ => Decision::Ends(Some(route)),
            }
        }
    }
}

/// The table of the VRF by which a packet comes in, or to which its sender is bound.
fn vrf_table(facts: &Facts, flow: &Flow) -> Option<u32> {
    let of = |index: Option<u32>| {
        let link = facts.link(index)?;
        link.vrf.or_else(|| facts.link(link.master)?.vrf)
    };
    of(flow.oif).or_else(|| of(flow.iif))
}

/// The routes of a table with the longest prefix that covers the destination and, of these, the lowest metric.
pub(super) fn best<'a>(facts: &'a Facts, table: u32, flow: &Flow) -> Vec<&'a RouteEntry> {
    let covers = |route: &&RouteEntry| {
        route.dst.contains(&flow.to)
            && (flow.oif.is_none()
                || route.hops().any(|hop| hop.oif == flow.oif)
                || route.kind != UNICAST)
    };
    let others = facts.other_tables.iter();
    let others = others.filter_map(|(of, route)| (*of == table).then_some(route));
    let main = facts.routes.iter().filter(|_| table == TABLE_MAIN);
    let mut best: Vec<&RouteEntry> = main.chain(others).filter(covers).collect();
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
