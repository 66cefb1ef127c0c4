//! Routes.
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Existing, Request};
use crate::uapi::{af, rta, rtm};
use crate::wire::{Message, octets};

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
    match route.gateway {
        Some(gateway) if gateway.is_ipv4() == route.dst.addr().is_ipv4() => {
            m.attr_ip(rta::GATEWAY, gateway);
        }
        Some(gateway) => {
            let mut via = u16::from(af::of(gateway)).to_ne_bytes().to_vec();
            via.extend(octets(gateway));
            m.attr(rta::VIA, &via);
        }
        None => {}
    }
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
