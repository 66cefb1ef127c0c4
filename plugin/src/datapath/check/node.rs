//! The node's side of an attachment.
use flatnet_netlink::{BridgePort, Link, MacAddr, PortState, Route};
use ipnet::IpNet;

use super::{Findings, expect_neighbour};
use crate::datapath::bridge::{BRIDGE_KIND, missing_gateways};
use crate::datapath::names::HostEnd;
use crate::error::Result;
use crate::ipam::Store;
use crate::owner::Owner;
use crate::types::{NetConf, Plan};

/// The bridge. Returns whether it is up and has its gateway addresses: only then the kernel has a route to the pods.
pub(super) fn bridge(
    findings: &mut Findings,
    conf: &NetConf,
    plan: &Plan,
    host: &mut Route,
    bridge: Option<&Link>,
    mtu: u32,
) -> Result<bool> {
    match bridge {
        None => findings
            .problems
            .push(format!("bridge {} is missing", conf.bridge)),
        Some(link) if link.kind != BRIDGE_KIND => {
            findings.problems.push(format!(
                "{} is a {} device, not a bridge",
                link.name, link.kind
            ));
        }
        Some(link) => {
            findings.expect(link.up, || format!("bridge {} is down", link.name));
            findings.expect(link.mtu >= mtu, || {
                format!(
                    "bridge {} has MTU {}, less than the {mtu} of the container's interface",
                    link.name, link.mtu
                )
            });
            let missing = missing_gateways(host, link.index, plan)?;
            for net in &missing {
                findings.problems.push(format!(
                    "bridge {} lacks the gateway address {net}",
                    link.name
                ));
            }
            return Ok(link.up && missing.is_empty());
        }
    }
    Ok(false)
}

/// The node's end of the pod's veth pair. Returns its MTU, bytes, if it is there.
pub(super) fn port(
    findings: &mut Findings,
    conf: &NetConf,
    owner: &Owner,
    plan: &Plan,
    host: &mut Route,
    bridge: Option<&Link>,
    mtu: u32,
) -> Result<Option<u32>> {
    let end = HostEnd::of(&conf.name, owner);
    let Some(link) = host.link(&end.name)?.filter(|link| end.is(link)) else {
        findings.problems.push(format!(
            "{}, the node's end of {}, is missing",
            end.name, owner.ifname
        ));
        return Ok(None);
    };
    findings.expect(link.up, || format!("{} is down", end.name));
    findings.expect(link.mtu >= mtu, || {
        format!("{} has MTU {}, not {mtu}", end.name, link.mtu)
    });
    if let Some(bridge) = bridge {
        findings.expect(link.master == Some(bridge.index), || {
            format!("{} is not a port of bridge {}", end.name, bridge.name)
        });
    }
    // A port without a carrier, or of a bridge that is down, is disabled by the kernel itself.
    let lives = link.up && link.lower_up && bridge.is_some_and(|bridge| bridge.up);
    if let Some(port) = link.port.filter(|_| lives) {
        settings(findings, &end.name, port);
    }
    if let Some(port) = link.port {
        let word = |on: bool| if on { "on" } else { "off" };
        findings.expect(port.hairpin == plan.hairpin, || {
            format!(
                "hairpin is {} on {}, the configuration says {}",
                word(port.hairpin),
                end.name,
                word(plan.hairpin)
            )
        });
    }
    Ok(Some(link.mtu))
}

/// A port passes frames, and is as the kernel makes it: each of these settings keeps frames from the pod, or sends it others'.
fn settings(findings: &mut Findings, name: &str, port: BridgePort) {
    findings.expect(port.state == PortState::Forwarding, || {
        format!(
            "{name} is {} on its bridge, not forwarding: it passes no frames",
            port.state.as_str()
        )
    });
    let usual = BridgePort::default();
    let word = |on: bool| if on { "on" } else { "off" };
    for (setting, is, should) in [
        ("isolated", port.isolated, usual.isolated),
        ("learning", port.learning, usual.learning),
        ("flood", port.flood, usual.flood),
        ("bcast_flood", port.broadcast_flood, usual.broadcast_flood),
        ("mcast_flood", port.multicast_flood, usual.multicast_flood),
        ("locked", port.locked, usual.locked),
    ] {
        findings.expect(is == should, || {
            format!(
                "bridge port setting {setting} is {} on {name}, ADD leaves it {}",
                word(is),
                word(should)
            )
        });
    }
}

/// The node has a permanent neighbour entry for each address.
pub(super) fn neighbours(
    findings: &mut Findings,
    host: &mut Route,
    bridge: &Link,
    mac: MacAddr,
    addresses: &[IpNet],
) -> Result<()> {
    let present = host.neighbours()?;
    for net in addresses {
        expect_neighbour(findings, &present, bridge, net.addr(), mac, "the node");
    }
    Ok(())
}

/// The addresses are reserved for the attachment.
pub(super) fn reservations(
    findings: &mut Findings,
    conf: &NetConf,
    owner: &Owner,
    addresses: &[IpNet],
) -> Result<()> {
    let store = Store::find(&conf.data_dir, &conf.name)?;
    for net in addresses {
        let holder = store
            .as_ref()
            .map(|store| store.owner_of(net.addr()))
            .transpose()?
            .flatten();
        findings.expect(holder.as_ref() == Some(owner), || match &holder {
            Some(other) => format!("{} is reserved for {other}", net.addr()),
            None => format!("{} is not reserved", net.addr()),
        });
    }
    Ok(())
}
