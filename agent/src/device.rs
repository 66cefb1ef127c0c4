//! The two devices of a node: the pods' bridge and the tunnel.
use std::net::Ipv6Addr;

use flatnet_netlink::route::Family;
use flatnet_netlink::{Address, Link, Request, Route};
use ipnet::{IpNet, Ipv6Net};

use crate::desired::{Bridge, Vxlan};
use crate::diff::Device;
use crate::member::family_of;
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
            let added = kernel.send(Request::add_bridge(&wanted.name, wanted.mac, wanted.mtu));
            match added {
                Ok(()) => pass.changed(format_args!("bridge {}: made", wanted.name)),
                // The plugin was faster.
                Err(error) if error.is_exists() => {}
                Err(error) => return Err(error.into()),
            }
            let link = present(kernel, &wanted.name)?;
            // Its link-local address is given below, so that it is usable at once: one of the kernel's making waits for
            // duplicate address detection, and without one no pod's IPv6 address can be resolved.
            kernel.send(Request::set_addr_gen_none(link.index))?;
            link
        }
    };
    if link.kind != "bridge" {
        return Err(wrong_kind(link, "bridge"));
    }
    mend_mtu(kernel, &link, wanted.mtu, pass)?;
    let mut addresses = wanted.gateways.clone();
    if wanted
        .gateways
        .iter()
        .any(|g| family_of(g.addr()) == Family::V6)
    {
        let held = kernel.addresses(Some(link.index))?;
        if !held
            .iter()
            .any(|a| a.scope == "link" && family_of(a.net.addr()) == Family::V6)
        {
            addresses.push(link_local(&link, wanted));
        }
    }
    mend_addresses(kernel, &link, &addresses, pass)?;
    mend_up(kernel, &link, pass)?;
    Ok(Device {
        index: link.index,
        name: link.name,
    })
}

/// Makes the tunnel's device what it should be: kept if right, mended where that can be done in place, else made anew.
/// Devices of ours that are not wanted (another VNI, or no tunnel at all) are removed.
///
/// # Errors
/// Another kind of device has that name, or the kernel refuses.
pub fn ensure_vxlan(
    kernel: &mut Route,
    wanted: Option<&Vxlan>,
    lower: u32,
    pass: &mut Pass,
) -> Result<Option<Device>> {
    let mut kept = None;
    for link in kernel.links()? {
        let wanted = wanted.filter(|w| w.name == link.name);
        match wanted {
            Some(_) if link.kind != "vxlan" => return Err(wrong_kind(link, "vxlan")),
            Some(wanted) if fits(&link, wanted, lower) => kept = Some(link),
            None if link.kind != "vxlan" || !is_our_name(&link.name) => {}
            _ => {
                absent_is_fine(kernel.send(Request::del_link(link.index)))?;
                let why = if wanted.is_some() {
                    "it had other parameters"
                } else {
                    "no node needs it"
                };
                pass.changed(format_args!("vxlan {}: removed, {why}", link.name));
            }
        }
    }
    let Some(wanted) = wanted else {
        return Ok(None);
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
            kernel.send(Request::set_addr_gen_none(link.index))?;
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
    Ok(Some(Device {
        index: link.index,
        name: link.name,
    }))
}

/// What cannot be changed on a living VXLAN device.
fn fits(link: &Link, wanted: &Vxlan, lower: u32) -> bool {
    link.link == Some(lower)
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

fn mend_up(kernel: &mut Route, link: &Link, pass: &mut Pass) -> Result<()> {
    if !link.up {
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

/// `fe80::/64` with the interface identifier of the MAC (RFC 4291 appendix A).
fn link_local(link: &Link, wanted: &Bridge) -> IpNet {
    let [a, b, c, d, e, f] = link.mac.unwrap_or(wanted.mac).0;
    let address = Ipv6Addr::from([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ 2,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ]);
    // 64 is a valid prefix length; the fallback cannot come about.
    IpNet::V6(Ipv6Net::new(address, 64).unwrap_or_default())
}

/// A removal is done when the thing is gone, whoever removed it.
pub(crate) fn absent_is_fine(result: flatnet_netlink::Result<()>) -> flatnet_netlink::Result<()> {
    match result {
        Err(error) if error.is_absent() => Ok(()),
        other => other,
    }
}
