//! Routes, as a kernel has them.
use std::fmt;
use std::net::IpAddr;

use flatnet_analysis::checks::{device, route_words};
use flatnet_model::Target;
use flatnet_model::kernel::RouteEntry;
use flatnet_model::probe::ask;
use ipnet::IpNet;

use super::Cluster;
use crate::Result;

/// A route of the main table. Its text form is that of `ip route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination; `0.0.0.0/0` or `::/0` is the default route.
    pub to: IpNet,
    /// Next hop, the first of several; nothing where the destination is on link.
    pub via: Option<IpAddr>,
    /// Interface; nothing for a route that refuses packets.
    pub device: Option<String>,
    text: String,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Those of a node or pod, as its kernel has them now.
pub(super) fn of(cluster: &Cluster, target: &Target) -> Result<Vec<Route>> {
    let facts = cluster.run(async |looked| looked.probes.ask(target, &ask::Facts {}).await)?;
    let route = |entry: &RouteEntry| Route {
        to: entry.dst,
        via: entry.gateway,
        device: entry.oif.map(|oif| device(&facts, Some(oif)).to_owned()),
        text: route_words(entry, &facts),
    };
    Ok(facts.routes.iter().map(route).collect())
}
