//! The conversations of the synthetic cluster.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::probe::{DialOutcome, DialRequest, PacketFate, ReceivedRequest, Transport};

use super::pieces::{gateway, internal};
use flatnet_model::observations::{Dial, Endpoint, Observations, ObservedPod, Occasion, SeriesRun};

const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Icmp];

/// From each pod to one on its node, one on another, and a node; every packet answered.
pub(super) fn first_series(observations: &Observations) -> Vec<SeriesRun> {
    let pods = || {
        let all = observations.pods.iter();
        all.filter(|pod| !pod.object.host_network)
    };
    let mut series = Vec::new();
    for (place, client) in pods().enumerate() {
        let here = |pod: &&ObservedPod| pod.object.node == client.object.node;
        let mut rest = pods().skip(place + 1).chain(pods().take(place));
        let neighbour = rest
            .clone()
            .find(here)
            .map(|pod| (pod.endpoint(), pod.object.ips[0]));
        let remote = rest
            .find(|pod| !here(pod))
            .map(|pod| (pod.endpoint(), pod.object.ips[0]));
        let mut nodes = observations.nodes.iter();
        let other = nodes.find(|node| node.object.name != client.object.node);
        let other = other.map(|node| (node.endpoint(), node.object.internal_ips[0]));
        for (to, address) in [neighbour, remote, other].into_iter().flatten() {
            let answered = |at_least_us| PacketFate::Answered { at_least_us };
            series.push(SeriesRun {
                from: client.endpoint(),
                to,
                request: DialRequest {
                    address,
                    transport: Transport::Icmp,
                    port: 0,
                },
                occasion: Occasion::First,
                packets: Ok(vec![answered(80), answered(30), answered(30), answered(30)]),
            });
        }
    }
    series
}

/// Every dial the harness makes, answered; and what the far ends saw.
pub(super) fn talk(observations: &mut Observations) {
    let mut ends: Vec<(Endpoint, &str, bool, &[IpAddr])> = Vec::new();
    for pod in &observations.pods {
        ends.push((
            pod.endpoint(),
            &pod.object.node,
            pod.object.host_network,
            &pod.object.ips,
        ));
    }
    for node in &observations.nodes {
        ends.push((
            Endpoint::Node(node.object.name.clone()),
            &node.object.name,
            true,
            &node.object.internal_ips,
        ));
    }
    let mut dials = Vec::new();
    let mut received: BTreeMap<Endpoint, Vec<ReceivedRequest>> = BTreeMap::new();
    let number = |node: &str| node.trim_start_matches("node").parse::<u8>().unwrap();
    for (from, from_node, from_host, own) in &ends {
        let dialled = ends.iter().filter(|end| match (from, &end.0) {
            (Endpoint::Node(from), Endpoint::Node(to)) => from != to,
            _ => !(*from_host && end.2),
        });
        for (to, to_node, to_host, addresses) in dialled {
            let mut targets: Vec<(IpAddr, Transport)> = addresses
                .iter()
                .flat_map(|address| TRANSPORTS.map(|transport| (*address, transport)))
                .collect();
            if *to == Endpoint::Node((*from_node).to_owned()) {
                targets.extend(
                    own.iter()
                        .map(|ip| (gateway(number(from_node), ip.is_ipv6()), Transport::Icmp)),
                );
            }
            for (dialled, transport) in targets {
                let v6 = dialled.is_ipv6();
                let mine = own.iter().copied().find(|ip| ip.is_ipv6() == v6).unwrap();
                let local = if *from_host && from_node == to_node {
                    gateway(number(from_node), v6)
                } else {
                    mine
                };
                // flatnet, like flannel, masquerades what pods send to other nodes.
                let masqueraded = *to_host && !*from_host && from_node != to_node;
                let seen = if masqueraded {
                    internal(number(from_node), v6)
                } else {
                    local
                };
                let icmp = transport == Transport::Icmp;
                dials.push(Dial {
                    from: from.clone(),
                    to: to.clone(),
                    request: DialRequest {
                        address: dialled,
                        transport,
                        port: if icmp { 0 } else { 7411 },
                    },
                    result: DialOutcome::Answered {
                        local,
                        responder: (!icmp).then(|| to.to_string()),
                        seen_as: (!icmp).then_some(seen),
                        reply_from: dialled,
                        rtt_us: 150,
                        attempts: 1,
                        retransmits: 0,
                    },
                });
                let request = ReceivedRequest {
                    transport,
                    from: from.to_string(),
                    source: seen,
                    destination: dialled,
                    count: 1,
                    copies: 0,
                };
                received.entry(to.clone()).or_default().push(request);
            }
        }
    }
    observations.dials = dials;
    observations.received = received
        .into_iter()
        .map(|(end, seen)| (end, Ok(seen)))
        .collect();
}
