//! Copies of a frame that a bridge floods.
use super::model::{Netns, Step, Switching, Trace};
use super::network::{Network, ObservedNetwork};

/// The bridge that floods the packet of this walk, where the device is one of its ports: a copy goes out there too.
pub(crate) fn flooding_bridge<'t>(
    network: &ObservedNetwork,
    walk: &'t Trace,
    netns: &Netns,
    device: &str,
) -> Option<&'t str> {
    let network = Network::of(network);
    let facts = network.facts(network.namespace(netns)?).ok()?;
    let master = facts.link_named(device)?.master?;
    walk.hops.iter().find_map(|hop| match &hop.step {
        Step::Switched {
            bridge,
            by: Switching::Flooded,
        } if hop.netns == *netns && facts.link_named(bridge)?.index == master => {
            Some(bridge.as_str())
        }
        _ => None,
    })
}
