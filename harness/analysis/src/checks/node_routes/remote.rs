//! The one route from a node to one remote podCIDR.
use std::net::IpAddr;

use flatnet_model::kernel::{Link, RouteEntry};
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use super::Reached;
use crate::checks::Evidence;
use crate::checks::findings::{Problem, joined, look};
use crate::checks::topology::{Topology, route_words};
use crate::checks::veth::on_link;
use flatnet_model::observations::ObservedNode;

/// The way from `node` to `cidr` of `remote`.
pub(super) struct Hop<'a> {
    pub(super) node: &'a ObservedNode,
    pub(super) facts: &'a Facts,
    pub(super) remote: &'a ObservedNode,
    pub(super) cidr: IpNet,
    pub(super) topology: &'a Topology<'a>,
    pub(super) reached: &'a Reached<'a>,
}

/// Why a way is not known to be good.
pub(super) enum Trouble {
    Wrong(Box<Problem>),
    Unmeasured(String),
}

impl Hop<'_> {
    /// In which way the route works, in words that equal routes share.
    pub(super) fn judge(&self) -> Result<String, Trouble> {
        let routes = self.best();
        let Some(route) = routes.first().copied() else {
            return Err(self.no_route("no route covers it"));
        };
        if routes.len() > 1 {
            return Err(self.duplicates(&routes));
        }
        if route.kind != 1 {
            return Err(self.no_route(&format!(
                "{} rejects it",
                show(route, self.facts, self.topology)
            )));
        }
        if route.dst.prefix_len() == 0 {
            return match self.carries() {
                true => Ok("to remote podCIDRs through the default route, and answered: the underlay routes pods".to_owned()),
                false => Err(self.no_route(&format!("only the default route covers it ({})", show(route, self.facts, self.topology)))),
            };
        }
        let Some(link) = self
            .facts
            .links
            .iter()
            .find(|link| Some(link.index) == route.oif)
        else {
            return Err(self.wrong(
                format!(
                    "the route of {} to {} has no device",
                    self.node.object.name, self.cidr
                ),
                "a device".to_owned(),
                show(route, self.facts, self.topology),
                "the device was deleted",
            ));
        };
        if !link.up {
            return Err(self.wrong(
                format!(
                    "the route of {} to {} of {} goes through {}, which is down",
                    self.node.object.name, self.cidr, self.remote.object.name, link.name
                ),
                format!("{} UP", link.name),
                format!("{} DOWN", link.name),
                "the device was set down",
            ));
        }
        match route.gateway {
            Some(hop) if link.vxlan.is_some() => self.tunnel(link, hop),
            Some(hop) => self.direct(route, link, hop),
            None => self.no_next_hop(route, link),
        }
    }

    /// The routes with the longest prefix that covers the range. Several entries for one destination are a finding, except
    /// for the default route, where the kernel's choice (lowest metric) counts.
    fn best(&self) -> Vec<&RouteEntry> {
        let mut covering: Vec<&RouteEntry> = self
            .facts
            .routes
            .iter()
            .filter(|route| route.dst.contains(&self.cidr))
            .collect();
        let longest = covering
            .iter()
            .map(|route| route.dst.prefix_len())
            .max()
            .unwrap_or(0);
        covering.retain(|route| route.dst.prefix_len() == longest);
        covering.sort_by_key(|route| route.metric.unwrap_or(0));
        if longest == 0 {
            covering.truncate(1);
        }
        covering
    }

    fn carries(&self) -> bool {
        self.reached.contains(&(
            self.node.object.name.as_str(),
            self.remote.object.name.as_str(),
            self.cidr.addr().is_ipv4(),
        ))
    }

    fn direct(&self, route: &RouteEntry, link: &Link, hop: IpAddr) -> Result<String, Trouble> {
        if self.topology.node_has(&self.remote.object.name, hop) {
            if on_link(self.facts, route, hop) {
                return Ok(format!(
                    "to remote podCIDRs via node addresses on {}",
                    link.name
                ));
            }
            return Err(self.wrong(
                format!(
                    "{}: next hop {hop} of the route to {} is not on link",
                    self.node.object.name, self.cidr
                ),
                format!("{hop} within a prefix of {}", link.name),
                show(route, self.facts, self.topology),
                "both nodes are not on one segment: plain routes do not work between them",
            ));
        }
        if let Some(owner) = self.topology.holders(hop).first() {
            return Err(self.wrong(
                format!(
                    "{} routes {} of {} to {owner}",
                    self.node.object.name, self.cidr, self.remote.object.name
                ),
                format!("a next hop of {}", self.remote.object.name),
                show(route, self.facts, self.topology),
                "the route was made for another node",
            ));
        }
        if self.carries() {
            return Ok(format!(
                "to remote podCIDRs via routers on {}, and answered",
                link.name
            ));
        }
        Err(self.wrong(
            format!(
                "{}: next hop {hop} of the route to {} is no address of {}",
                self.node.object.name, self.cidr, self.remote.object.name
            ),
            format!("a next hop of {}", self.remote.object.name),
            show(route, self.facts, self.topology),
            "the node's address changed, or the route was written wrongly",
        ))
    }

    /// A device that needs no next hop (wireguard, ipip) is right; the node's own bridge is not.
    fn no_next_hop(&self, route: &RouteEntry, link: &Link) -> Result<String, Trouble> {
        if self.carries() || !matches!(link.kind.as_str(), "bridge" | "veth") {
            return Ok(format!(
                "to remote podCIDRs through {}, without a next hop",
                link.name
            ));
        }
        Err(self.wrong(
            format!(
                "{} takes {} of {} for its own",
                self.node.object.name, self.cidr, self.remote.object.name
            ),
            format!("a route to {}", self.remote.object.name),
            show(route, self.facts, self.topology),
            "the bridge's prefix covers the remote podCIDR",
        ))
    }

    fn no_route(&self, observed: &str) -> Trouble {
        self.wrong(
            format!(
                "{} has no route to {} of {}",
                self.node.object.name, self.cidr, self.remote.object.name
            ),
            format!("one route to {}", self.cidr),
            observed.to_owned(),
            "the route was removed, or the node agent did not learn of the node",
        )
    }

    fn duplicates(&self, routes: &[&RouteEntry]) -> Trouble {
        let shown: Vec<String> = routes
            .iter()
            .map(|route| show(route, self.facts, self.topology))
            .collect();
        self.wrong(
            format!(
                "{} has {} routes to {} of {}",
                self.node.object.name,
                routes.len(),
                routes[0].dst,
                self.remote.object.name
            ),
            "exactly one".to_owned(),
            joined(&shown, "; ", 4),
            "one was left over when the other was made",
        )
    }

    pub(super) fn wrong(
        &self,
        what: String,
        expected: String,
        observed: String,
        cause: &str,
    ) -> Trouble {
        let command = if self.cidr.addr().is_ipv4() {
            "ip route"
        } else {
            "ip -6 route"
        };
        self.problem(
            &self.node.object.name,
            what,
            expected,
            observed,
            cause,
            look(&self.node.object.name, command),
        )
    }

    pub(super) fn problem(
        &self,
        culprit: &str,
        what: String,
        expected: String,
        observed: String,
        cause: &str,
        look: String,
    ) -> Trouble {
        let peer = if culprit == self.remote.object.name {
            &self.node.object.name
        } else {
            &self.remote.object.name
        };
        Trouble::Wrong(Box::new(Problem {
            node: culprit.to_owned(),
            peer: Some(peer.clone()),
            pods: Vec::new(),
            evidence: Evidence {
                what,
                expected,
                observed,
                culprit: Some(culprit.to_owned()),
                cause: Some(cause.to_owned()),
                look,
            },
        }))
    }
}

/// A route as `ip route` prints it, with the owner of the next hop.
pub(super) fn show(route: &RouteEntry, facts: &Facts, topology: &Topology<'_>) -> String {
    let mut text = route_words(route, facts);
    if let Some(owner) = route.gateway.and_then(|hop| topology.owner(hop)) {
        text.push_str(&format!(" [{owner}]"));
    }
    text
}
