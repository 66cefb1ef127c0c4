//! The interface that should have taken a packet, where it is down or has no carrier: nobody answers for its addresses then.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::kernel::{Link, MacAddr};
use flatnet_model::probe::Facts;
use flatnet_model::reference::Netns;

use super::ends::namespaces;
use crate::trace::ObservedNetwork;

/// That of a next hop.
pub(super) fn holder(network: &ObservedNetwork, hop: IpAddr) -> Option<Cause> {
    only(network, |facts| facts.holder(hop))
}

/// That of an Ethernet address.
pub(super) fn owner(network: &ObservedNetwork, mac: MacAddr) -> Option<Cause> {
    only(network, |facts| {
        facts.links.iter().find(|link| link.mac == Some(mac))
    })
}

/// Where one interface fits, and carries nothing.
fn only<'a>(
    network: &'a ObservedNetwork,
    fits: impl Fn(&'a Facts) -> Option<&'a Link>,
) -> Option<Cause> {
    let fitting: Vec<(Netns, &Link)> = namespaces(network)
        .filter_map(|(netns, facts)| Some((netns, fits(facts)?)))
        .collect();
    match &fitting[..] {
        [(at, link)] if !link.up || !link.lower_up => Some(Cause::LinkDown {
            at: at.clone(),
            device: link.name.clone(),
            admin: !link.up,
        }),
        _ => None,
    }
}
