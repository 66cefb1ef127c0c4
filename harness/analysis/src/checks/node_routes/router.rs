//! Next hops that no node is known to hold: routers of the underlay, or nobody.
use std::net::IpAddr;

use flatnet_model::Netns;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::State;
use flatnet_model::kernel::{Link, Neighbour, NextHop, RouteEntry};

use super::is_resolved;
use super::remote::{Hop, NotVerified};

impl Hop<'_> {
    /// A default route over which pods of the two nodes are known to be answered.
    pub(super) fn through_default(&self, route: &RouteEntry) -> Result<String, NotVerified> {
        for hop in self.in_use(route) {
            let unresolved = self.unresolved(route, hop)?;
            if let (Some(entry), Some(link)) = (unresolved, self.device(hop)) {
                let cause = Cause::NeighbourUnresolved {
                    at: Netns::Node(self.name()),
                    hop: entry.address,
                    device: link.name.clone(),
                    entry: Some(entry.state.clone()),
                };
                let expected = State::RouteToNode { node: self.to() };
                let route = self.route(route);
                return Err(self.wrong(cause, expected, State::RouteIs { route }));
            }
        }
        Ok(
            "to remote podCIDRs through the default route, and answered: the underlay routes pods"
                .to_owned(),
        )
    }

    /// The entry of one of several next hops that got no Ethernet address, on a route over which pods of the two nodes are known to be
    /// answered. That they are answered tells that an only next hop works; of several, answered packets may all have taken others.
    pub(super) fn unresolved(
        &self,
        route: &RouteEntry,
        by: NextHop,
    ) -> Result<Option<&Neighbour>, NotVerified> {
        let of = self.in_use(route).len();
        let (Some(hop), Some(link), true) = (by.gateway, self.device(by), of > 1) else {
            return Ok(None);
        };
        let mut entries = self.facts.neighbours.iter();
        match entries.find(|entry| entry.index == link.index && entry.address == hop) {
            Some(entry) => Ok((!is_resolved(entry)).then_some(entry)),
            None => Err(self.not_taken(link, hop, of)),
        }
    }

    /// The same of a device that asks for the Ethernet address of each destination.
    pub(super) fn is_answered_on(&self, route: &RouteEntry, link: &Link) -> bool {
        let mut entries = self.facts.neighbours.iter();
        self.carries()
            && (self.in_use(route).len() == 1
                || entries.any(|entry| {
                    entry.index == link.index
                        && self.cidr.contains(&entry.address)
                        && is_resolved(entry)
                }))
    }

    fn not_taken(&self, link: &Link, hop: IpAddr, of: usize) -> NotVerified {
        let (node, range, to) = (self.name(), self.cidr, self.to());
        NotVerified::Unmeasured {
            what: format!(
                "whether {hop} on {}, one of {of} next hops of {node} to {range}, leads to {to}",
                link.name
            ),
            why: "no packet of the run is known to have taken it".to_owned(),
        }
    }
}
