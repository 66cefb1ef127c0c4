//! The addresses that interfaces on this node have, whoever gave them: the kernel knows where the store does not.
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use flatnet_netlink::{Link, Route};

use nix::errno::Errno;

use crate::error::Result;

/// Addresses of the node and of every namespace that is the other end of one of its links, without entering them.
pub(crate) fn living(host: &mut Route) -> Result<HashSet<IpAddr>> {
    let mut found: HashSet<IpAddr> = host
        .addresses(None)?
        .into_iter()
        .map(|address| address.net.addr())
        .collect();
    let links = host.links()?;
    let namespaces: BTreeSet<i32> = links.iter().filter_map(namespace).collect();
    for id in namespaces {
        found.extend(inside(host, id)?);
    }
    Ok(found)
}

/// Addresses at the other end of a link.
pub(crate) fn behind(host: &mut Route, link: &Link) -> Result<Vec<IpAddr>> {
    namespace(link).map_or_else(|| Ok(Vec::new()), |id| inside(host, id))
}

/// A negative number is none.
fn namespace(link: &Link) -> Option<i32> {
    link.link_netnsid.filter(|id| *id >= 0)
}

/// Nothing where the namespace has ended meanwhile. Any other refusal is an error: an address that is not seen would be given away.
fn inside(host: &mut Route, id: i32) -> Result<Vec<IpAddr>> {
    match host.addresses_in(id) {
        Ok(addresses) => {
            let addresses = addresses.into_iter();
            Ok(addresses.map(|address| address.net.addr()).collect())
        }
        Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
