//! RTM_NEWLINK and RTM_NEWADDR.
use ipnet::IpNet;

use super::scope_name;
use crate::uapi::{ifa, ifla};
use crate::wire::{Attributes, find, i32_at, ip, mac, text, u8_at, u32_at, u64_at};
use crate::{Address, BridgePort, Link, LinkStats, PortState, VxlanInfo};

/// Length of `struct ifinfomsg`.
const IFINFOMSG: usize = 16;
/// Length of `struct ifaddrmsg`.
const IFADDRMSG: usize = 8;

pub(crate) fn link(payload: &[u8]) -> Option<Link> {
    let flags = u32_at(payload, 8)?;
    let mut link = Link {
        index: u32_at(payload, 4)?,
        name: String::new(),
        kind: String::new(),
        mac: None,
        mtu: 0,
        up: flags & ifla::FLAG_UP != 0,
        lower_up: flags & ifla::FLAG_LOWER_UP != 0,
        operstate: operstate_name(0),
        master: None,
        link: None,
        link_netnsid: None,
        port: None,
        vxlan: None,
        vrf: None,
        stats: LinkStats::default(),
    };
    for (kind, value) in Attributes(payload.get(IFINFOMSG..)?) {
        match kind {
            ifla::IFNAME => link.name = text(value),
            ifla::ADDRESS => link.mac = mac(value),
            ifla::MTU => link.mtu = u32_at(value, 0)?,
            ifla::OPERSTATE => link.operstate = operstate_name(u8_at(value, 0)?),
            ifla::MASTER => link.master = Some(u32_at(value, 0)?),
            // IP tunnels without a lower device have zero.
            ifla::LINK => link.link = u32_at(value, 0).filter(|index| *index != 0),
            ifla::LINK_NETNSID => link.link_netnsid = Some(i32_at(value, 0)?),
            ifla::STATS64 => link.stats = stats(value)?,
            ifla::LINKINFO => info(value, &mut link)?,
            _ => {}
        }
    }
    Some(link)
}

fn info(nested: &[u8], link: &mut Link) -> Option<()> {
    if let Some(kind) = find(nested, ifla::INFO_KIND) {
        link.kind = text(kind);
    }
    if link.kind == "vxlan" {
        let data = find(nested, ifla::INFO_DATA)?;
        link.vxlan = Some(vxlan(data)?);
        // A vxlan has no IFLA_LINK; its lower device is among its settings.
        link.link = find(data, ifla::VXLAN_LINK).and_then(|value| u32_at(value, 0));
    }
    if link.kind == "vrf" {
        let data = find(nested, ifla::INFO_DATA)?;
        link.vrf = find(data, ifla::VRF_TABLE).and_then(|value| u32_at(value, 0));
    }
    if find(nested, ifla::INFO_SLAVE_KIND).is_some_and(|kind| text(kind) == "bridge") {
        let settings = find(nested, ifla::INFO_SLAVE_DATA)?;
        link.port = Some(port(settings)?);
    }
    Some(())
}

/// Settings that an older kernel does not have are at their defaults.
fn port(settings: &[u8]) -> Option<BridgePort> {
    let number = |kind| find(settings, kind).and_then(|value| u8_at(value, 0));
    let usual = BridgePort::default();
    let flag = |kind, usual| number(kind).map_or(usual, |value| value != 0);
    Some(BridgePort {
        hairpin: number(ifla::BRPORT_MODE)? != 0,
        state: match number(ifla::BRPORT_STATE)? {
            0 => PortState::Disabled,
            1 => PortState::Listening,
            2 => PortState::Learning,
            3 => PortState::Forwarding,
            4 => PortState::Blocking,
            _ => return None,
        },
        isolated: flag(ifla::BRPORT_ISOLATED, usual.isolated),
        learning: flag(ifla::BRPORT_LEARNING, usual.learning),
        flood: flag(ifla::BRPORT_UNICAST_FLOOD, usual.flood),
        broadcast_flood: flag(ifla::BRPORT_BCAST_FLOOD, usual.broadcast_flood),
        multicast_flood: flag(ifla::BRPORT_MCAST_FLOOD, usual.multicast_flood),
        locked: flag(ifla::BRPORT_LOCKED, usual.locked),
    })
}

fn vxlan(data: &[u8]) -> Option<VxlanInfo> {
    let port = find(data, ifla::VXLAN_PORT)?;
    let local = find(data, ifla::VXLAN_LOCAL).or_else(|| find(data, ifla::VXLAN_LOCAL6));
    Some(VxlanInfo {
        vni: u32_at(find(data, ifla::VXLAN_ID)?, 0)?,
        port: u16::from_be_bytes(port.try_into().ok()?),
        local: local.and_then(ip),
        learning: u8_at(find(data, ifla::VXLAN_LEARNING)?, 0)? != 0,
    })
}

/// struct rtnl_link_stats64.
fn stats(value: &[u8]) -> Option<LinkStats> {
    let nth = |n: usize| u64_at(value, n * 8);
    Some(LinkStats {
        rx_packets: nth(0)?,
        tx_packets: nth(1)?,
        rx_bytes: nth(2)?,
        tx_bytes: nth(3)?,
        rx_errors: nth(4)?,
        tx_errors: nth(5)?,
        rx_dropped: nth(6)?,
        tx_dropped: nth(7)?,
    })
}

/// RFC 2863 states as numbered in include/uapi/linux/if.h and spelt by `ip link`.
fn operstate_name(state: u8) -> String {
    let names = [
        "UNKNOWN",
        "NOTPRESENT",
        "DOWN",
        "LOWERLAYERDOWN",
        "TESTING",
        "DORMANT",
        "UP",
    ];
    names
        .get(usize::from(state))
        .map_or_else(|| state.to_string(), |name| (*name).to_owned())
}

pub(crate) fn address(payload: &[u8], entries: &mut Vec<Address>) -> Option<()> {
    let attributes = payload.get(IFADDRMSG..)?;
    // On a point-to-point link IFA_ADDRESS is the peer's; the own address is IFA_LOCAL, which IPv6 mostly omits.
    let own = find(attributes, ifa::LOCAL).or_else(|| find(attributes, ifa::ADDRESS))?;
    let flags = match find(attributes, ifa::FLAGS) {
        Some(value) => u32_at(value, 0)?,
        None => u32::from(u8_at(payload, 2)?),
    };
    entries.push(Address {
        index: u32_at(payload, 4)?,
        net: IpNet::new(ip(own)?, u8_at(payload, 1)?).ok()?,
        scope: scope_name(u8_at(payload, 3)?),
        dad_failed: flags & ifa::F_DADFAILED != 0,
    });
    Some(())
}
