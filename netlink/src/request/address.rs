//! Addresses.
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Existing, Request};
use crate::uapi::{af, ifa, rta, rtm};
use crate::wire::Message;

/// struct ifaddrmsg. Loopback addresses get scope host, as with `ip` (ipaddress.c, default_scope).
fn header(index: u32, net: IpNet) -> [u8; 8] {
    let family = af::of(net.addr());
    let scope = if net.addr().is_loopback() {
        rta::SCOPE_HOST
    } else {
        rta::SCOPE_UNIVERSE
    };
    let mut header = [family, net.prefix_len(), 0, scope, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

fn fill(m: &mut Message, address: IpAddr) {
    m.attr_ip(ifa::LOCAL, address)
        .attr_ip(ifa::ADDRESS, address);
}

fn add(index: u32, net: IpNet, noprefixroute: bool, existing: Existing) -> Request {
    let what = format!("{} address {net} on link {index}", existing.verb());
    Request::new(
        what,
        rtm::NEWADDR,
        existing.flags(),
        &header(index, net),
        |m| {
            fill(m, net.addr());
            let nodad = if net.addr().is_ipv6() {
                ifa::F_NODAD
            } else {
                0
            };
            let noprefixroute = if noprefixroute {
                ifa::F_NOPREFIXROUTE
            } else {
                0
            };
            m.attr_u32(ifa::FLAGS, nodad | noprefixroute);
        },
    )
}

impl Request {
    /// Adds an address; EEXIST if it exists. IPv6 addresses skip duplicate address detection. `noprefixroute`: do not add
    /// the connected route.
    pub fn add_address(index: u32, net: IpNet, noprefixroute: bool) -> Self {
        add(index, net, noprefixroute, Existing::Refuse)
    }

    /// Like [`Request::add_address`], but succeeds if the address exists (NLM_F_REPLACE).
    pub fn replace_address(index: u32, net: IpNet, noprefixroute: bool) -> Self {
        add(index, net, noprefixroute, Existing::Replace)
    }

    /// Deletes an address; EADDRNOTAVAIL if it does not exist with that prefix length.
    pub fn del_address(index: u32, net: IpNet) -> Self {
        let what = format!("delete address {net} from link {index}");
        Request::new(what, rtm::DELADDR, 0, &header(index, net), |m| {
            fill(m, net.addr())
        })
    }
}
