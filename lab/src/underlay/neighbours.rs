//! Room in the kernel's neighbour tables for everyone who shares the segment.
//!
//! All namespaces of a machine share one table per family, which holds 1024 entries (`gc_thresh3`); n nodes that reach each
//! other have n × (n - 1). Reserved entries are not counted. They are empty: the kernel resolves and refreshes them as it would
//! without them, so a changed MAC, a duplicate address or a silent node shows as on a real segment. Permanent entries would
//! hide all three.
use std::net::{IpAddr, Ipv6Addr};

use flatnet_netlink::{MacAddr, Request, Route};
use ipnet::IpNet;

/// A device on the segment.
pub(super) struct End {
    pub(super) route: Route,
    pub(super) device: u32,
    pub(super) addresses: Vec<IpAddr>,
}

/// At which addresses a device answers its neighbours: with IPv6 also at its link-local one.
pub(super) fn reached_at(addresses: &[IpNet], mac: Option<MacAddr>) -> Vec<IpAddr> {
    let own = addresses.iter().map(IpNet::addr);
    let link_local = mac
        .filter(|_| addresses.iter().any(|net| net.addr().is_ipv6()))
        .map(link_local);
    own.chain(link_local).collect()
}

/// Reserves entries on each end for all the others.
pub(super) fn reserve(ends: &mut [End]) -> flatnet_netlink::Result<()> {
    let all: Vec<Vec<IpAddr>> = ends.iter().map(|end| end.addresses.clone()).collect();
    for (index, end) in ends.iter_mut().enumerate() {
        let others = all.iter().enumerate().filter(|(other, _)| *other != index);
        let device = end.device;
        let mut batch = end.route.batch();
        for address in others.flat_map(|(_, addresses)| addresses) {
            batch.push(Request::reserve_neighbour(device, *address));
        }
        batch.commit()?;
    }
    Ok(())
}

/// The address that the kernel derives from a MAC (RFC 4291, appendix A).
fn link_local(MacAddr([a, b, c, d, e, f]): MacAddr) -> IpAddr {
    let pair = |high, low| u16::from_be_bytes([high, low]);
    let id = [pair(a ^ 0b10, b), pair(c, 0xff), pair(0xfe, d), pair(e, f)];
    Ipv6Addr::new(0xfe80, 0, 0, 0, id[0], id[1], id[2], id[3]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_local_address_is_the_one_of_the_rfc() {
        let mac = MacAddr([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(link_local(mac).to_string(), "fe80::3656:78ff:fe9a:bcde");
        let v4: IpNet = "172.18.0.2/16".parse().unwrap();
        let v6: IpNet = "fd00:18::2/64".parse().unwrap();
        assert_eq!(reached_at(&[v4], Some(mac)), [v4.addr()]);
        assert_eq!(
            reached_at(&[v4, v6], Some(mac)),
            [v4.addr(), v6.addr(), link_local(mac)]
        );
    }
}
