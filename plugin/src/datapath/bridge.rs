//! The node's bridge, which holds the gateway addresses.
use std::collections::HashSet;

use flatnet_netlink::nft::Table;
use flatnet_netlink::request::NewRoute;
use flatnet_netlink::{Flow, Link, MacAddr, Nft, Request, Route, nft};
use ipnet::IpNet;

use super::names::HostEnd;
use super::sysctl;
use crate::error::{Error, Result};
use crate::ipam::{Assigned, Store};
use crate::types::{NetConf, Plan};
use crate::validate::IfName;

/// IFLA_INFO_KIND of a bridge.
pub(crate) const BRIDGE_KIND: &str = "bridge";
/// A MAC that was chosen, and is not the kernel's to change (include/uapi/linux/netdevice.h).
const NET_ADDR_SET: u32 = 3;
/// MTU of a bridge without a configured one: Ethernet's, bytes.
const DEFAULT_MTU: u32 = 1500;
/// RTPROT_KERNEL (linux/rtnetlink.h): the route that an address brings with it.
const PROTOCOL_KERNEL: u8 = 2;
/// The metric of the route that an IPv6 address brings with it (IP6_RT_PRIO_ADDRCONF, net/addrconf.h).
const METRIC_OF_PREFIX_V6: u32 = 256;

/// Returns the bridge, creating it and setting it up if necessary. It is brought up last, so that a bridge that is up and
/// has its gateway addresses is complete even if an ADD was killed on the way.
///
/// Its MTU follows the configuration as long as every port is a pod of this network; to others it stays what they were given.
pub(super) fn ensure(host: &mut Route, conf: &NetConf, plan: &Plan, store: &Store) -> Result<Link> {
    let name = &conf.bridge;
    let mut link = match host.link(name.as_str())? {
        Some(link) => link,
        None => create(host, name, plan)?,
    };
    if link.kind != BRIDGE_KIND {
        return Err(Error::NotABridge {
            name: name.clone(),
            kind: link.kind,
        });
    }
    let mtu = match plan.mtu {
        Some(mtu) if mtu != link.mtu && !is_shared(host, &link, conf, store)? => Some(mtu),
        _ => None,
    };
    let index = link.index;
    if let Some(mtu) = mtu {
        link.mtu = mtu;
    }
    let set_mtu = mtu.map(|mtu| Request::set_mtu(index, mtu));
    if !link.up || !has_fixed_mac(&link) || !missing_gateways(host, index, plan)?.is_empty() {
        set_up(host, &mut link, set_mtu, plan, store)?;
    } else if let Some(request) = set_mtu {
        host.send(request)?;
    }
    Ok(link)
}

/// Whether the bridge has a port that does not belong to a pod of this network.
fn is_shared(host: &mut Route, bridge: &Link, conf: &NetConf, store: &Store) -> Result<bool> {
    // Ports first: each is recorded before it is made, so that one that another ADD makes meanwhile is not taken for somebody else's.
    let links = host.links()?;
    let owners = store.owners()?.into_iter();
    let ours: HashSet<String> = owners
        .map(|owner| HostEnd::of(&conf.name, &owner).name)
        .collect();
    let mut ports = links
        .iter()
        .filter(|link| link.master == Some(bridge.index));
    Ok(ports.any(|port| !ours.contains(&port.name)))
}

/// The MTU of a pod's interface, bytes: what the configuration says, unless the bridge, whose MTU others depend on, has less.
pub(super) fn pod_mtu(bridge: &Link, plan: &Plan) -> u32 {
    plan.mtu.map_or(bridge.mtu, |mtu| mtu.min(bridge.mtu))
}

/// Makes the node send pods of these subnets no more than `mtu`. Where the bridge has more (another network's pods are behind it as
/// well), their ports would drop larger packets without a word to the sender; a route with an MTU makes the node answer.
pub(super) fn ensure_route_mtu(
    host: &mut Route,
    bridge: &Link,
    assigned: &[Assigned],
    mtu: u32,
) -> Result<()> {
    for one in assigned {
        // A route of somebody else is CHECK's to name.
        let Ok(found) = host.route_of(&Flow::to(one.address)) else {
            continue;
        };
        let is_ours = found.oif == Some(bridge.index) && found.gateway.is_none();
        if !is_ours || found.mtu.unwrap_or(bridge.mtu) == mtu {
            continue;
        }
        let v4 = one.subnet.addr().is_ipv4();
        host.send(Request::replace_route(&NewRoute {
            dst: one.subnet,
            gateway: None,
            oif: Some(bridge.index),
            onlink: false,
            scope_link: true,
            src: v4.then_some(one.gateway),
            protocol: PROTOCOL_KERNEL,
            metric: (!v4).then_some(METRIC_OF_PREFIX_V6),
            mtu: (mtu < bridge.mtu).then_some(mtu),
        }))?;
    }
    Ok(())
}

/// Gateway addresses that the bridge lacks.
pub(crate) fn missing_gateways(host: &mut Route, bridge: u32, plan: &Plan) -> Result<Vec<IpNet>> {
    let present = host.addresses(Some(bridge))?;
    let mut wanted = plan.pools.gateways();
    wanted.retain(|net| !present.iter().any(|address| address.net == *net));
    Ok(wanted)
}

/// The MAC of a bridge that this plugin creates.
fn own_mac(plan: &Plan) -> MacAddr {
    MacAddr::from_ip(plan.pools.main_gateway())
}

fn create(host: &mut Route, name: &IfName, plan: &Plan) -> Result<Link> {
    // A bridge's MTU follows its ports' until it is *changed* (net/bridge/br_if.c, br_mtu_auto_adjust), so it is created with
    // a different one, and `set_up` sets the wanted one.
    let provisional = match plan.mtu {
        Some(DEFAULT_MTU) => DEFAULT_MTU - 1,
        _ => DEFAULT_MTU,
    };
    match host.send(Request::add_bridge(
        name.as_str(),
        own_mac(plan),
        provisional,
    )) {
        Err(error) if !error.is_exists() => return Err(error.into()),
        // Created by us or by a concurrent ADD.
        _ => {}
    }
    host.link(name.as_str())?
        .ok_or_else(|| Error::Gone { name: name.clone() })
}

/// Pods have the bridge's MAC as a permanent entry, but a bridge created by another program changes its MAC with its ports
/// until one is set. A MAC derived from an address has been set, by whichever network, and therefore stays.
fn has_fixed_mac(link: &Link) -> bool {
    matches!(link.mac, Some(MacAddr([0x0a, 0x58 | 0x5a, ..]))) || is_set(link) == Some(true)
}

/// Whether somebody chose the MAC (`NET_ADDR_SET`); not known where /sys shows another namespace, or nothing.
fn is_set(link: &Link) -> Option<bool> {
    let read = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/net/{}/{file}", link.name));
        text.ok()?.trim().parse::<u32>().ok()
    };
    let is_same = read("ifindex") == Some(link.index);
    let assigned = read("addr_assign_type").filter(|_| is_same)?;
    Some(assigned == NET_ADDR_SET)
}

/// The MAC that the bridge is to have for good: the one it has where pods of others may know it, so that they do not lose their gateway.
/// Setting one makes the kernel forget neighbours, so that it must be known later that it was set.
fn lasting_mac(host: &mut Route, link: &Link, plan: &Plan) -> Result<MacAddr> {
    let links = host.links()?;
    let has_ports = links.iter().any(|port| port.master == Some(link.index));
    let keeps = has_ports && is_set(link) == Some(false);
    Ok(link.mac.filter(|_| keeps).unwrap_or_else(|| own_mac(plan)))
}

fn set_up(
    host: &mut Route,
    link: &mut Link,
    set_mtu: Option<Request>,
    plan: &Plan,
    store: &Store,
) -> Result<()> {
    sysctl::ensure_router(&link.name, &plan.pools)?;
    let mac = match has_fixed_mac(link) {
        true => None,
        false => Some(lasting_mac(host, link, plan)?),
    };
    let mut batch = host.batch();
    if let Some(mac) = mac {
        link.mac = Some(mac);
        batch.push(Request::set_mac(link.index, mac));
    }
    batch.push(Request::set_addr_gen_none(link.index));
    if let Some(request) = set_mtu {
        batch.push(request);
    }
    for net in plan.pools.gateways() {
        batch.push(Request::replace_address(link.index, net, false));
    }
    batch.push(Request::set_up(link.index));
    // A bridge that was down, had no address or another MAC, has lost the neighbour entries of existing pods.
    for record in store.complete()? {
        for (address, mac) in record.neighbours() {
            batch.push(Request::set_neighbour(link.index, address, mac));
        }
    }
    Ok(batch.commit()?)
}

/// Standalone masquerade: one table per network, written by the first ADD that does not find it complete.
pub(super) fn ensure_masquerade(conf: &NetConf, plan: &Plan) -> Result<()> {
    let table = masquerade(conf, plan);
    let mut nft = Nft::open()?;
    if nft.difference(&table)?.is_some() {
        nft.replace_table(&table)?;
    }
    Ok(())
}

/// The masquerade table of a network.
pub(crate) fn masquerade(conf: &NetConf, plan: &Plan) -> Table {
    let pods = plan.pools.subnets();
    let unmasked: Vec<IpNet> = plan.pod_network.iter().chain(&pods).copied().collect();
    nft::masquerade_table(&format!("flatnet_{}", conf.name), &pods, &unmasked)
}
