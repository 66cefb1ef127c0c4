//! Rewritten addresses, gathered by what was rewritten and where.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Extent, Finding, Found, Mismatch, State, Subject, Symptom, Talk};
use flatnet_model::probe::{DialOutcome, Transport};

use crate::checks::Deviation;
use crate::checks::findings::some;
use crate::checks::followed;
use crate::checks::topology::Topology;
use flatnet_model::observations::Endpoint;

/// What was rewritten.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The server saw another source than the client's.
    Source { seen: IpAddr },
    /// Another end than the one dialled answered.
    WrongResponder { responder: String },
    /// The answer came from another address than the one dialled.
    ReplySource { from: IpAddr },
    /// A request arrived for an address that is not the server's.
    Destination { to: IpAddr },
}

/// One conversation with a rewritten address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rewrite {
    client: Endpoint,
    server: Endpoint,
    over: Transport,
    dialled: IpAddr,
    kind: Kind,
}

/// All of them; a set, because client and server report the same one.
#[derive(Debug, Default)]
pub(super) struct Rewrites(BTreeSet<Rewrite>);

/// What makes rewrites one piece of evidence.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    Source {
        at: Option<&'a str>,
    },
    WrongResponder {
        target: &'a Endpoint,
        responder: &'a str,
    },
    ReplySource {
        at: Option<&'a str>,
    },
    Destination {
        at: Option<&'a str>,
    },
}

impl Rewrites {
    pub(super) fn add(
        &mut self,
        (client, server): (&Endpoint, &Endpoint),
        over: Transport,
        dialled: IpAddr,
        kind: Kind,
    ) {
        self.0.insert(Rewrite {
            client: client.clone(),
            server: server.clone(),
            over,
            dialled,
            kind,
        });
    }

    pub(super) fn evidence(&self, topology: &Topology<'_>) -> Vec<Deviation> {
        let mut groups: BTreeMap<Group<'_>, Vec<&Rewrite>> = BTreeMap::new();
        for rewrite in &self.0 {
            groups
                .entry(group_of(rewrite, topology))
                .or_default()
                .push(rewrite);
        }
        groups
            .iter()
            .map(|(group, rewrites)| describe(group, rewrites, topology))
            .collect()
    }
}

fn group_of<'a>(rewrite: &'a Rewrite, topology: &Topology<'a>) -> Group<'a> {
    let server_node = topology.node_of(&rewrite.server);
    match &rewrite.kind {
        Kind::Source { seen } => Group::Source {
            at: rewriter(rewrite, *seen, topology),
        },
        Kind::WrongResponder { responder } => Group::WrongResponder {
            target: &rewrite.server,
            responder,
        },
        Kind::ReplySource { .. } => Group::ReplySource { at: server_node },
        Kind::Destination { .. } => Group::Destination { at: server_node },
    }
}

/// The node that put its own address in place of the client's: masquerade takes the outgoing interface's address
/// (nf_nat_masquerade.c), so the holder did it.
fn rewriter<'a>(rewrite: &Rewrite, seen: IpAddr, topology: &Topology<'a>) -> Option<&'a str> {
    let holders = topology.holders(seen);
    let ends = [
        topology.node_of(&rewrite.client),
        topology.node_of(&rewrite.server),
    ];
    let end = ends
        .into_iter()
        .flatten()
        .find(|node| holders.contains(node));
    end.or_else(|| holders.first().copied())
}

fn describe(group: &Group<'_>, rewrites: &[&Rewrite], topology: &Topology<'_>) -> Deviation {
    let first = rewrites[0];
    let between = rewrites.iter().filter_map(|r| {
        let (from, to) = (topology.node_of(&r.client)?, topology.node_of(&r.server)?);
        Some((from.to_owned(), to.to_owned()))
    });
    let between: BTreeSet<(String, String)> = between.collect();
    let pairs: BTreeSet<(&Endpoint, &Endpoint)> =
        rewrites.iter().map(|r| (&r.client, &r.server)).collect();
    let extent = Extent {
        pairs: pairs.len(),
        over: rewrites.iter().map(|r| r.over).collect(),
        between: between.into_iter().collect(),
    };
    let place = |at: &Option<&str>| at.map(str::to_owned);
    let (symptom, cause, expected, at) = match group {
        Group::Source { at } => (
            Symptom::SourceRewritten {
                at: place(at),
                extent,
            },
            Cause::Masquerade { node: place(at) },
            Talk::OwnSource {
                client: first.client.clone(),
                addresses: topology.addresses(&first.client).to_vec(),
            },
            place(at),
        ),
        Group::WrongResponder { target, responder } => {
            let other = topology.named(responder);
            let other = other.as_ref().and_then(|end| topology.node_of(end));
            let symptom = Symptom::WrongResponder {
                responder: (*responder).to_owned(),
                responder_node: other.map(str::to_owned),
                target: (*target).clone(),
                node: topology.node_of(&first.server).map(str::to_owned),
                extent,
            };
            let cause = Cause::Dnat {
                address: first.dialled,
                target: (*target).clone(),
            };
            let expected = Talk::ResponderAt {
                name: (*target).clone(),
                address: first.dialled,
            };
            let at = divertor(&first.server, first.over, responder, topology);
            (symptom, cause, expected, Some(at))
        }
        Group::ReplySource { at } => (
            Symptom::ReplyRewritten {
                servers: servers(rewrites),
                at: place(at),
                extent,
            },
            Cause::ReplyTranslated { node: place(at) },
            Talk::AnswerAt {
                address: first.dialled,
            },
            place(at),
        ),
        Group::Destination { at } => (
            Symptom::DestinationRewritten {
                servers: servers(rewrites),
                at: place(at),
                extent,
            },
            Cause::DestinationTranslated { node: place(at) },
            Talk::Destination {
                addresses: topology.addresses(&first.server).to_vec(),
            },
            place(at),
        ),
    };
    let is_meant = |from: &Endpoint, to: &Endpoint| pairs.contains(&(from, to));
    let seen = followed::rewrite(&followed::between(topology, is_meant));
    let cause = seen
        .and_then(followed::rewritten_by)
        .unwrap_or_else(|| Found::inferred(cause));
    let culprit = match seen {
        Some(seen) => followed::culprit(topology, &seen.at),
        None => at.map(Subject::node_of),
    };
    let ping = format!("ping -c 1 -W 1 {}", first.dialled);
    let mut observed: Vec<State> = seen.cloned().map(State::Changed).into_iter().collect();
    observed.extend(some(mismatches(rewrites, topology), 3));
    observed.extend(followed::withheld(topology));
    let look = crate::look::at(&cause.cause, &topology.observations.pods);
    Deviation {
        subjects: subjects(group, rewrites, topology),
        culprits: culprit.into_iter().collect(),
        finding: Finding::of(symptom, cause),
        expected: expected.into(),
        observed,
        look: look.unwrap_or_else(|| crate::look::in_end(&first.client, &ping)),
    }
}

/// The directions between nodes, and the ends that all have in common.
fn subjects(group: &Group<'_>, rewrites: &[&Rewrite], topology: &Topology<'_>) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Vec::new();
    let mut add = |subject: Option<Subject>| {
        if let Some(subject) = subject.filter(|subject| !subjects.contains(subject)) {
            subjects.push(subject);
        }
    };
    for rewrite in rewrites {
        let nodes = topology.node_of(&rewrite.client);
        let nodes = nodes.zip(topology.node_of(&rewrite.server));
        add(nodes.map(|(from, to)| Subject::Pair {
            from: from.to_owned(),
            to: to.to_owned(),
        }));
        if !matches!(group, Group::Source { .. }) {
            add(topology.subject(&rewrite.server));
        }
    }
    if let Group::WrongResponder { responder, .. } = group {
        add(topology
            .named(responder)
            .and_then(|end| topology.subject(&end)));
    }
    subjects
}

fn servers(rewrites: &[&Rewrite]) -> Vec<Endpoint> {
    let servers: BTreeSet<&Endpoint> = rewrites.iter().map(|rewrite| &rewrite.server).collect();
    servers.into_iter().cloned().collect()
}

/// One for each pair of ends, transports merged.
fn mismatches(rewrites: &[&Rewrite], topology: &Topology<'_>) -> Vec<State> {
    let mut merged: BTreeMap<(&Endpoint, &Endpoint, &Kind), BTreeSet<Transport>> = BTreeMap::new();
    for rewrite in rewrites {
        merged
            .entry((&rewrite.client, &rewrite.server, &rewrite.kind))
            .or_default()
            .insert(rewrite.over);
    }
    let each = merged.into_iter().map(|((client, server, kind), over)| {
        let mismatch = match kind {
            Kind::Source { seen } => Mismatch::SeenAs(topology.held(*seen)),
            Kind::WrongResponder { responder } => Mismatch::Responder(responder.clone()),
            Kind::ReplySource { from } => Mismatch::AnswerFrom(topology.held(*from)),
            Kind::Destination { to } => Mismatch::ArrivedFor(topology.held(*to)),
        };
        State::from(Talk::Mismatched {
            from: client.clone(),
            to: server.clone(),
            over,
            mismatch,
        })
    });
    each.collect()
}

/// Where a diversion happens: at the only node whose clients are diverted while others' are not, else at the target's node,
/// where everything sent to it passes.
pub(in crate::checks) fn divertor(
    server: &Endpoint,
    over: Transport,
    responder: &str,
    topology: &Topology<'_>,
) -> String {
    let mut diverted: BTreeSet<&str> = BTreeSet::new();
    let mut direct: BTreeSet<&str> = BTreeSet::new();
    for dial in topology
        .observations
        .dials
        .iter()
        .filter(|dial| dial.to == *server && dial.from != dial.to)
    {
        let Some(node) = topology.node_of(&dial.from) else {
            continue;
        };
        match &dial.result {
            DialOutcome::Answered {
                responder: Some(name),
                ..
            } if name == responder => diverted.insert(node),
            DialOutcome::Answered {
                responder: Some(_), ..
            } if dial.request.transport == over => direct.insert(node),
            _ => false,
        };
    }
    let target_node = topology.node_of(server).unwrap_or("?");
    match (diverted.len(), diverted.first()) {
        (1, Some(node)) if direct.iter().any(|other| other != node) => (*node).to_owned(),
        _ => target_node.to_owned(),
    }
}
