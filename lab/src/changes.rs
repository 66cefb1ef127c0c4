//! Carries out [`Change`]s.
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use flatnet_netlink::request::NewRoute;
use flatnet_netlink::{Nft, Request, Route, netns};
use ipnet::IpNet;

use crate::{Change, Error, Result, underlay};

/// RTPROT_STATIC: made by an administrator.
const BY_HAND: u8 = 4;
/// Matches a route regardless of its protocol.
const BY_ANYONE: u8 = 0;

/// Makes the changes in order in the net namespace `ns`; the first that fails ends it.
pub(crate) fn make(ns: BorrowedFd<'_>, changes: &[Change]) -> Result<()> {
    let mut route = Route::open_in(ns).map_err(|e| Error::failed("open a netlink socket", e))?;
    changes
        .iter()
        .try_for_each(|change| make_one(ns, &mut route, change))
}

fn make_one(ns: BorrowedFd<'_>, route: &mut Route, change: &Change) -> Result<()> {
    let request = match change {
        Change::AddAddress { dev, net } => Request::add_address(index(route, dev)?, *net, false),
        Change::DelAddress { dev, net } => Request::del_address(index(route, dev)?, *net),
        Change::ReplaceRoute {
            dst,
            gateway,
            dev,
            onlink,
        } => {
            let oif = Some(index(route, dev)?);
            Request::replace_route(&a_route(*dst, *gateway, oif, *onlink, BY_HAND))
        }
        Change::DelRoute { dst } => {
            Request::del_route(&a_route(*dst, None, None, false, BY_ANYONE))
        }
        Change::SetMac { dev, mac } => Request::set_mac(index(route, dev)?, *mac),
        Change::SetMtu { dev, mtu } => Request::set_mtu(index(route, dev)?, *mtu),
        Change::SetMaster { dev, master } => {
            let master = master
                .as_deref()
                .map(|master| index(route, master))
                .transpose()?;
            Request::set_master(index(route, dev)?, master)
        }
        Change::SetUp { dev, up: true } => Request::set_up(index(route, dev)?),
        Change::SetUp { dev, up: false } => Request::set_down(index(route, dev)?),
        Change::SetNeighbour { dev, address, mac } => {
            Request::set_neighbour(index(route, dev)?, *address, *mac)
        }
        Change::SetSysctl { key, value } => return set_sysctl(ns, key, value),
        Change::Nft { table } => {
            let failed = |e| Error::failed(format!("write the nftables table {}", table.name), e);
            return Nft::open_in(ns)
                .and_then(|mut nft| nft.replace_table(table))
                .map_err(failed);
        }
    };
    route.send(request).map_err(|e| Error::Failed {
        what: e.to_string(),
    })
}

fn a_route(
    dst: IpNet,
    gateway: Option<IpAddr>,
    oif: Option<u32>,
    onlink: bool,
    protocol: u8,
) -> NewRoute {
    let scope_link = gateway.is_none() && oif.is_some();
    NewRoute {
        dst,
        gateway,
        oif,
        onlink,
        scope_link,
        src: None,
        protocol,
        metric: None,
        mtu: None,
    }
}

fn index(route: &mut Route, device: &str) -> Result<u32> {
    let link = route.link(device).map_err(|e| Error::Failed {
        what: e.to_string(),
    })?;
    link.map(|link| link.index)
        .ok_or_else(|| Error::invalid(format!("there is no device {device} in that namespace")))
}

fn set_sysctl(ns: BorrowedFd<'_>, key: &str, value: &str) -> Result<()> {
    // As sysctl(8) has it, dots or slashes; a device name may hold a dot, so a key with a slash is taken as it is.
    let path = if key.contains('/') {
        key.to_owned()
    } else {
        key.replace('.', "/")
    };
    let path = path.strip_prefix("net/").unwrap_or(&path);
    if path
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(Error::invalid(format!(
            "{key:?} is not a setting below /proc/sys/net"
        )));
    }
    netns::within(ns, || underlay::sysctl(path, value)).map_err(|e| Error::Failed {
        what: e.to_string(),
    })?
}
