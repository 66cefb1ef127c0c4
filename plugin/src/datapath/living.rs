//! The addresses that interfaces on this node have, whoever gave them: the kernel knows where the store does not.
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use flatnet_netlink::{Link, Route};

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
        found.extend(inside(host, id));
    }
    Ok(found)
}

/// Addresses at the other end of a link.
pub(crate) fn behind(host: &mut Route, link: &Link) -> Vec<IpAddr> {
    namespace(link).map_or_else(Vec::new, |id| inside(host, id))
}

/// A negative number is none.
fn namespace(link: &Link) -> Option<i32> {
    link.link_netnsid.filter(|id| *id >= 0)
}

/// Nothing where the namespace has ended meanwhile.
fn inside(host: &mut Route, id: i32) -> Vec<IpAddr> {
    let addresses = host.addresses_in(id).unwrap_or_default();
    addresses
        .into_iter()
        .map(|address| address.net.addr())
        .collect()
}
