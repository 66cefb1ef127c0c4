//! A route of type local: by it a namespace takes packets for itself though no interface has their address.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::kernel::route_kind::LOCAL;
use flatnet_model::kernel::{RuleAction, TABLE_LOCAL};
use flatnet_model::reference::Netns;
use flatnet_model::rule::RouteChoice;

use super::ends::facts;
use crate::checks::route_words;
use crate::trace::ObservedNetwork;

/// That route, as what leads the packets away.
pub(super) fn route(network: &ObservedNetwork, at: &Netns, to: IpAddr) -> Option<Cause> {
    let here = facts(network, at)?;
    let local = here.other_tables.iter().filter(|(table, route)| {
        *table == TABLE_LOCAL && route.kind == LOCAL && route.dst.contains(&to)
    });
    let (_, route) = local.max_by_key(|(_, route)| route.dst.prefix_len())?;
    let mut rules = here.rules.iter();
    let rule = rules.find(|rule| rule.action == RuleAction::Lookup(TABLE_LOCAL))?;
    let device = route.oif.and_then(|oif| here.link(oif));
    Some(Cause::RoutedAway {
        at: at.clone(),
        to,
        device: device.map_or("lo", |device| &device.name).to_owned(),
        by: RouteChoice::Table {
            rule: Box::new(rule.clone()),
            route: route_words(route, here),
        },
    })
}
