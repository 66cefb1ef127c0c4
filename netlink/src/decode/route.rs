//! RTM_NEWROUTE.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::scope_name;
use crate::uapi::{af, fra, rta};
use crate::wire::{Attributes, find, ip, text, u8_at, u16_at, u32_at};
use crate::{MarkMatch, NextHop, RouteEntry, Rule, RuleAction};

/// Length of `struct rtmsg`.
const RTMSG: usize = 12;
/// Offset of `rta_expires` in `struct rta_cacheinfo`.
const RTA_EXPIRES: usize = 8;
/// Length of `struct rtnexthop`.
const RTNEXTHOP: usize = 8;

/// RTPROT_KERNEL.
const PROTOCOL_KERNEL: u8 = 2;

/// Appends the route, with its table; skips other types and cached routes.
pub(crate) fn route(
    payload: &[u8],
    family: u8,
    entries: &mut Vec<(u32, RouteEntry)>,
) -> Option<()> {
    let attributes = payload.get(RTMSG..)?;
    let table = match find(attributes, rta::TABLE) {
        Some(value) => u32_at(value, 0)?,
        None => u32::from(u8_at(payload, 4)?),
    };
    let kind = u8_at(payload, 7)?;
    // The kernel makes one of each address of the namespace: those are no routes that somebody set.
    let local = kind == rta::TYPE_LOCAL && u8_at(payload, 5)? != PROTOCOL_KERNEL;
    let decides = matches!(
        kind,
        rta::TYPE_UNICAST
            | rta::TYPE_BLACKHOLE
            | rta::TYPE_UNREACHABLE
            | rta::TYPE_PROHIBIT
            | rta::TYPE_THROW
    );
    let cached = u32_at(payload, 8)? & rta::F_CLONED != 0;
    if u8_at(payload, 0)? != family || !(decides || local) || cached {
        return Some(());
    }
    entries.push((table, route_lookup(payload)?));
    Some(())
}

/// The answer to a lookup: a route of any table and type.
pub(crate) fn route_lookup(payload: &[u8]) -> Option<RouteEntry> {
    let attributes = payload.get(RTMSG..)?;
    let number = |kind| find(attributes, kind).and_then(|value| u32_at(value, 0));
    let address = match find(attributes, rta::DST) {
        Some(value) => ip(value)?,
        None if u8_at(payload, 0)? == af::INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let only = NextHop {
        gateway: gateway(attributes),
        oif: number(rta::OIF),
        onlink: u32_at(payload, 8)? & rta::NH_ONLINK != 0,
    };
    let mut hops = match find(attributes, rta::MULTIPATH) {
        Some(hops) => next_hops(hops)?.into_iter(),
        None => vec![only].into_iter(),
    };
    let first = hops.next()?;
    let mtu = find(attributes, rta::METRICS)
        .and_then(|metrics| find(metrics, rta::METRIC_MTU))
        .and_then(|value| u32_at(value, 0));
    Some(RouteEntry {
        dst: IpNet::new(address, u8_at(payload, 1)?).ok()?,
        gateway: first.gateway,
        oif: first.oif,
        src: find(attributes, rta::PREFSRC).and_then(ip),
        onlink: first.onlink,
        protocol: u8_at(payload, 5)?,
        scope: scope_name(u8_at(payload, 6)?),
        metric: number(rta::PRIORITY),
        kind: u8_at(payload, 7)?,
        mtu,
        mtu_expires_s: mtu.and(learned_for(payload)),
        more_hops: hops.collect(),
        nexthop_id: number(rta::NH_ID),
    })
}

/// How long an exception of a route is still remembered, seconds (struct rta_cacheinfo); nothing of a route itself, which may end too
/// (RTF_EXPIRES of IPv6) and is no copy then.
fn learned_for(payload: &[u8]) -> Option<u32> {
    let is_copy = u32_at(payload, 8)? & rta::F_CLONED != 0;
    let info = find(payload.get(RTMSG..)?, rta::CACHEINFO)?;
    let ticks = u32_at(info, RTA_EXPIRES)?;
    (is_copy && ticks > 0).then(|| ticks.div_ceil(rta::TICKS_PER_SECOND))
}

/// The value of RTA_MULTIPATH: a struct rtnexthop with attributes for each next hop.
fn next_hops(mut value: &[u8]) -> Option<Vec<NextHop>> {
    let mut hops = Vec::new();
    while !value.is_empty() {
        let length = usize::from(u16_at(value, 0)?);
        let hop = value.get(..length)?;
        hops.push(NextHop {
            gateway: gateway(hop.get(RTNEXTHOP..)?),
            oif: u32_at(hop, 4),
            onlink: u32::from(u8_at(hop, 2)?) & rta::NH_ONLINK != 0,
        });
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(hops)
}

/// Appends a policy rule (struct fib_rule_hdr, as long as struct rtmsg).
pub(crate) fn rule(payload: &[u8], rules: &mut Vec<Rule>) -> Option<()> {
    let attributes = payload.get(RTMSG..)?;
    let number = |kind| find(attributes, kind).and_then(|value| u32_at(value, 0));
    let byte = |kind| find(attributes, kind).and_then(|value| u8_at(value, 0));
    let prefix = |kind, length| {
        let address = find(attributes, kind).and_then(ip)?;
        IpNet::new(address, length).ok()
    };
    let ports = |kind| {
        let range = find(attributes, kind)?;
        Some((u16_at(range, 0)?, u16_at(range, 2)?))
    };
    let table = match number(fra::TABLE) {
        Some(table) => table,
        None => u32::from(u8_at(payload, 4)?),
    };
    let mark = number(fra::FWMARK).or_else(|| number(fra::FWMASK).map(|_| 0));
    // The type of service (struct fib_rule_hdr), or any condition that is not read.
    let more = u8_at(payload, 3)? != 0
        || Attributes(attributes).any(|(kind, value)| match kind {
            fra::SPORT_MASK | fra::DPORT_MASK => u16_at(value, 0) != Some(u16::MAX),
            fra::TUN_ID | fra::SUPPRESS_IFGROUP => true,
            kind => kind >= fra::DSCP,
        });
    rules.push(Rule {
        // The kernel leaves out a priority of 0.
        priority: number(fra::PRIORITY).unwrap_or(0),
        action: match u8_at(payload, 7)? {
            fra::ACT_TO_TBL if byte(fra::L3MDEV).is_some_and(|on| on != 0) => {
                RuleAction::LookupOfVrf
            }
            fra::ACT_TO_TBL => RuleAction::Lookup(table),
            fra::ACT_GOTO => RuleAction::Goto(number(fra::GOTO)?),
            fra::ACT_NOP => RuleAction::Nop,
            fra::ACT_BLACKHOLE => RuleAction::Blackhole,
            fra::ACT_UNREACHABLE => RuleAction::Unreachable,
            fra::ACT_PROHIBIT => RuleAction::Prohibit,
            other => RuleAction::Other(other),
        },
        v6: u8_at(payload, 0)? == af::INET6,
        inverted: u32_at(payload, 8)? & fra::F_INVERT != 0,
        from: prefix(fra::SRC, u8_at(payload, 2)?),
        to: prefix(fra::DST, u8_at(payload, 1)?),
        iif: find(attributes, fra::IIFNAME).map(text),
        oif: find(attributes, fra::OIFNAME).map(text),
        mark: mark.map(|value| MarkMatch {
            value,
            mask: number(fra::FWMASK).unwrap_or(u32::MAX),
        }),
        users: match find(attributes, fra::UID_RANGE) {
            Some(range) => Some((u32_at(range, 0)?, u32_at(range, 4)?)),
            None => None,
        },
        protocol: byte(fra::IP_PROTO),
        source_ports: ports(fra::SPORT_RANGE),
        destination_ports: ports(fra::DPORT_RANGE),
        // All bits are set where nothing is suppressed.
        suppress_prefix: number(fra::SUPPRESS_PREFIXLEN).filter(|length| *length != u32::MAX),
        more,
    });
    Some(())
}

/// RTA_GATEWAY, or RTA_VIA if the next hop is of the other family (which its first two bytes name).
fn gateway(attributes: &[u8]) -> Option<IpAddr> {
    let via = || find(attributes, rta::VIA).and_then(|value| value.get(2..));
    find(attributes, rta::GATEWAY).or_else(via).and_then(ip)
}
