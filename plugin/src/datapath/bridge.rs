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
/// MTU of a bridge without a configured one: Ethernet's, bytes.
const DEFAULT_MTU: u32 = 1500;

/// Returns the bridge, creating it and setting it up if necessary. It is brought up last, so that a bridge that is up and
/// has its gateway addresses is complete even if an ADD was killed on the way.
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
    // A bridge that was down, had no address or another MAC, has lost the neighbour entries of existing pods.
    for record in store.complete()? {
        for (address, mac) in record.neighbours() {
            batch.push(Request::set_neighbour(link.index, address, mac));
        }
    }
    Ok(batch.commit()?)
}

/// Standalone masquerade: one table per network, written by the first ADD that does not find it.
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

/// The name of a network's masquerade table.
pub(super) fn masquerade_name(conf: &NetConf) -> String {
    format!("flatnet_{}", conf.name)
}
