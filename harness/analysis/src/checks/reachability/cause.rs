//! Turns a group of red pairs into evidence: who, what was seen, and the likely cause.
use std::collections::BTreeSet;

use flatnet_model::PodRef;
use flatnet_model::cause::{Cause, Loss};
use flatnet_model::evidence::{
    self, Command, Finding, Found, PodAt, State, Subject, Symptom, Talk,
};
use flatnet_model::probe::{DialOutcome, Failure, Transport};

use super::Span;
use super::blame::{Group, Scope};
use super::pairs::Pair;
use super::seen::{Arrivals, Over, observed};
use crate::checks::Deviation;
use crate::checks::findings::{Problem, Seen};
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
        let received = topology.observations.received.iter();
        let arrived = received
            .flat_map(|(end, seen)| {
                seen.iter().flatten().filter_map(move |request| {
                    Some((end, request.transport, request.from.parse().ok()?))
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
    ) -> Deviation {
        let over = Over::of(&group.red);
        let problem = self.problem(group, span);
        let arrivals = self.arrivals(&group.red);
        let (culprits, cause) = match problem {
            Some(problem) => (
                problem.deviation.culprits.clone(),
                problem
                    .deviation
                    .finding
                    .found()
                    .map(|found| found.cause.clone()),
            ),
            None => {
                let culprit = self
                    .blamed(group.scope)
                    .or_else(|| lopsided(group.scope, pairs).map(Subject::node_of));
                let culprits: Vec<Subject> = culprit.into_iter().collect();
                let cause = self.guess(group, &over, &arrivals, culprits.clone());
                (culprits, Some(cause))
            }
        };
        let first = group.red[0].failed[0];
        let ping = format!("ping -c 1 -W 1 {}", first.request.address);
        let symptom = Symptom::Unreached {
            scope: self.scope(group.scope),
            span,
            red: group.red.len(),
            all: group.all,
            hosts: group.red.iter().filter(|pair| !pair.pods_only).count(),
            over: over.failing.clone(),
            family: over.family,
        };
        Deviation {
            subjects: self.subjects(group.scope),
            culprits,
            finding: Finding::Symptom {
                symptom,
                cause: cause.map(Found::inferred),
            },
            expected: Talk::AnswerOver {
                over: over.measured(),
            }
            .into(),
            observed: observed(group, &arrivals),
            look: match problem {
                Some(problem) => problem.deviation.look.clone(),
                None => self.topology.in_end(&first.from, &ping),
            },
        }
    }

    fn scope(&self, scope: Scope<'_>) -> evidence::Scope {
        match scope {
            Scope::Everyone => evidence::Scope::Everyone,
            Scope::Pod(pod, direction) => evidence::Scope::Pod {
                pod: self.pod_at(pod),
                direction,
            },
            Scope::Node(node, direction) => evidence::Scope::Node {
                node: node.to_owned(),
                direction,
            },
            Scope::Between(a, b) => evidence::Scope::Between {
                nodes: (a.to_owned(), b.to_owned()),
            },
            Scope::OneWay(from, to) => evidence::Scope::OneWay {
                from: from.to_owned(),
                to: to.to_owned(),
            },
        }
    }

    fn subjects(&self, scope: Scope<'_>) -> Vec<Subject> {
        match scope {
            Scope::Everyone => {
                let nodes = self.topology.nodes();
                nodes
                    .map(|node| Subject::node_of(&node.object.name))
                    .collect()
            }
            Scope::Pod(pod, _) => vec![Subject::Pod(self.pod_at(pod))],
            Scope::Node(node, _) => vec![Subject::node_of(node)],
            Scope::Between(a, b) | Scope::OneWay(a, b) => vec![Subject::Pair {
                from: a.to_owned(),
                to: b.to_owned(),
            }],
        }
    }

    fn pod_at(&self, pod: &PodRef) -> PodAt {
        let node = self.topology.pod(pod).map(|pod| pod.object.node.clone());
        PodAt::new(pod.clone(), node.unwrap_or_default())
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
    fn blamed(&self, scope: Scope<'_>) -> Option<Subject> {
        match scope {
            Scope::Pod(pod, _) => Some(Subject::Pod(self.pod_at(pod))),
            Scope::Node(node, _) => Some(Subject::node_of(node)),
            Scope::Between(a, b) | Scope::OneWay(a, b) if a == b => Some(Subject::node_of(a)),
            Scope::Everyone | Scope::Between(..) | Scope::OneWay(..) => None,
        }
    }

    /// Per direction between nodes: how many of the failed requests are known to have arrived, of how many that could be known.
    fn arrivals<'p>(&self, red: &[&Pair<'p>]) -> Arrivals<'p> {
        let mut arrivals = Arrivals::new();
        for pair in red {
            // Without a raw socket ICMP requests are not recorded, so their absence says nothing.
            let recorded = pair
                .failed
                .iter()
                .filter(|dial| dial.request.transport != Transport::Icmp);
            if !matches!(
                self.topology.observations.received.get(pair.to),
                Some(Ok(_))
            ) {
                continue;
            }
            for dial in recorded {
                let counts = arrivals.entry((pair.from_node, pair.to_node)).or_default();
                counts.0 += usize::from(self.arrived.contains(&(
                    pair.to,
                    dial.request.transport,
                    pair.from.clone(),
                )));
                counts.1 += 1;
            }
        }
        arrivals
    }

    fn guess(
        &self,
        group: &Group<'_, '_>,
        over: &Over,
        arrivals: &Arrivals<'_>,
        at: Vec<Subject>,
    ) -> Cause {
        if let Some(cause) = self.diverted(&group.red) {
            return cause;
        }
        if !over.passing.is_empty() {
            return Cause::TransportFiltered {
                failing: over.failing.clone(),
                passing: over.passing.clone(),
                family: over.family,
                at,
            };
        }
        if let Some(family) = over.family {
            return Cause::FamilyUnrouted { family, at };
        }
        if let Some(nodes) = self.underlay_down(group.scope) {
            return Cause::UnderlayCut { nodes };
        }
        let failed = group.red.iter().flat_map(|pair| &pair.failed);
        let kinds: BTreeSet<Kind> = failed.map(|dial| kind(dial)).collect();
        match Vec::from_iter(kinds)[..] {
            [Kind::Refused] => Cause::Rejected { at },
            [Kind::Unreachable] => Cause::NoRouteOnTheWay { at },
            _ => Cause::PacketsLost {
                loss: loss(group.scope, arrivals),
                at,
            },
        }
    }

    /// When others are answered by the client itself where they dial the server, the client's own requests come back to it
    /// with its own source address, and its kernel drops them.
    fn diverted(&self, red: &[&Pair<'_>]) -> Option<Cause> {
        let pair = red[0];
        let by_client = |dial: &&Dial| {
            dial.to == *pair.to
                && matches!(&dial.result, DialOutcome::Answered { responder: Some(text), .. } if pair.from.is_called(text))
        };
        self.topology
            .observations
            .dials
            .iter()
            .find(by_client)
            .filter(|_| red.len() == 1)?;
        Some(Cause::Diverted {
            to: pair.to.clone(),
            by: pair.from.clone(),
        })
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
                    && matches!(&dial.result, DialOutcome::Failed { kind, .. } if *kind != Failure::Unsupported)
            }
            _ => false,
        };
        let dial = self.topology.observations.dials.iter().find(failed)?;
        match (&dial.from, &dial.to) {
            (Endpoint::Node(a), Endpoint::Node(b)) => Some((a.clone(), b.clone())),
            _ => None,
        }
    }
}

/// What the far ends' records of requests say about where packets get lost.
fn loss(scope: Scope<'_>, arrivals: &Arrivals<'_>) -> Loss {
    let fates = |wanted: &dyn Fn(&str, &str) -> bool| {
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
        return Loss::Unrecorded;
    }
    if let Scope::Node(name, _) = scope {
        let (into_lost, _) = fates(&|_, to| to == name);
        let (out_lost, out_came) = fates(&|from, _| from == name);
        let node = name.to_owned();
        match (into_lost, out_lost, out_came) {
            (true, _, true) => return Loss::OnTheWayIn { node },
            (true, true, _) => return Loss::BothWays { node },
            (true, false, _) => return Loss::OnTheWayTo { node },
            _ => {}
        }
    }
    match fates(&|_, _| true) {
        (_, true) => Loss::Answers,
        (true, _) => Loss::Requests,
        _ => Loss::OneDirection,
    }
}

/// What became of a dial that failed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Refused,
    Unreachable,
    Lost,
}

fn kind(dial: &Dial) -> Kind {
    match &dial.result {
        DialOutcome::Failed {
            kind: Failure::Refused,
            ..
        } => Kind::Refused,
        DialOutcome::Failed {
            kind: Failure::Unreachable,
            ..
        } => Kind::Unreachable,
        _ => Kind::Lost,
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
    off.map(|(node, key)| {
        let name = &node.object.name;
        let cause = Cause::ForwardingOff {
            node: name.clone(),
            key: key.to_owned(),
        };
        let [on, off] = ["1", "0"].map(|value| State::Sysctl {
            key: key.to_owned(),
            value: value.to_owned(),
        });
        let path = format!("cat /proc/sys/net/{}", key.replace('.', "/"));
        Problem::on(name, cause, Seen::new(on, off, Command::on(name, &path)))
    })
    .collect()
}
