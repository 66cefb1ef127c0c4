//! The one route from a node to one remote podCIDR.
use std::net::IpAddr;

use flatnet_model::Netns;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Route, State, Subject};
use flatnet_model::kernel::route_kind::UNICAST;
use flatnet_model::kernel::{Link, NextHop, RouteEntry};
use flatnet_model::probe::Facts;
use flatnet_model::rule::RouteChoice;
use ipnet::IpNet;

use super::{Reached, look};
use crate::checks::findings::{Problem, Seen, some};
use crate::checks::topology::{Topology, route, route_words};
use crate::checks::veth::on_link;
use flatnet_model::observations::ObservedNode;

/// The route from `node` to `cidr` of `remote`.
pub(super) struct Hop<'a> {
    pub(super) node: &'a ObservedNode,
    pub(super) facts: &'a Facts,
    pub(super) remote: &'a ObservedNode,
    pub(super) cidr: IpNet,
    pub(super) topology: &'a Topology<'a>,
    pub(super) reached: &'a Reached<'a>,
}

/// Why a route is not known to be good.
pub(super) enum NotVerified {
    Wrong(Box<Problem>),
    /// What could not be told, and why.
    Unmeasured {
        what: String,
        why: String,
    },
}

impl Hop<'_> {
    /// How the route works, in words that equal routes share.
    pub(super) fn judge(&self) -> Result<String, NotVerified> {
        let fine = self.whole()?;
        match self.diverted_part() {
            Some(route) => Err(self.part_elsewhere(route)),
            None => Ok(fine),
        }
    }

    /// The route to the whole range.
    fn whole(&self) -> Result<String, NotVerified> {
        let routes = self.best();
        let Some(route) = routes.first().copied() else {
            return Err(self.no_route(State::Uncovered));
        };
        if routes.len() > 1 {
            return Err(self.duplicates(&routes));
        }
        let seen = || self.route(route);
        if route.kind != UNICAST {
            return Err(self.refused(route));
        }
        if route.dst.prefix_len() == 0 {
            return match self.carries() {
                true => self.through_default(route),
                false => Err(self.no_route(State::OnlyDefault { route: seen() })),
            };
        }
        let mut fine = None;
        for hop in self.in_use(route) {
            let works = self.leads_there(route, hop)?;
            fine.get_or_insert(works);
        }
        fine.ok_or_else(|| self.no_route(State::Uncovered))
    }

    /// The next hops that a packet may take: where there are several, the kernel passes over those whose device is down.
    pub(super) fn in_use(&self, route: &RouteEntry) -> Vec<NextHop> {
        let is_up = |hop: &NextHop| self.device(*hop).is_some_and(|link| link.up);
        let up: Vec<NextHop> = route.hops().filter(is_up).collect();
        match up.is_empty() {
            true => route.hops().collect(),
            false => up,
        }
    }

    pub(super) fn device(&self, hop: NextHop) -> Option<&Link> {
        self.facts.link(hop.oif)
    }

    /// Whether packets that take that next hop of the route get to the node.
    fn leads_there(&self, route: &RouteEntry, hop: NextHop) -> Result<String, NotVerified> {
        let Some(link) = self.device(hop) else {
            let cause = Cause::RouteWithoutDevice {
                node: self.name(),
                to: self.to(),
                range: self.cidr,
            };
            let route = self.route(route);
            return Err(self.wrong(cause, State::ADevice, State::RouteIs { route }));
        };
        if !link.up {
            let cause = Cause::RouteDeviceDown {
                node: self.name(),
                to: self.to(),
                range: self.cidr,
                device: link.name.clone(),
            };
            let [up, down] = [true, false].map(|up| State::DeviceIs {
                device: link.name.clone(),
                up,
            });
            return Err(self.wrong(cause, up, down));
        }
        match hop.gateway {
            Some(gateway) if link.vxlan.is_some() => self.tunnel(route, link, gateway),
            Some(gateway) => self.direct(route, hop, link, gateway),
            None => self.no_next_hop(route, link),
        }
    }

    pub(super) fn name(&self) -> String {
        self.node.object.name.clone()
    }

    pub(super) fn to(&self) -> String {
        self.remote.object.name.clone()
    }

    pub(super) fn route(&self, route: &RouteEntry) -> Route {
        with_owner(route, self.facts, self.topology)
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

    /// A route to a part of the range that leads neither where the whole does nor to the node that has the range.
    fn diverted_part(&self) -> Option<&RouteEntry> {
        let within = |route: &&RouteEntry| self.cidr.contains(&route.dst) && route.dst != self.cidr;
        let to_remote = |route: &RouteEntry| {
            let remote = &self.remote.object.name;
            let unread = self.topology.unread(remote).is_some();
            let of_remote = |hop| {
                let may_be = unread && self.topology.owner(hop).is_none();
                may_be || self.topology.node_has(remote, hop)
            };
            route.kind == UNICAST && route.hops().all(|hop| hop.gateway.is_some_and(of_remote))
        };
        let leads = |route: &RouteEntry| {
            let hops = route.hops().map(|hop| (hop.gateway, hop.oif));
            (route.kind, hops.collect::<Vec<_>>())
        };
        let mut parts = self.facts.routes.iter().filter(within);
        parts.find(|part| {
            let with_whole = || {
                self.best()
                    .into_iter()
                    .any(|whole| leads(whole) == leads(part))
            };
            !to_remote(part) && !with_whole()
        })
    }

    pub(super) fn carries(&self) -> bool {
        self.reached.contains(&(
            self.node.object.name.as_str(),
            self.remote.object.name.as_str(),
            self.cidr.addr().is_ipv4(),
        ))
    }

    fn direct(
        &self,
        route: &RouteEntry,
        by: NextHop,
        link: &Link,
        hop: IpAddr,
    ) -> Result<String, NotVerified> {
        if self.topology.node_has(&self.remote.object.name, hop) {
            if on_link(self.facts, &route.by(by), hop) {
                return Ok(format!(
                    "to remote podCIDRs via node addresses on {}",
                    link.name
                ));
            }
            let cause = Cause::RouteOffLink {
                node: self.name(),
                range: self.cidr,
                hop,
            };
            let device = link.name.clone();
            let route = self.route(route);
            let expected = State::HopWithin { hop, device };
            return Err(self.wrong(cause, expected, State::RouteIs { route }));
        }
        let holder = self.topology.holders(hop).first().copied();
        if holder.is_none() && self.carries() {
            if self.unresolved(route, by)?.is_some() {
                return Err(self.wrong_hop(route, hop, None));
            }
            return Ok(format!(
                "to remote podCIDRs via routers on {}, and answered",
                link.name
            ));
        }
        if let (None, Some(why)) = (holder, self.topology.unread(&self.to())) {
            return Err(NotVerified::Unmeasured {
                what: format!("whether {hop} is an address of {}", self.to()),
                why: why.to_owned(),
            });
        }
        Err(self.wrong_hop(route, hop, holder))
    }

    pub(super) fn wrong_hop(
        &self,
        route: &RouteEntry,
        hop: IpAddr,
        holder: Option<&str>,
    ) -> NotVerified {
        let cause = Cause::WrongNextHop {
            node: self.name(),
            to: self.to(),
            range: self.cidr,
            hop,
            of: route.hops().count(),
            holder: holder.map(str::to_owned),
        };
        let route = self.route(route);
        let expected = State::HopOf { node: self.to() };
        self.wrong(cause, expected, State::RouteIs { route })
    }

    /// A device that needs no next hop (wireguard, ipip) is right; the node's own bridge is not.
    fn no_next_hop(&self, route: &RouteEntry, link: &Link) -> Result<String, NotVerified> {
        if self.is_answered_on(route, link) || !matches!(link.kind.as_str(), "bridge" | "veth") {
            return Ok(format!(
                "to remote podCIDRs through {}, without a next hop",
                link.name
            ));
        }
        let cause = Cause::RouteIntoBridge {
            node: self.name(),
            to: self.to(),
            range: self.cidr,
        };
        let seen = State::RouteIs {
            route: self.route(route),
        };
        Err(self.wrong(cause, State::RouteToNode { node: self.to() }, seen))
    }

    fn no_route(&self, observed: State) -> NotVerified {
        let cause = Cause::RouteMissing {
            node: self.name(),
            to: self.to(),
            range: self.cidr,
        };
        self.wrong(cause, State::RouteTo { range: self.cidr }, observed)
    }

    /// A route of another kind than unicast: `blackhole` and its like, be it one of its own or of a nexthop object.
    fn refused(&self, route: &RouteEntry) -> NotVerified {
        let mut ips = self.topology.networked().flat_map(|pod| &pod.object.ips);
        let of_pod = ips.find(|ip| self.cidr.contains(*ip)).copied();
        let cause = Cause::RouteRefuses {
            at: Netns::Node(self.name()),
            to: of_pod.unwrap_or(self.cidr.addr()),
            by: Some(RouteChoice::Main {
                route: route_words(route, self.facts),
            }),
        };
        let seen = State::Rejected {
            route: self.route(route),
        };
        self.wrong(cause, State::RouteTo { range: self.cidr }, seen)
    }

    fn part_elsewhere(&self, route: &RouteEntry) -> NotVerified {
        let cause = Cause::PartRoutedElsewhere {
            node: self.name(),
            to: self.to(),
            range: self.cidr,
            part: route.dst,
        };
        let seen = State::RouteIs {
            route: self.route(route),
        };
        self.wrong(cause, State::RouteToNode { node: self.to() }, seen)
    }

    fn duplicates(&self, routes: &[&RouteEntry]) -> NotVerified {
        let cause = Cause::DuplicateRoute {
            node: self.name(),
            to: self.to(),
            range: routes[0].dst,
            routes: routes.len(),
        };
        let each = routes.iter().map(|route| State::RouteIs {
            route: self.route(route),
        });
        let seen = Seen {
            expected: State::ExactlyOne,
            observed: some(each.collect(), 4),
            look: look(&self.node.object.name, self.cidr),
        };
        self.problem(&self.node.object.name, cause, seen)
    }

    pub(super) fn wrong(&self, cause: Cause, expected: State, observed: State) -> NotVerified {
        let node = &self.node.object.name;
        self.problem(
            node,
            cause,
            Seen::new(expected, observed, look(node, self.cidr)),
        )
    }

    /// A cause for which that node is to blame; it is about both.
    pub(super) fn problem(&self, culprit: &str, cause: Cause, seen: Seen) -> NotVerified {
        let mut problem = Problem::on(culprit, cause, seen);
        let (node, remote) = (self.name(), self.to());
        problem.peer = Some(if culprit == remote {
            node.clone()
        } else {
            remote.clone()
        });
        problem.deviation.subjects = vec![Subject::Pair {
            from: node,
            to: remote,
        }];
        NotVerified::Wrong(Box::new(problem))
    }
}

/// A route with the owner of its next hop.
pub(super) fn state(entry: &RouteEntry, facts: &Facts, topology: &Topology<'_>) -> State {
    State::RouteIs {
        route: with_owner(entry, facts, topology),
    }
}

fn with_owner(entry: &RouteEntry, facts: &Facts, topology: &Topology<'_>) -> Route {
    let mut route = route(entry, facts);
    for hop in &mut route.hops {
        hop.owner = hop.via.and_then(|via| topology.owner(via));
    }
    route
}
