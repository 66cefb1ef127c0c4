//! The dials between all ends: pairs that the coverage chooses, and where some of them fail, more of the same nodes.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::coverage::{self, Covering, End};
use flatnet_model::observations::{Dial, Endpoint, Observed, ObservedNode, ObservedPod};
use flatnet_model::probe::{DialOutcome, DialRequest, Facts, Failure, Transport};

use super::dials::dial;
use super::fleet::Fleet;
use super::scope::Scope;

/// Pairs dialled in addition where some fail: 4,000 that all time out over three transports take half a minute.
const MOST_WIDENED: usize = 4_000;

/// What was dialled.
pub(super) struct Matrix {
    /// Every dial with what came of it.
    pub(super) dials: Vec<Dial>,
    /// Which pairs were chosen.
    pub(super) coverage: Covering,
}

/// Dials pairs of running pods and nodes, one row per probe, all rows at once.
pub(super) async fn dial_pairs(
    fleet: &Fleet,
    nodes: &[ObservedNode],
    pods: &[ObservedPod],
    facts: &BTreeMap<Endpoint, Observed<Facts>>,
    scope: &Scope<'_>,
) -> Matrix {
    let ends = coverage::ends(pods, nodes);
    let addresses = addresses(nodes, pods);
    let of_family = addresses.values().map(|own| own.len()).max();
    let full = coverage::count(&ends) * scope.transports.len() * of_family.unwrap_or(1);
    let covering = scope.coverage.decide(full, scope.seed);
    let planned = coverage::pairs(&ends, covering);
    let round = Round {
        fleet,
        ends: &ends,
        addresses: &addresses,
        transports: scope.transports,
    };
    let mut rows = round.rows(&planned);
    for (from, row) in &mut rows {
        row.extend(
            gateways(&ends[*from], nodes, facts)
                .map(|(to, request)| (ends.len() - nodes.len() + to, request)),
        );
    }
    let mut done = round.make(rows).await;
    if covering != Covering::Full {
        let failed: Vec<(usize, usize)> = done
            .iter()
            .filter(|made| made.missed_peer(&round))
            .map(|made| (made.from, made.to))
            .collect();
        if !failed.is_empty() {
            let more = coverage::widened(&ends, &planned, &failed, MOST_WIDENED);
            done.extend(round.make(round.rows(&more)).await);
        }
    }
    let dial = |made: Made| Dial {
        from: ends[made.from].endpoint.clone(),
        to: ends[made.to].endpoint.clone(),
        request: made.request,
        result: made.result,
    };
    Matrix {
        dials: done.into_iter().map(dial).collect(),
        coverage: covering,
    }
}

/// Addresses that the API gives each end.
fn addresses<'a>(
    nodes: &'a [ObservedNode],
    pods: &'a [ObservedPod],
) -> BTreeMap<Endpoint, &'a [IpAddr]> {
    let pods = pods
        .iter()
        .map(|pod| (pod.endpoint(), pod.object.ips.as_slice()));
    let nodes = nodes
        .iter()
        .map(|node| (node.endpoint(), node.object.internal_ips.as_slice()));
    pods.chain(nodes).collect()
}

/// Next hops of a pod's default routes, with the place of its node. They need not run a responder: their kernel answers ICMP.
fn gateways<'a>(
    from: &'a End,
    nodes: &[ObservedNode],
    facts: &'a BTreeMap<Endpoint, Observed<Facts>>,
) -> impl Iterator<Item = (usize, DialRequest)> + use<'a> {
    let facts = facts
        .get(&from.endpoint)
        .and_then(|facts| facts.as_ref().ok());
    let facts = facts.filter(|_| !from.on_host && from.node < nodes.len());
    let routes = facts.into_iter().flat_map(|facts| &facts.routes);
    let gateways = routes
        .filter(|route| route.dst.prefix_len() == 0)
        .flat_map(|route| route.hops().filter_map(|hop| hop.gateway));
    gateways.map(|address| {
        let request = DialRequest {
            address,
            transport: Transport::Icmp,
            port: 0,
        };
        (from.node, request)
    })
}

/// The dials of each client, with the place of the end that should answer.
type Rows = BTreeMap<usize, Vec<(usize, DialRequest)>>;

/// One dial, its ends by their places.
struct Made {
    from: usize,
    to: usize,
    request: DialRequest,
    result: DialOutcome,
}

impl Made {
    /// Whether it says that a pair does not reach each other: not a gateway, not an end and itself, not a probe that cannot dial.
    fn missed_peer(&self, round: &Round<'_>) -> bool {
        let missed = match &self.result {
            DialOutcome::Failed { kind, .. } => *kind != Failure::Unsupported,
            DialOutcome::Answered { responder, .. } => {
                let named = responder.as_ref();
                named.is_some_and(|name| !round.ends[self.to].endpoint.is_called(name))
            }
        };
        missed && self.from != self.to && round.own(self.to).contains(&self.request.address)
    }
}

/// What rounds of dials have in common.
struct Round<'a> {
    fleet: &'a Fleet,
    ends: &'a [End],
    addresses: &'a BTreeMap<Endpoint, &'a [IpAddr]>,
    transports: &'a [Transport],
}

impl<'a> Round<'a> {
    fn own(&self, place: usize) -> &'a [IpAddr] {
        let own = self.addresses.get(&self.ends[place].endpoint);
        own.copied().unwrap_or_default()
    }

    /// Every address over every transport, where both ends have a probe.
    fn rows(&self, pairs: &[Vec<usize>]) -> Rows {
        let rows = pairs.iter().enumerate();
        let rows = rows.filter(|(from, _)| self.fleet.port(&self.ends[*from].endpoint).is_some());
        rows.map(|(from, row)| {
            let requests = row.iter().flat_map(|to| self.requests(*to));
            (from, requests.collect())
        })
        .collect()
    }

    fn requests(&self, to: usize) -> impl Iterator<Item = (usize, DialRequest)> + use<'a> {
        let port = self.fleet.port(&self.ends[to].endpoint);
        let (own, transports) = (self.own(to), self.transports);
        port.into_iter().flat_map(move |port| {
            own.iter().flat_map(move |address| {
                transports.iter().map(move |transport| {
                    let request = DialRequest {
                        address: *address,
                        transport: *transport,
                        port,
                    };
                    (to, request)
                })
            })
        })
    }

    async fn make(&self, rows: Rows) -> Vec<Made> {
        let asked = rows
            .iter()
            .filter(|(_, row)| !row.is_empty())
            .map(|(from, row)| {
                let row = row.iter().map(|(_, request)| *request);
                (self.ends[*from].endpoint.clone(), row.collect())
            });
        let mut results = dial(self.fleet, asked.collect()).await;
        let made = rows.into_iter().flat_map(|(from, row)| {
            let results = results
                .remove(&self.ends[from].endpoint)
                .unwrap_or_default();
            let row = row.into_iter().zip(results);
            row.map(move |((to, request), result)| Made {
                from,
                to,
                request,
                result,
            })
        });
        made.collect()
    }
}
