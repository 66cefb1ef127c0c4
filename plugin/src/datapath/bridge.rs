//! The node's bridge, which holds the gateway addresses.
use flatnet_netlink::{Link, MacAddr, Nft, Request, Route, nft};
use ipnet::IpNet;

use super::sysctl;
use crate::error::{Error, Result};
use crate::ipam::Store;
use crate::types::{NetConf, Plan};
use crate::validate::IfName;

/// IFLA_INFO_KIND of a bridge.
pub(crate) const BRIDGE_KIND: &str = "bridge";
/// MTU of a bridge when nothing is configured: Ethernet's.
const DEFAULT_MTU: u32 = 1500;

/// The bridge, made and set up where that is not done. It is brought up last, so that one which is up and has its
/// gateway addresses is finished, whoever was killed while making another.
pub(super) fn ensure(host: &mut Route, name: &IfName, plan: &Plan, store: &Store) -> Result<Link> {
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
    if !link.up || !has_fixed_mac(&link) || !missing_gateways(host, link.index, plan)?.is_empty() {
        set_up(host, &mut link, plan, store)?;
    }
    if let Some(mtu) = plan.mtu.filter(|mtu| *mtu != link.mtu) {
        host.send(Request::set_mtu(link.index, mtu))?;
        link.mtu = mtu;
    }
    Ok(link)
}

/// Gateway addresses the bridge should have and has not.
pub(crate) fn missing_gateways(host: &mut Route, bridge: u32, plan: &Plan) -> Result<Vec<IpNet>> {
    let present = host.addresses(Some(bridge))?;
    let mut wanted = plan.pools.gateways();
    wanted.retain(|net| !present.iter().any(|address| address.net == *net));
    Ok(wanted)
}

/// The MAC of a bridge this plugin makes, whatever families it serves.
fn own_mac(plan: &Plan) -> MacAddr {
    MacAddr::from_ip(plan.pools.main_gateway())
}

fn create(host: &mut Route, name: &IfName, plan: &Plan) -> Result<Link> {
    // A bridge follows the MTUs of its ports until its own is *changed* (net/bridge/br_if.c, br_mtu_auto_adjust): it is made
    // with another than the wanted one, which `set_up` then sets.
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
        // Made by us, or by an ADD that runs beside this one.
        _ => {}
    }
    host.link(name.as_str())?
        .ok_or_else(|| Error::Gone { name: name.clone() })
}

/// Pods are told the bridge's MAC once and for all, but a bridge that somebody else made changes it with its ports, until
/// one is set. A MAC derived from an address is such a one: it stays, though it be another network's.
fn has_fixed_mac(link: &Link) -> bool {
    matches!(link.mac, Some(MacAddr([0x0a, 0x58 | 0x5a, ..])))
}

fn set_up(host: &mut Route, link: &mut Link, plan: &Plan, store: &Store) -> Result<()> {
    sysctl::ensure_router(&link.name, &plan.pools)?;
    let mut batch = host.batch();
    if !has_fixed_mac(link) {
        link.mac = Some(own_mac(plan));
        batch.push(Request::set_mac(link.index, own_mac(plan)));
    }
    batch.push(Request::set_addr_gen_none(link.index));
    if let Some(mtu) = plan.mtu {
        batch.push(Request::set_mtu(link.index, mtu));
        link.mtu = mtu;
    }
    for net in plan.pools.gateways() {
        batch.push(Request::replace_address(link.index, net, false));
    }
    batch.push(Request::set_up(link.index));
    // A bridge that was down, or without address, or had another MAC, has forgotten the pods that are there.
    for record in store.complete()? {
        for (address, mac) in record.neighbours() {
            batch.push(Request::set_neighbour(link.index, address, mac));
        }
    }
    Ok(batch.commit()?)
}

/// Standalone masquerade: one table a network, written by the first ADD that does not find it.
pub(super) fn ensure_masquerade(conf: &NetConf, plan: &Plan) -> Result<()> {
    let name = masquerade_name(conf);
    let mut nft = Nft::open()?;
    if nft.has_table(&name)? {
        return Ok(());
    }
    let pods = plan.pools.subnets();
    let unmasked: Vec<IpNet> = plan.pod_network.iter().chain(&pods).copied().collect();
    Ok(nft.replace_table(&nft::masquerade_table(&name, &pods, &unmasked))?)
}

/// The table of a network.
pub(super) fn masquerade_name(conf: &NetConf) -> String {
    format!("flatnet_{}", conf.name)
}
