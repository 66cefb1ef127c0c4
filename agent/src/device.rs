//! The two devices of a node: the pods' bridge and the tunnel.
use flatnet_netlink::{Address, Link, Request, Route};
use ipnet::IpNet;

use crate::desired::{Bridge, Vxlan};
use crate::diff::Device;
use crate::reconcile::Pass;
use crate::{Error, Result};

/// Makes the bridge what it should be, and returns it. The plugin makes the same one at its first ADD: either may come
/// first. The MAC of a bridge that is there already is left alone, for pods remember it.
///
/// # Errors
/// Another kind of device has that name, or the kernel refuses.
pub fn ensure_bridge(kernel: &mut Route, wanted: &Bridge, pass: &mut Pass) -> Result<Device> {
    let link = match kernel.link(&wanted.name)? {
        Some(link) => link,
        None => {
            // An MTU counts as chosen, and no longer follows the ports, only once it is changed to another.
            let provisional = if wanted.mtu == 1500 { 1499 } else { 1500 };
            match kernel.send(Request::add_bridge(&wanted.name, wanted.mac, provisional)) {
                Ok(()) => pass.changed(format_args!("bridge {}: made", wanted.name)),
                // The plugin was faster.
                Err(error) if error.is_exists() => {}
                Err(error) => return Err(error.into()),
            }
            let made = present(kernel, &wanted.name)?;
            kernel.send(Request::set_mtu(made.index, wanted.mtu))?;
            Link {
                mtu: wanted.mtu,
                ..made
            }
        }
    };
    if link.kind != "bridge" {
        return Err(wrong_kind(link, "bridge"));
    }
    mend_mtu(kernel, &link, wanted.mtu, pass)?;
    mend_addresses(kernel, &link, &wanted.gateways, pass)?;
    mend_up(kernel, &link, pass)?;
    Ok(Device {
        index: link.index,
        name: link.name,
    })
}

/// Makes the tunnel's device what it should be: kept if right, mended where that can be done in place, else made anew.
///
/// # Errors
/// Another kind of device has that name, or the kernel refuses.
pub fn ensure_vxlan(
    kernel: &mut Route,
    wanted: &Vxlan,
    lower: u32,
    pass: &mut Pass,
) -> Result<Device> {
    let kept = match kernel.link(&wanted.name)? {
        Some(link) if link.kind != "vxlan" => return Err(wrong_kind(link, "vxlan")),
        Some(link) if fits(&link, wanted, lower) => Some(link),
        Some(link) => {
            absent_is_fine(kernel.send(Request::del_link(link.index)))?;
            pass.changed(format_args!(
                "vxlan {}: removed, it had other parameters",
                link.name
            ));
            None
        }
        None => None,
    };
    let link = match kept {
        Some(link) => {
            if link.mac != Some(wanted.mac) {
                kernel.send(Request::set_mac(link.index, wanted.mac))?;
                pass.changed(format_args!("vxlan {}: mac {}", link.name, wanted.mac));
            }
            link
        }
        None => {
            kernel.send(Request::add_vxlan(&flatnet_netlink::request::Vxlan {
                name: &wanted.name,
                vni: wanted.vni,
                port: wanted.port,
                local: wanted.local,
                dev: lower,
                mac: wanted.mac,
                mtu: wanted.mtu,
            }))?;
            let link = present(kernel, &wanted.name)?;
            pass.changed(format_args!(
                "vxlan {} id {} local {}: made",
                wanted.name, wanted.vni, wanted.local
            ));
            link
        }
    };
    mend_mtu(kernel, &link, wanted.mtu, pass)?;
    mend_addresses(kernel, &link, &wanted.addresses, pass)?;
    mend_up(kernel, &link, pass)?;
    Ok(Device {
        index: link.index,
        name: link.name,
    })
}

/// Removes the tunnels that an agent with another VNI left, and the present one when no node needs it.
///
/// # Errors
/// The kernel refuses.
pub fn remove_other_tunnels(
    kernel: &mut Route,
    kept: Option<&Device>,
    pass: &mut Pass,
) -> Result<()> {
    for link in kernel.links()? {
        let is_kept = kept.is_some_and(|k| k.index == link.index);
        if link.kind == "vxlan" && is_our_name(&link.name) && !is_kept {
            absent_is_fine(kernel.send(Request::del_link(link.index)))?;
            pass.changed(format_args!(
                "vxlan {}: removed, no node needs it",
                link.name
            ));
        }
    }
    Ok(())
}

/// What cannot be changed on a living VXLAN device.
fn fits(link: &Link, wanted: &Vxlan, lower: u32) -> bool {
    // Not every kernel tells the lower device in IFLA_LINK.
    link.link.is_none_or(|index| index == lower)
        && link.vxlan.as_ref().is_some_and(|v| {
            v.vni == wanted.vni
                && v.port == wanted.port
                && v.local == Some(wanted.local)
                && !v.learning
        })
}

/// `flatnet.<vni>`: the names the agent gives.
fn is_our_name(name: &str) -> bool {
    name.strip_prefix("flatnet.")
        .is_some_and(|vni| !vni.is_empty() && vni.bytes().all(|b| b.is_ascii_digit()))
}

fn present(kernel: &mut Route, name: &str) -> Result<Link> {
    kernel.link(name)?.ok_or_else(|| Error::Vanished {
        name: name.to_owned(),
    })
}

fn wrong_kind(link: Link, wanted: &'static str) -> Error {
    let found = if link.kind.is_empty() {
        "physical".to_owned()
    } else {
        link.kind
    };
    Error::WrongKind {
        name: link.name,
        found,
        wanted,
    }
}

fn mend_mtu(kernel: &mut Route, link: &Link, mtu: u32, pass: &mut Pass) -> Result<()> {
    if link.mtu != mtu {
        kernel.send(Request::set_mtu(link.index, mtu))?;
        pass.changed(format_args!(
            "{} {}: mtu {} -> {mtu}",
            link.kind, link.name, link.mtu
        ));
    }
    Ok(())
}

/// Without IPv6 addresses of the kernel's own making: every neighbour here is a permanent entry, so none is needed, and
/// without a link-local address the bridge sends pods no IPv6 redirects either.
fn mend_up(kernel: &mut Route, link: &Link, pass: &mut Pass) -> Result<()> {
    if !link.up {
        kernel.send(Request::set_addr_gen_none(link.index))?;
        kernel.send(Request::set_up(link.index))?;
        pass.changed(format_args!("{} {}: up", link.kind, link.name));
    }
    Ok(())
}

/// Leaves exactly `wanted` on the link, link-local addresses aside.
fn mend_addresses(
    kernel: &mut Route,
    link: &Link,
    wanted: &[IpNet],
    pass: &mut Pass,
) -> Result<()> {
    let stale = |a: &&Address| a.scope != "link" && !wanted.contains(&a.net);
    for address in kernel.addresses(Some(link.index))?.iter().filter(stale) {
        // With a primary IPv4 address its secondaries go too.
        absent_is_fine(kernel.send(Request::del_address(link.index, address.net)))?;
        pass.changed(format_args!(
            "address {} dev {}: removed",
            address.net, link.name
        ));
    }
    let held = kernel.addresses(Some(link.index))?;
    for net in wanted
        .iter()
        .filter(|net| !held.iter().any(|a| a.net == **net))
    {
        kernel.send(Request::replace_address(link.index, *net, false))?;
        pass.changed(format_args!("address {net} dev {}: added", link.name));
    }
    Ok(())
}

/// A removal is done when the thing is gone, whoever removed it.
pub(crate) fn absent_is_fine(result: flatnet_netlink::Result<()>) -> flatnet_netlink::Result<()> {
    match result {
        Err(error) if error.is_absent() => Ok(()),
        other => other,
    }
}
