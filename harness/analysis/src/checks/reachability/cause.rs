//! Turns a group of red pairs into evidence: who, what was seen, and the likely cause.
use std::collections::BTreeSet;

use flatnet_model::probe::{Dialled, Failure, Transport};

use super::Span;
use super::blame::{Group, Scope};
use super::pairs::Pair;
use super::words::{Arrivals, Over, counts, headline, observed};
use crate::checks::Evidence;
use crate::checks::findings::{Problem, look, transports};
use crate::checks::topology::Topology;
use crate::checks::{bridge, gateway, node_routes, pod_ip_present, pod_ip_unique};
use flatnet_model::observations::{Dial, Endpoint};

/// What explanations draw on, computed once a check.
pub(super) struct Context<'a> {
    topology: &'a Topology<'a>,
    problems: Vec<Problem>,
    /// (server, transport, client) of requests that arrived.
    arrived: BTreeSet<(&'a Endpoint, Transport, Endpoint)>,
}

impl<'a> Context<'a> {
    pub(super) fn of(topology: &'a Topology<'a>) -> Self {
        let mut problems = pod_ip_present::problems(topology);
        problems.extend(pod_ip_unique::problems(topology));
        problems.extend(bridge::problems(topology));
        problems.extend(gateway::examine(topology).0);
        problems.extend(node_routes::problems(topology));
        problems.extend(not_forwarding(topology));
        let sightings = topology.observations.sightings.iter();
        let arrived = sightings
            .flat_map(|(end, seen)| {
                seen.iter().flatten().filter_map(move |sighting| {
                    Some((end, sighting.transport, sighting.from.parse().ok()?))
                })
            })
            .collect();
        Context {
            topology,
            problems,
            arrived,
        }
    }

    pub(super) fn explain(
        &self,
        group: &Group<'_, '_>,
        span: Span,
        pairs: &[Pair<'_>],
    ) -> Evidence {
        let over = Over::of(&group.red);
        let problem = self.problem(group, span);
        let arrivals = self.arrivals(&group.red);
        let (culprit, cause) = match problem {
            Some(problem) => (
                problem.evidence.culprit.clone(),
                Some(problem.evidence.what.clone()),
            ),
            None => {
                let culprit = self
                    .blamed(group.scope)
                    .or_else(|| lopsided(group.scope, pairs));
                let cause = self.guess(group, &over, &arrivals, culprit.as_deref());
                (culprit, cause)
            }
        };
        let first = group.red[0].failed[0];
        Evidence {
            what: format!(
                "{}: {} over {}",
                headline(group.scope, self.topology, span),
                counts(group),
                over.failing()
            ),
            expected: format!("an answer over {} from every address", over.measured()),
            observed: observed(group, &arrivals, self.topology),
            culprit,
            cause,
            look: match problem {
                Some(problem) => problem.evidence.look.clone(),
                None => look(
                    self.topology.end_name(&first.from),
                    format!("ping -c 1 -W 1 {}", first.address),
                ),
            },
        }
    }

    /// The configuration problem that fits the group: it concerns pods that every red pair involves, or the nodes of the group.
    fn problem(&self, group: &Group<'_, '_>, span: Span) -> Option<&Problem> {
        let fits = |problem: &&Problem| {
            let (node, peer) = (problem.node.as_str(), problem.peer.as_deref());
            if !problem.pods.is_empty() {
                let involved = |end: &Endpoint| matches!(end, Endpoint::Pod(pod) if problem.pods.contains(pod));
                return group
                    .red
                    .iter()
                    .all(|pair| involved(pair.from) || involved(pair.to));
            }
            if span == Span::SameNode && peer.is_some() {
                return false;
            }
            match group.scope {
                Scope::Everyone => true,
                Scope::Pod(..) => false,
                Scope::Node(name, _) => node == name || peer == Some(name),
                Scope::Between(a, b) | Scope::OneWay(a, b) => {
                    [a, b].contains(&node) && peer.is_none_or(|peer| peer == a || peer == b)
                }
            }
        };
        self.problems.iter().find(fits)
    }

    /// Where the picture alone singles someone out.
    fn blamed(&self, scope: Scope<'_>) -> Option<String> {
        match scope {
            Scope::Pod(pod, _) => Some(match self.topology.pod(pod) {
                Some(pod) => self.topology.who(pod),
                None => format!("pod {pod}"),
            }),
            Scope::Node(node, _) => Some(node.to_owned()),
            Scope::Between(a, b) if a == b => Some(a.to_owned()),
            Scope::OneWay(a, b) if a == b => Some(a.to_owned()),
            Scope::Everyone | Scope::Between(..) | Scope::OneWay(..) => None,
        }
    }

    /// Per direction between nodes: how many of the failed requests are known to have arrived, of how many that could be known.
    fn arrivals<'p>(&self, red: &[&Pair<'p>]) -> Arrivals<'p> {
        let mut ways = Arrivals::new();
        for pair in red {
            // Without a raw socket ICMP requests are not recorded, so their absence says nothing.
            let recorded = pair
                .failed
                .iter()
                .filter(|dial| dial.transport != Transport::Icmp);
            if !matches!(
                self.topology.observations.sightings.get(pair.to),
                Some(Ok(_))
            ) {
                continue;
            }
            for dial in recorded {
                let way = ways.entry((pair.from_node, pair.to_node)).or_default();
                way.0 += usize::from(self.arrived.contains(&(
                    pair.to,
                    dial.transport,
                    pair.from.clone(),
                )));
                way.1 += 1;
            }
        }
        ways
    }

    fn guess(
        &self,
        group: &Group<'_, '_>,
        over: &Over,
        arrivals: &Arrivals<'_>,
        culprit: Option<&str>,
    ) -> Option<String> {
        let at = culprit.map_or_else(
            || "on the way".to_owned(),
            |culprit| format!("at {culprit}"),
        );
        if let Some(cause) = self.diverted(&group.red) {
            return Some(cause);
        }
        if !over.passing.is_empty() {
            return Some(format!(
                "only {} fails, not {}: a packet filter {at} looks at the protocol",
                over.failing(),
                transports(over.passing.iter().copied())
            ));
        }
        if over.one_family {
            return Some(format!(
                "only {} fails: routes or forwarding of that family {at}",
                over.family
            ));
        }
        if let Some((a, b)) = self.underlay_down(group.scope) {
            return Some(format!(
                "the nodes {a} and {b} do not reach each other either: the underlay is cut"
            ));
        }
        let kinds: BTreeSet<&str> = group
            .red
            .iter()
            .flat_map(|pair| &pair.failed)
            .map(|dial| kind(dial))
            .collect();
        if kinds.len() == 1 && kinds.contains("refused") {
            return Some(format!(
                "packets pass, but a packet filter {at} rejects them or nothing listens there"
            ));
        }
        if kinds.len() == 1 && kinds.contains("unreachable") {
            return Some(format!("a node or router {at} has no route to the address"));
        }
        Some(lost_where(group.scope, arrivals, &at))
    }

    /// When others are answered by the client itself where they dial the server, the client's own requests come back to it
    /// with its own source address, and its kernel drops them.
    fn diverted(&self, red: &[&Pair<'_>]) -> Option<String> {
        let pair = red[0];
        let by_client = |dial: &&Dial| {
            dial.to == *pair.to
                && matches!(&dial.result, Dialled::Answered { responder: Some(text), .. } if pair.from.is_called(text))
        };
        self.topology
            .observations
            .dials
            .iter()
            .find(by_client)
            .filter(|_| red.len() == 1)?;
        let (from, to) = (
            self.topology.end_name(pair.from),
            self.topology.end_name(pair.to),
        );
        Some(format!(
            "what is sent to {to} is diverted to {from}, which cannot answer itself, see no-nat"
        ))
    }

    /// Two nodes of the scope whose own addresses do not answer each other.
    fn underlay_down(&self, scope: Scope<'_>) -> Option<(String, String)> {
        let concerned = |a: &str, b: &str| match scope {
            Scope::Everyone => true,
            Scope::Pod(..) => false,
            Scope::Node(node, _) => a == node || b == node,
            Scope::Between(x, y) | Scope::OneWay(x, y) => (a == x && b == y) || (a == y && b == x),
        };
        let failed = |dial: &&Dial| match (&dial.from, &dial.to) {
            (Endpoint::Node(a), Endpoint::Node(b)) => {
                a != b
                    && concerned(a, b)
                    && matches!(&dial.result, Dialled::Failed { kind, .. } if *kind != Failure::Unsupported)
            }
            _ => false,
        };
        let dial = self.topology.observations.dials.iter().find(failed)?;
        let name = |end| self.topology.end_name(end);
        Some((name(&dial.from), name(&dial.to)))
    }
}

/// What the far ends' records of requests say about where packets get lost.
fn lost_where(scope: Scope<'_>, arrivals: &Arrivals<'_>, at: &str) -> String {
    let ways = |wanted: &dyn Fn(&str, &str) -> bool| {
        let chosen: Vec<_> = arrivals
            .iter()
            .filter(|((from, to), _)| wanted(from, to))
            .map(|(_, counts)| *counts)
            .collect();
        let lost = !chosen.is_empty() && chosen.iter().all(|(arrived, _)| *arrived == 0);
        let came = !chosen.is_empty() && chosen.iter().all(|(arrived, known)| arrived == known);
        (lost, came)
    };
    if arrivals.is_empty() {
        return format!("a packet filter or a missing route {at}");
    }
    if let Scope::Node(node, _) = scope {
        let (into_lost, _) = ways(&|_, to| to == node);
        let (out_lost, out_came) = ways(&|from, _| from == node);
        match (into_lost, out_lost, out_came) {
            (true, _, true) => {
                return format!(
                    "what is sent to pods of {node} gets lost there, what they send arrives: a packet filter on {node}"
                );
            }
            (true, true, _) => {
                return format!(
                    "{node} does not forward for its pods: a packet filter (FORWARD policy) or a cut link"
                );
            }
            (true, false, _) => {
                return format!(
                    "what is sent to pods of {node} gets lost: a packet filter on {node}, or no way to it"
                );
            }
            _ => {}
        }
    }
    match ways(&|_, _| true) {
        (_, true) => {
            format!("requests arrive, answers get lost {at}: a packet filter, or no route back")
        }
        (true, _) => format!(
            "packets get lost {at}: a packet filter (FORWARD policy), a missing route or a cut link"
        ),
        _ => format!(
            "packets get lost in one direction only: a missing route or a packet filter {at}"
        ),
    }
}

fn kind(dial: &Dial) -> &'static str {
    match &dial.result {
        Dialled::Failed {
            kind: Failure::Refused,
            ..
        } => "refused",
        Dialled::Failed {
            kind: Failure::Unreachable,
            ..
        } => "unreachable",
        _ => "lost",
    }
}

/// Between two nodes: when the pods of one do not even reach the other node itself, or are not reached from it, while the
/// other's pods are fine in this, the one is to blame.
fn lopsided(scope: Scope<'_>, pairs: &[Pair<'_>]) -> Option<String> {
    let (Scope::Between(a, b) | Scope::OneWay(a, b)) = scope else {
        return None;
    };
    let pod_side = |pair: &Pair<'_>, pods: &str, host: &str| {
        let from_pod = matches!(pair.from, Endpoint::Pod(_))
            && pair.from_node == pods
            && matches!(pair.to, Endpoint::Node(_));
        let to_pod = matches!(pair.to, Endpoint::Pod(_))
            && pair.to_node == pods
            && matches!(pair.from, Endpoint::Node(_));
        (from_pod && pair.to_node == host) || (to_pod && pair.from_node == host)
    };
    let red_share = |pods: &str, host: &str| {
        let mine = pairs.iter().filter(|pair| pod_side(pair, pods, host));
        mine.fold((0, 0), |(red, all), pair| {
            (red + usize::from(!pair.failed.is_empty()), all + 1)
        })
    };
    match (red_share(a, b), red_share(b, a)) {
        ((red, all), (0, others)) if red == all && all > 0 && others > 0 => Some(a.to_owned()),
        ((0, others), (red, all)) if red == all && all > 0 && others > 0 => Some(b.to_owned()),
        _ => None,
    }
}

/// Nodes that do not forward at all, by family.
fn not_forwarding(topology: &Topology<'_>) -> Vec<Problem> {
    let nodes = topology
        .nodes()
        .filter_map(|node| Some((node, node.inside.facts().ok()?)));
    let off = nodes.flat_map(|(node, facts)| {
        let has = |v4: bool| {
            topology.networked().any(|pod| {
                pod.object.node == node.object.name
                    && pod.object.ips.iter().any(|ip| ip.is_ipv4() == v4)
            })
        };
        [
            ("ipv4.ip_forward", true),
            ("ipv6.conf.all.forwarding", false),
        ]
        .into_iter()
        .filter(move |(key, v4)| {
            has(*v4)
                && facts
                    .sysctls
                    .get(*key)
                    .is_some_and(|value| value.trim() == "0")
        })
        .map(move |(key, _)| (node, key))
    });
    off.map(|(node, key)| Problem {
        node: node.object.name.clone(),
        peer: None,
        pods: Vec::new(),
        evidence: Evidence {
            what: format!(
                "{} does not forward packets: net.{key} is 0",
                node.object.name
            ),
            expected: format!("net.{key} = 1"),
            observed: format!("net.{key} = 0"),
            culprit: Some(node.object.name.clone()),
            cause: None,
            look: look(
                &node.object.name,
                format!("cat /proc/sys/net/{}", key.replace('.', "/")),
            ),
        },
    })
    .collect()
}
