//! Whose Ethernet address a next hop has.
use std::net::IpAddr;

use flatnet_model::kernel::MacAddr;

use super::model::LinkLayer;
use super::network::{Network, Spot};

/// Why a next hop has no Ethernet address.
pub(super) struct Unresolved {
    /// The state of its neighbour entry, where there is one.
    pub(super) entry: Option<String>,
    /// Whether somebody might answer who cannot be seen.
    pub(super) unseen: bool,
}

/// The neighbour entry where it is of use; else who would answer when the namespace asks (ARP, RFC 826; NDP, RFC 4861).
pub(super) fn resolve(
    network: &Network<'_>,
    out: Spot,
    next_hop: IpAddr,
) -> Result<LinkLayer, Unresolved> {
    let neighbours = network
        .facts(out.namespace)
        .map(|facts| facts.neighbours.as_slice())
        .unwrap_or_default();
    let entry = neighbours
        .iter()
        .find(|entry| entry.index == out.link && entry.address == next_hop);
    if let Some(entry) = entry
        && let Some(mac) = entry.mac
        && !matches!(entry.state.as_str(), "FAILED" | "INCOMPLETE")
    {
        return Ok(LinkLayer {
            mac,
            entry: Some(entry.state.clone()),
        });
    }
    let segment = network.segment(out);
    let answer = segment
        .ends
        .iter()
        .filter(|end| **end != out)
        .find_map(|end| answers(network, *end, next_hop));
    answer
        .map(|mac| LinkLayer { mac, entry: None })
        .ok_or_else(|| Unresolved {
            entry: entry.map(|entry| entry.state.clone()),
            unseen: segment.unseen,
        })
}

/// For IPv4 a namespace answers by any interface for any of its addresses, unless `arp_ignore` says otherwise
/// (Documentation/networking/ip-sysctl.rst); for IPv6 for those of that interface only.
fn answers(network: &Network<'_>, end: Spot, wanted: IpAddr) -> Option<MacAddr> {
    let facts = network.facts(end.namespace).ok()?;
    let link = network.link(end)?;
    let strict = wanted.is_ipv6()
        || facts
            .sysctls
            .get("ipv4.conf.all.arp_ignore")
            .is_some_and(|value| value != "0");
    let held = facts
        .addresses
        .iter()
        .any(|address| address.net.addr() == wanted && (!strict || address.index == end.link));
    held.then_some(link.mac).flatten()
}
