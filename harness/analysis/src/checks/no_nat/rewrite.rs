//! Rewritten addresses, gathered by what was rewritten and where.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::{Dialled, Transport};

use crate::checks::Evidence;
use crate::checks::findings::{count, joined, listed, look, transports};
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

    pub(super) fn evidence(&self, topology: &Topology<'_>) -> Vec<Evidence> {
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

fn describe(group: &Group<'_>, rewrites: &[&Rewrite], topology: &Topology<'_>) -> Evidence {
    let first = rewrites[0];
    let ways: BTreeSet<String> = rewrites
        .iter()
        .filter_map(|r| {
            Some(way(
                topology.node_of(&r.client)?,
                topology.node_of(&r.server)?,
            ))
        })
        .collect();
    let pairs: BTreeSet<(&Endpoint, &Endpoint)> =
        rewrites.iter().map(|r| (&r.client, &r.server)).collect();
    let extent = format!(
        "{} over {} ({})",
        count(pairs.len(), "pair"),
        transports(rewrites.iter().map(|r| r.over)),
        listed(&Vec::from_iter(ways), 6)
    );
    let examples: Vec<String> = examples(rewrites, topology);
    let observed = joined(&examples, "; ", 3);
    let client_addresses = shown(topology.addresses(&first.client));
    let see = look(
        topology.end_name(&first.client),
        format!("ping -c 1 -W 1 {}", first.dialled),
    );
    let at_or_unknown =
        |at: &Option<&str>| at.map_or_else(|| "on the way".to_owned(), |node| format!("on {node}"));
    let (what, expected, culprit, cause) = match group {
        Group::Source { at } => (
            format!("source address rewritten {}: {extent}", at_or_unknown(at)),
            format!(
                "the client's own address, for {} {client_addresses}",
                topology.end_name(&first.client)
            ),
            at.map(str::to_owned),
            match at {
                Some(node) => {
                    format!("{node} masquerades traffic that stays within the pod network")
                }
                None => "something between the nodes translates source addresses".to_owned(),
            },
        ),
        Group::WrongResponder { target, responder } => {
            let node = topology.node_of(&first.server).unwrap_or("?");
            let other = topology
                .named(responder)
                .and_then(|end| topology.node_of(&end));
            let (target, name) = (topology.end_name(target), topology.own_name(responder));
            (
                format!(
                    "{name}{} answers in place of {target} on {node}: {extent}",
                    other.map(|node| format!(" on {node}")).unwrap_or_default()
                ),
                format!("{target} answers at {}", first.dialled),
                Some(divertor(first, responder, topology)),
                format!(
                    "a DNAT rule diverts what is sent to {} ({target})",
                    first.dialled
                ),
            )
        }
        Group::ReplySource { at } => (
            format!(
                "answers of {} come from another address than was dialled, rewritten {}: {extent}",
                servers(rewrites, topology),
                at_or_unknown(at)
            ),
            format!("an answer from {}", first.dialled),
            at.map(str::to_owned),
            format!("the source of replies is translated {}", at_or_unknown(at)),
        ),
        Group::Destination { at } => (
            format!(
                "requests arrive at {} for an address that is not its own, {}: {extent}",
                servers(rewrites, topology),
                at_or_unknown(at)
            ),
            format!("destination {}", shown(topology.addresses(&first.server))),
            at.map(str::to_owned),
            format!("the destination is translated {}", at_or_unknown(at)),
        ),
    };
    Evidence {
        what,
        expected,
        observed,
        culprit,
        cause: Some(cause),
        look: see,
    }
}

fn servers(rewrites: &[&Rewrite], topology: &Topology<'_>) -> String {
    let names: BTreeSet<String> = rewrites
        .iter()
        .map(|rewrite| topology.end_name(&rewrite.server))
        .collect();
    listed(&Vec::from_iter(names), 4)
}

fn way(from: &str, to: &str) -> String {
    if from == to {
        format!("within {from}")
    } else {
        format!("{from} → {to}")
    }
}

fn shown(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(IpAddr::to_string)
        .collect::<Vec<_>>()
        .join(" or ")
}

/// One line for each pair of ends, transports merged.
fn examples(rewrites: &[&Rewrite], topology: &Topology<'_>) -> Vec<String> {
    let mut merged: BTreeMap<(&Endpoint, &Endpoint, &Kind), BTreeSet<Transport>> = BTreeMap::new();
    for rewrite in rewrites {
        merged
            .entry((&rewrite.client, &rewrite.server, &rewrite.kind))
            .or_default()
            .insert(rewrite.over);
    }
    merged
        .into_iter()
        .map(|((client, server, kind), over)| {
            let over = transports(over);
            let (from, to) = (topology.end_name(client), topology.end_name(server));
            let pair = format!("{from} → {to} ({over})");
            match kind {
                Kind::Source { seen } => format!("{pair}: seen as {}", topology.tell(*seen)),
                Kind::WrongResponder { responder } => {
                    format!("{pair}: {} answered", topology.own_name(responder))
                }
                Kind::ReplySource { from } => {
                    format!("{pair}: answer from {}", topology.tell(*from))
                }
                Kind::Destination { to } => format!("{pair}: arrived for {}", topology.tell(*to)),
            }
        })
        .collect()
}

/// Where a diversion happens: at the only node whose clients are diverted while others' are not, else at the target's node,
/// where everything sent to it passes.
fn divertor(rewrite: &Rewrite, responder: &str, topology: &Topology<'_>) -> String {
    let mut diverted: BTreeSet<&str> = BTreeSet::new();
    let mut direct: BTreeSet<&str> = BTreeSet::new();
    for dial in topology
        .observations
        .dials
        .iter()
        .filter(|dial| dial.to == rewrite.server && dial.from != dial.to)
    {
        let Some(node) = topology.node_of(&dial.from) else {
            continue;
        };
        match &dial.result {
            Dialled::Answered {
                responder: Some(name),
                ..
            } if name == responder => diverted.insert(node),
            Dialled::Answered {
                responder: Some(_), ..
            } if dial.transport == rewrite.over => direct.insert(node),
            _ => false,
        };
    }
    let target_node = topology.node_of(&rewrite.server).unwrap_or("?");
    match (diverted.len(), diverted.first()) {
        (1, Some(node)) if direct.iter().any(|other| other != node) => (*node).to_owned(),
        _ => target_node.to_owned(),
    }
}
