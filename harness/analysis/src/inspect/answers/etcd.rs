//! etcd's ports and who is connected.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::probe::{Connection, Protocol};

use super::findings::Findings;
use flatnet_model::components::ports::{self, ETCD};
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::observations::Availability;
use flatnet_model::view::View;

const PROGRAM: &str = "etcd";

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    if let Availability::Absent { why } = &view.api {
        return Outcome::Skipped {
            reason: why.clone(),
        };
    }
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(sockets) = findings.observed(name, "sockets", inside.sockets()) else {
            continue;
        };
        for port in ETCD {
            let at = sockets.bound.iter().filter(|socket| {
                socket.protocol == Protocol::Tcp
                    && socket.local.port() == port
                    && socket
                        .owner
                        .as_ref()
                        .is_none_or(|owner| owner.program == PROGRAM)
            });
            let addresses: Vec<String> = at.map(|socket| socket.local.ip().to_string()).collect();
            if addresses.is_empty() {
                continue;
            }
            findings.fact(
                Fact::new(
                    "etcd-port",
                    port.to_string(),
                    Source::Command(format!("netstat -tnlp | grep :{port}")),
                )
                .on(name)
                .with("program", PROGRAM)
                .with("addresses", addresses)
                .with("purpose", ports::purpose(Protocol::Tcp, port, PROGRAM)),
            );
            for ((program, from), connections) in clients(view, &sockets.connections, port) {
                findings.fact(
                    Fact::new(
                        "etcd-client",
                        program,
                        Source::Command(format!("netstat -tnp | grep :{port}")),
                    )
                    .on(name)
                    .with("port", port)
                    .with("from", from)
                    .varying("connections", connections),
                );
            }
        }
    }
    findings.outcome(|| {
        "no etcd listens on the nodes that were looked at: the control plane is elsewhere, or keeps its state another way".to_owned()
    })
}

/// Connections to `port` here by the program and node at their other end.
fn clients(
    view: &View,
    connections: &[Connection],
    port: u16,
) -> BTreeMap<(String, String), usize> {
    let mut counted = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for connection in connections {
        if connection.local.port() != port || !seen.insert((connection.local, connection.remote)) {
            continue;
        }
        // Another program may have taken that port for its end of a connection.
        if connection
            .owner
            .as_ref()
            .is_some_and(|owner| owner.program != PROGRAM)
        {
            continue;
        }
        *counted
            .entry(peer(view, connections, connection))
            .or_insert(0) += 1;
    }
    counted
}

/// The program at the other end, looked for on this node and then on the others, and where it is.
fn peer(view: &View, here: &[Connection], connection: &Connection) -> (String, String) {
    let mirrored =
        |other: &&Connection| other.local == connection.remote && other.remote == connection.local;
    let program = |found: &Connection| found.owner.as_ref().map(|owner| owner.program.clone());
    if let Some(found) = here.iter().find(mirrored) {
        return (
            program(found).unwrap_or_else(|| "unknown".to_owned()),
            "this node".to_owned(),
        );
    }
    let from = connection.remote.ip();
    let place = view
        .node_of(from)
        .map_or_else(|| from.to_string(), |node| node.name.clone());
    let elsewhere = view.nodes.iter().filter_map(|node| {
        let sockets = node.inside.found()?.sockets().ok()?;
        program(sockets.connections.iter().find(mirrored)?)
    });
    (
        elsewhere
            .into_iter()
            .next()
            .unwrap_or_else(|| "unknown".to_owned()),
        place,
    )
}
