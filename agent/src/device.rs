//! The two devices of a node: the pods' bridge and the VXLAN device.
use flatnet_netlink::{Address, Link, MacAddr, Request, Route};
use ipnet::IpNet;

use crate::desired::{Bridge, Vxlan};
use crate::diff::Device;
use crate::pass::Pass;
use crate::{Error, Result};

/// Creates or corrects the bridge and returns it. The plugin creates the same bridge at its first ADD; either may come
/// first. The MAC of an existing bridge stays, because pods have it in their neighbour tables.
///
/// # Errors
/// Another kind of device has that name, or the kernel refuses.
pub(crate) fn ensure_bridge(
    kernel: &mut Route,
    wanted: &Bridge,
    pass: &mut Pass,
) -> Result<Device> {
    let link = match kernel.link(&wanted.name)? {
        Some(link) => link,
        None => {
            // A bridge's MTU follows its ports until it is changed (br_mtu_auto_adjust), so create it with another one first.
            let provisional = if wanted.mtu == 1500 { 1499 } else { 1500 };
            match kernel.send(Request::add_bridge(&wanted.name, wanted.mac, provisional)) {
                Ok(()) => pass.changed(format_args!("bridge {}: made", wanted.name)),
                // The plugin created it first.
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
    ensure_mtu(kernel, &link, wanted.mtu, pass)?;
    ensure_addresses(kernel, &link, &wanted.gateways, pass)?;
    ensure_up(kernel, &link, pass)?;
    Ok(Device {
        index: link.index,
        name: link.name,
    })
}

/// Creates or corrects the VXLAN device: kept if right, changed in place where possible, otherwise recreated.
///
/// # Errors
/// Another kind of device has that name, or the kernel refuses.
pub(crate) fn ensure_vxlan(
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
    ensure_mtu(kernel, &link, wanted.mtu, pass)?;
    ensure_addresses(kernel, &link, &wanted.addresses, pass)?;
    ensure_up(kernel, &link, pass)?;
    Ok(Device {
        index: link.index,
        name: link.name,
    })
}

/// Removes VXLAN devices left by an agent with another VNI, and the current one when no node needs it. An agent's device has a MAC that
/// derives from an address; one of that name with another MAC is somebody else's.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn remove_other_tunnels(
    kernel: &mut Route,
    kept: Option<&Device>,
    pass: &mut Pass,
) -> Result<()> {
    for link in kernel.links()? {
        let is_kept = kept.is_some_and(|k| k.index == link.index);
        let is_ours = matches!(link.mac, Some(MacAddr([0x0a, 0x58 | 0x5a, ..])));
        if link.kind == "vxlan" && is_our_name(&link.name) && is_ours && !is_kept {
            absent_is_fine(kernel.send(Request::del_link(link.index)))?;
            pass.changed(format_args!(
                "vxlan {}: removed, no node needs it",
                link.name
            ));
        }
    }
    Ok(())
}

/// Whether everything matches that cannot be changed on an existing VXLAN device.
fn fits(link: &Link, wanted: &Vxlan, lower: u32) -> bool {
    // Not every kernel reports the lower device in IFLA_LINK.
    link.link.is_none_or(|index| index == lower)
        && link.vxlan.as_ref().is_some_and(|v| {
            v.vni == wanted.vni
                && v.port == wanted.port
                && v.local == Some(wanted.local)
                && !v.learning
        })
}

/// The agent names its devices `flatnet.<vni>`.
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

fn ensure_mtu(kernel: &mut Route, link: &Link, mtu: u32, pass: &mut Pass) -> Result<()> {
    if link.mtu != mtu {
        kernel.send(Request::set_mtu(link.index, mtu))?;
        pass.changed(format_args!(
            "{} {}: mtu {} -> {mtu}",
            link.kind, link.name, link.mtu
        ));
    }
    Ok(())
}

/// Sets the link up without automatic IPv6 addresses: all neighbours here are permanent entries, so none are needed, and
/// a bridge without a link-local address sends pods no IPv6 redirects.
fn ensure_up(kernel: &mut Route, link: &Link, pass: &mut Pass) -> Result<()> {
    if !link.up {
        kernel.send(Request::set_addr_gen_none(link.index))?;
        kernel.send(Request::set_up(link.index))?;
        pass.changed(format_args!("{} {}: up", link.kind, link.name));
    }
    Ok(())
}

/// Makes `wanted` the link's only addresses; link-local ones are left alone.
fn ensure_addresses(
    kernel: &mut Route,
    link: &Link,
    wanted: &[IpNet],
    pass: &mut Pass,
) -> Result<()> {
    let stale = |a: &&Address| a.scope != "link" && !wanted.contains(&a.net);
    for address in kernel.addresses(Some(link.index))?.iter().filter(stale) {
        // The kernel removes the secondary addresses with their primary one.
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

/// Treats "already gone" as success of a removal.
pub(crate) fn absent_is_fine(result: flatnet_netlink::Result<()>) -> flatnet_netlink::Result<()> {
    match result {
        Err(error) if error.is_absent() => Ok(()),
        other => other,
    }
}
