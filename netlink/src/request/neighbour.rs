//! Neighbours and forwarding entries.
use std::net::IpAddr;

use super::{Existing, Request};
use crate::MacAddr;
use crate::uapi::{af, nda, rtm};

/// struct ndmsg.
fn header(family: u8, index: u32, state: u16, flags: u8) -> [u8; 12] {
    let mut header = [0; 12];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&state.to_ne_bytes());
    header[10] = flags;
    header
}

impl Request {
    /// Creates or replaces a permanent entry.
    pub fn set_neighbour(index: u32, address: IpAddr, mac: MacAddr) -> Self {
        let what = format!("set neighbour {address} at {mac} on link {index}");
        let header = header(af::of(address), index, nda::STATE_PERMANENT, 0);
        Request::new(
            what,
            rtm::NEWNEIGH,
            Existing::Replace.flags(),
            &header,
            |m| {
                m.attr_ip(nda::DST, address).attr_mac(nda::LLADDR, mac);
            },
        )
    }

    /// Creates an entry without an Ethernet address: the kernel resolves it when it is first used and keeps it up to date, like
    /// one of its own, but does not count it against `gc_thresh3`, the limit of a table that all namespaces share (NTF_EXT_LEARNED;
    /// neigh_alloc in net/core/neighbour.c). The kernel drops it when the link goes down.
    pub fn reserve_neighbour(index: u32, address: IpAddr) -> Self {
        let what = format!("reserve an entry for neighbour {address} on link {index}");
        let header = header(af::of(address), index, nda::STATE_NONE, nda::F_EXT_LEARNED);
        Request::new(
            what,
            rtm::NEWNEIGH,
            Existing::Replace.flags(),
            &header,
            |m| {
                m.attr_ip(nda::DST, address);
            },
        )
    }

    /// Deletes a neighbour; ENOENT if it does not exist.
    pub fn del_neighbour(index: u32, address: IpAddr) -> Self {
        let what = format!("delete neighbour {address} from link {index}");
        Request::new(
            what,
            rtm::DELNEIGH,
            0,
            &header(af::of(address), index, 0, 0),
            |m| {
                m.attr_ip(nda::DST, address);
            },
        )
    }

    /// Creates or replaces a permanent entry of a vxlan device's own table (NTF_SELF): frames to `mac`, a unicast address,
    /// go only to the VTEP `dst`.
    pub fn set_fdb(index: u32, mac: MacAddr, dst: IpAddr) -> Self {
        let what = format!("set forwarding entry {mac} to {dst} on link {index}");
        let header = header(af::BRIDGE, index, nda::STATE_PERMANENT, nda::F_SELF);
        Request::new(
            what,
            rtm::NEWNEIGH,
            Existing::Replace.flags(),
            &header,
            |m| {
                m.attr_mac(nda::LLADDR, mac).attr_ip(nda::DST, dst);
            },
        )
    }

    /// Deletes an entry of a vxlan device's own table; ENOENT if it does not exist.
    pub fn del_fdb(index: u32, mac: MacAddr, dst: Option<IpAddr>) -> Self {
        let what = format!("delete forwarding entry {mac} from link {index}");
        Request::new(
            what,
            rtm::DELNEIGH,
            0,
            &header(af::BRIDGE, index, 0, nda::F_SELF),
            |m| {
                m.attr_mac(nda::LLADDR, mac);
                if let Some(dst) = dst {
                    m.attr_ip(nda::DST, dst);
                }
            },
        )
    }
}
