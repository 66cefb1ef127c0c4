//! ARP for IPv4 over Ethernet (RFC 826).
use flatnet_model::kernel::MacAddr;
use flatnet_model::probe::watch::{Body, Packet};

use super::bytes::{array_at, ipv4_at};

/// Ethernet, IPv4, addresses of six and four bytes.
const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

pub(super) fn packet(bytes: &[u8]) -> Option<Packet> {
    if array_at(bytes, 0)? != ETHERNET_AND_IPV4 {
        return None;
    }
    let reply = match array_at(bytes, 6)? {
        REQUEST => false,
        REPLY => true,
        _ => return None,
    };
    let (sender, asked) = (ipv4_at(bytes, 14)?, ipv4_at(bytes, 24)?);
    Some(Packet {
        source: sender,
        destination: asked,
        ttl: 0,
        bytes: 0,
        dont_fragment: false,
        fragment: false,
        body: Body::Neighbour {
            reply,
            target: if reply { sender } else { asked },
            mac: if reply {
                Some(MacAddr(array_at(bytes, 8)?))
            } else {
                None
            },
        },
    })
}
