//! Turns a group of red pairs into evidence: who, what was seen, and the likely cause.
use std::collections::BTreeSet;

use flatnet_model::PodRef;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{
    self, Command, Finding, Found, PodAt, State, Subject, Symptom, Talk,
};
use flatnet_model::follow::{Fate, Followed, Wanted};
use flatnet_model::network::Family;
use flatnet_model::probe::Transport;
use flatnet_model::reference::Netns;

use super::Span;
use super::blame::{Group, Scope};
use super::guess::{Diversion, guess, underlay_cut};
use super::pairs::Pair;
use super::seen::{Arrivals, Over, observed};
use crate::checks::Deviation;
use crate::checks::findings::{Problem, Seen};
use crate::checks::followed;
use crate::checks::topology::Topology;
use crate::checks::{
    bridge, gateway, no_nat, node_facts, node_routes, pod_ip_present, pod_ip_unique, settings,
};
use crate::look;
use flatnet_model::observations::Endpoint;

/// What explanations draw on, computed once per check.
pub(super) struct Context<'t, 'a> {
    pub(super) topology: &'t Topology<'a>,
    /// What the checks of nodes and pods have found.
    pub(super) problems: Vec<Problem>,
    /// (server, transport, family, client) of requests that arrived.
    arrived: BTreeSet<(&'a Endpoint, Transport, Family, Endpoint)>,
}

impl<'t, 'a> Context<'t, 'a> {
    pub(super) fn of(topology: &'t Topology<'a>) -> Self {
        let mut problems = pod_ip_present::problems(topology);
        problems.extend(pod_ip_unique::problems(topology));
        problems.extend(bridge::problems(topology));
        problems.extend(gateway::examine(topology).0);
        problems.extend(node_routes::problems(topology));
        problems.extend(not_forwarding(topology));
        problems.extend(settings::problems(topology));
        problems.extend(node_facts::problems(topology));
        let received = topology.observations.received.iter();
        let arrived = received
            .flat_map(|(end, seen)| {
                seen.iter().flatten().filter_map(move |request| {
                    let family = Family::of(request.destination);
                    Some((end, request.transport, family, request.from.parse().ok()?))
                })
            })
            .collect();
        Context {
            topology,
            problems,
            arrived,
        }
    }

    pub(super) fn explain(&self, group: &Group<'_, '_>, span: Span) -> Deviation {
        let over = Over::of(&group.red);
        let arrivals = self.arrivals(&group.red);
        let ended = followed::fate(&self.followed(group));
        let fate = ended.map(|(_, fate)| fate);
        let seen = fate.and_then(|fate| fate.cause.as_ref());
        let redirected = followed::redirected(&self.followed(group));
        // What carries the pod network comes first: nothing above it works without it.
        let cut = underlay_cut(self.topology, group);
        let problem = self.shared(group, seen).or_else(|| match cut {
            Some(_) => None,
            None => self.problem(group, span, ended),
        });
        let (culprits, cause) = match (problem, seen) {
            (Some(problem), _) => {
                let found = problem.deviation.finding.found();
                // The check that found it saw it itself, or concluded it itself.
                let cause = found.map(|found| match fate {
                    Some(_) => Found::seen(found.cause.clone()),
                    None => found.clone(),
                });
                (problem.deviation.culprits.clone(), cause)
            }
            (None, Some(seen)) => (self.culprits_of(group.scope, fate), Some(seen.clone())),
            // Where packets ended, a change that did not end them says nothing.
            (None, None)
                if fate.is_none()
                    && let Some((culprit, cause)) = self.rewritten(group) =>
            {
                (culprit.into_iter().collect(), Some(cause))
            }
            (None, None) if let Some(rewrite) = redirected => {
                let culprit = followed::culprit(self.topology, &rewrite.at);
                let cause = self.translated(group, &rewrite.at);
                (culprit.into_iter().collect(), Some(Found::inferred(cause)))
            }
            (None, None) => {
                let place = self.culprits_of(group.scope, fate);
                let (culprits, cause) = self.conclude(group, &over, &arrivals, cut, place);
                (culprits, Some(Found::inferred(cause)))
            }
        };
        let changed = redirected.filter(|_| problem.is_none() && seen.is_none());
        let shown = match problem {
            Some(problem) => Some(problem.deviation.look.clone()),
            None => seen.and_then(|found| look::at(&found.cause, &self.topology.observations.pods)),
        };
        let mut observed: Vec<State> = fate.cloned().map(State::Followed).into_iter().collect();
        observed.extend(changed.cloned().map(State::Changed));
        observed.extend(self::observed(self.topology.observations, group, &arrivals));
        observed.extend(followed::withheld(self.topology));
        let first = group.red[0].failed[0];
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
            finding: Finding::Symptom { symptom, cause },
            expected: Talk::AnswerOver {
                over: over.measured(),
            }
            .into(),
            observed,
            look: shown
                .unwrap_or_else(|| look::unanswered(&first.from, &over.failing, &first.request)),
        }
    }

    /// The rule that was seen to change an address of the group's packets, and where it is.
    fn rewritten(&self, group: &Group<'_, '_>) -> Option<(Option<Subject>, Found)> {
        let rewrite = followed::rewrite(&self.followed(group))?;
        let culprit = followed::culprit(self.topology, &rewrite.at);
        Some((culprit, followed::rewritten_by(rewrite)?))
    }

    /// What changes the destination of the group's requests in a namespace, where no rule was seen to.
    fn translated(&self, group: &Group<'_, '_>, at: &Netns) -> Cause {
        let diversion = Diversion::of(self.topology, group);
        diversion.map_or_else(
            || Cause::DestinationTranslated {
                node: match at {
                    Netns::Node(node) => Some(node.clone()),
                    Netns::Pod(_) | Netns::Wire => None,
                },
            },
            |diversion| diversion.cause(),
        )
    }

    /// Dials of the group's pairs that were followed.
    pub(super) fn followed(&self, group: &Group<'_, '_>) -> Vec<&'a Followed> {
        followed::between(self.topology, |from, to| {
            let mut red = group.red.iter();
            red.any(|pair| pair.from == from && pair.to == to)
        })
    }

    /// What best explains a group for which no check of nodes and pods has a cause; `place` is where packets were last seen.
    fn conclude(
        &self,
        group: &Group<'_, '_>,
        over: &Over,
        arrivals: &Arrivals<'_>,
        cut: Option<(String, String)>,
        place: Vec<Subject>,
    ) -> (Vec<Subject>, Cause) {
        if let Some(nodes) = cut {
            let culprit = self.blamed(group.scope);
            return (culprit.into_iter().collect(), Cause::UnderlayCut { nodes });
        }
        if let Some(diversion) = Diversion::of(self.topology, group) {
            let Diversion { dial, by } = diversion;
            let at = no_nat::divertor(&dial.to, dial.request.transport, by, self.topology);
            return (vec![Subject::node_of(at)], diversion.cause());
        }
        let culprits = match place.is_empty() {
            false => place,
            true => self.blamed(group.scope).into_iter().collect(),
        };
        let cause = guess(self.topology, group, over, arrivals, culprits.clone());
        (culprits, cause)
    }

    fn culprits_of(&self, scope: Scope<'_>, fate: Option<&Fate>) -> Vec<Subject> {
        let Some(fate) = fate else {
            return Vec::new();
        };
        let cause = fate.cause.as_ref().map(|found| &found.cause);
        match cause {
            // Who asks for an address that nobody tells is not to blame for it: the picture says who is.
            Some(Cause::NeighbourUnresolved { .. }) => self.blamed(scope).into_iter().collect(),
            _ => followed::blamed(self.topology, fate),
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
    /// Where packets were followed it is one that is told by the check of nodes and pods in more detail than what was seen.
    fn problem(
        &self,
        group: &Group<'_, '_>,
        span: Span,
        ended: Option<(&Wanted, &Fate)>,
    ) -> Option<&Problem> {
        let fits = |problem: &&Problem| {
            let (node, peer) = (problem.node.as_str(), problem.peer.as_deref());
            let mut red = group.red.iter();
            if !problem.pods.is_empty() {
                return red.all(|pair| pair.suffers_from(problem, span));
            }
            if !red.any(|pair| pair.suffers_from(problem, span)) {
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
        let mut fitting = self.problems.iter().filter(fits);
        fitting.find(|problem| followed::agrees(self.topology, ended, problem))
    }

    /// Two nodes with one address or one Ethernet address, of which every red pair has one, where no rule or setting was seen to end
    /// packets: nothing else works as it should before that.
    fn shared(&self, group: &Group<'_, '_>, seen: Option<&Found>) -> Option<&Problem> {
        let mut problems = self.problems.iter();
        let shared = problems.find(|problem| {
            let red = group.red.iter();
            node_facts::is_shared_by(problem, red.map(|pair| (pair.from_node, pair.to_node)))
        });
        shared.filter(|_| seen.is_none_or(followed::is_outline))
    }

    /// Whether two nodes that share an address explain the group.
    pub(super) fn shares(&self, group: &Group<'_, '_>) -> bool {
        let ended = followed::fate(&self.followed(group));
        let seen = ended.and_then(|(_, fate)| fate.cause.as_ref());
        self.shared(group, seen).is_some()
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
                    Family::of(dial.request.address),
                    pair.from.clone(),
                )));
                counts.1 += 1;
            }
        }
        arrivals
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
