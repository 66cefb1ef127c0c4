//! Routes.
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Existing, Request};
use crate::uapi::{af, rta, rtm};
use crate::wire::{Message, octets};
use crate::{NextHop, RouteEntry};

/// A route to add to, or delete from, the main table.
pub struct NewRoute {
    /// Destination prefix; host bits are ignored.
    pub dst: IpNet,
    /// Next hop; may be IPv6 for an IPv4 destination (RFC 5549).
    pub gateway: Option<IpAddr>,
    /// Index of the outgoing interface.
    pub oif: Option<u32>,
    /// Treat the next hop as on-link (RTNH_F_ONLINK).
    pub onlink: bool,
    /// Scope link: the destination is on-link, without a gateway.
    pub scope_link: bool,
    /// Preferred source address.
    pub src: Option<IpAddr>,
    /// rtm_protocol: 4 (static), or a number by which the caller recognises its routes. When deleting, 0 matches any.
    pub protocol: u8,
    /// Priority; lower wins.
    pub metric: Option<u32>,
    /// The MTU of packets that take the route, bytes; the interface's if absent.
    pub mtu: Option<u32>,
}

/// struct rtmsg.
fn header(route: &NewRoute, scope: u8) -> [u8; 12] {
    let (family, bits) = (af::of(route.dst.addr()), route.dst.prefix_len());
    let flags = if route.onlink { rta::NH_ONLINK } else { 0 };
    let mut header = [
        family,
        bits,
        0,
        0,
        rta::TABLE_MAIN,
        route.protocol,
        scope,
        rta::TYPE_UNICAST,
        0,
        0,
        0,
        0,
    ];
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header
}

fn fill(m: &mut Message, route: &NewRoute) {
    // The network, not the address: the kernel refuses bits beyond the prefix.
    m.attr_ip(rta::DST, route.dst.network());
    gateway(m, route.gateway, route.dst);
    if let Some(src) = route.src {
        m.attr_ip(rta::PREFSRC, src);
    }
    for (kind, number) in [(rta::OIF, route.oif), (rta::PRIORITY, route.metric)] {
        if let Some(number) = number {
            m.attr_u32(kind, number);
        }
    }
    if let Some(mtu) = route.mtu {
        m.nest(rta::METRICS, |m| {
            m.attr_u32(rta::METRIC_MTU, mtu);
        });
    }
}

/// RTA_GATEWAY, or RTA_VIA if the next hop is of the other family than the destination.
fn gateway(m: &mut Message, gateway: Option<IpAddr>, dst: IpNet) {
    match gateway {
        Some(gateway) if gateway.is_ipv4() == dst.addr().is_ipv4() => {
            m.attr_ip(rta::GATEWAY, gateway);
        }
        Some(gateway) => {
            let mut via = u16::from(af::of(gateway)).to_ne_bytes().to_vec();
            via.extend(octets(gateway));
            m.attr(rta::VIA, &via);
        }
        None => {}
    }
}

/// RTA_MULTIPATH: a struct rtnexthop (length, flags, weight - 1, interface) with attributes for each next hop.
fn multipath(m: &mut Message, hops: impl Iterator<Item = NextHop>, dst: IpNet) {
    m.nest(rta::MULTIPATH, |m| {
        for hop in hops {
            let flags = if hop.onlink { rta::NH_ONLINK as u8 } else { 0 };
            m.sized([flags, 0], |m| {
                m.structure(&hop.oif.unwrap_or(0).to_ne_bytes());
                gateway(m, hop.gateway, dst);
            });
        }
    });
}

fn add(route: &NewRoute, existing: Existing) -> Request {
    let scope = if route.scope_link {
        rta::SCOPE_LINK
    } else {
        rta::SCOPE_UNIVERSE
    };
    let what = format!("{} route {}", existing.verb(), describe(route));
    Request::new(
        what,
        rtm::NEWROUTE,
        existing.flags(),
        &header(route, scope),
        |m| fill(m, route),
    )
}

fn describe(route: &NewRoute) -> String {
    let mut text = route.dst.trunc().to_string();
    if let Some(gateway) = route.gateway {
        text += &format!(" via {gateway}");
    }
    if let Some(oif) = route.oif {
        text += &format!(" on link {oif}");
    }
    text
}

impl Request {
    /// Adds a route; EEXIST if one exists with that destination and metric.
    pub fn add_route(route: &NewRoute) -> Self {
        add(route, Existing::Refuse)
    }

    /// Adds a route, replacing the one with that destination and metric if there is one.
    pub fn replace_route(route: &NewRoute) -> Self {
        add(route, Existing::Replace)
    }

    /// Deletes a route as it was read, of any protocol; ESRCH if there is none.
    pub fn del_route_entry(entry: &RouteEntry) -> Self {
        let one_hop = entry.more_hops.is_empty() && entry.nexthop_id.is_none();
        let route = NewRoute {
            dst: entry.dst,
            gateway: entry.gateway.filter(|_| one_hop),
            oif: entry.oif.filter(|_| one_hop),
            onlink: entry.onlink && one_hop,
            scope_link: entry.scope == "link",
            src: entry.src,
            protocol: 0,
            metric: entry.metric,
            mtu: None,
        };
        let mut request = Request::del_route(&route);
        match entry.nexthop_id {
            // The kernel takes either the object or next hops.
            Some(id) => {
                request.message.attr_u32(rta::NH_ID, id);
            }
            None if one_hop => {}
            None => multipath(&mut request.message, entry.hops(), entry.dst),
        }
        request
    }

    /// Deletes the route to that destination that matches all other given values; ESRCH if there is none.
    pub fn del_route(route: &NewRoute) -> Self {
        let what = format!("delete route {}", describe(route));
        // In a deletion this scope matches any.
        Request::new(
            what,
            rtm::DELROUTE,
            0,
            &header(route, rta::SCOPE_NOWHERE),
            |m| fill(m, route),
        )
    }
}
