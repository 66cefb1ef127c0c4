//! `no-nat`: both ends see the other's real address.
//!
//! The client reports who answered, from where, and as whom it was seen; the server reports what arrived. Kubernetes forbids
//! translation between pods, and between pods and nodes towards the pod; a node's address instead of the pod's on its way
//! from a pod to a node (flannel masquerades there) is reported as a fact.
mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::{DialOutcome, ReceivedRequest, Transport};

use super::Verdict;
use super::findings::{Findings, count, listed};
use super::pod_ip_unique::holders;
use super::topology::Topology;
use flatnet_model::PodRef;
use flatnet_model::observations::{Dial, Endpoint, Observations};
use rewrite::{Kind, Rewrites};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    let mut judgement = Judgement {
        shared: holders(&topology),
        topology: &topology,
        locals: locals(observations),
        rewrites: Rewrites::default(),
        findings: Findings::default(),
        masqueraded: BTreeSet::new(),
        judged: 0,
    };
    for dial in &observations.dials {
        judgement.dial(dial);
    }
    for (server, seen) in &observations.received {
        match seen {
            Ok(received) => received
                .iter()
                .for_each(|request| judgement.request(server, request)),
            Err(error) if topology.takes_part(server) && topology.within_reach(server) => {
                let (kind, name) = (server.kind(), topology.end_name(server));
                judgement
                    .findings
                    .unmeasured(format!("what arrived at {kind}/{name}: {error}"));
            }
            Err(_) => {}
        }
    }
    judgement.verdict()
}

struct Judgement<'a> {
    topology: &'a Topology<'a>,
    /// Addresses held by several pods: a wrong responder there is for `pod-ip-unique`.
    shared: BTreeMap<IpAddr, BTreeSet<&'a PodRef>>,
    /// Addresses that clients' own sockets had. One that the API does not know is for `pod-ip-present`; unchanged on the
    /// path, it is not translation.
    locals: BTreeMap<&'a Endpoint, BTreeSet<IpAddr>>,
    rewrites: Rewrites,
    findings: Findings,
    /// Nodes whose pods reach nodes under the node's own address.
    masqueraded: BTreeSet<&'a str>,
    judged: usize,
}

impl<'a> Judgement<'a> {
    fn dial(&mut self, dial: &'a Dial) {
        let DialOutcome::Answered {
            responder,
            seen_as,
            reply_from,
            ..
        } = &dial.result
        else {
            return;
        };
        if dial.from == dial.to
            || !self.topology.takes_part(&dial.from)
            || !self.topology.takes_part(&dial.to)
        {
            return;
        }
        self.judged += 1;
        let ends = (&dial.from, &dial.to);
        if let Some(responder) = responder.as_deref().filter(|text| !dial.to.is_called(text)) {
            // Who answered says nothing about the intended server's view, so nothing else is judged.
            if !self.shares(dial.request.address, &dial.to, responder) {
                self.rewrites.add(
                    ends,
                    dial.request.transport,
                    dial.request.address,
                    Kind::WrongResponder {
                        responder: responder.to_owned(),
                    },
                );
            }
            return;
        }
        if *reply_from != dial.request.address {
            self.rewrites.add(
                ends,
                dial.request.transport,
                dial.request.address,
                Kind::ReplySource { from: *reply_from },
            );
        }
        if let Some(seen) = seen_as {
            self.source(ends, dial.request.transport, dial.request.address, *seen);
        }
    }

    fn request(&mut self, server: &'a Endpoint, request: &ReceivedRequest) {
        let Some(client) = self.topology.named(&request.from) else {
            return;
        };
        if client == *server
            || !self.topology.takes_part(&client)
            || !self.topology.takes_part(server)
        {
            return;
        }
        let ends = (&client, server);
        self.source(ends, request.transport, request.destination, request.source);
        if !self.destination_is_own(server, request.destination) {
            let kind = Kind::Destination {
                to: request.destination,
            };
            self.rewrites
                .add(ends, request.transport, request.destination, kind);
        }
    }

    fn destination_is_own(&self, server: &Endpoint, destination: IpAddr) -> bool {
        match (self.topology.on_host(server), self.topology.node_of(server)) {
            (true, Some(node)) => self.topology.node_has(node, destination),
            _ => self.topology.addresses(server).contains(&destination),
        }
    }

    /// Judges the source address a server saw.
    fn source(
        &mut self,
        (client, server): (&Endpoint, &Endpoint),
        over: Transport,
        dialled: IpAddr,
        seen: IpAddr,
    ) {
        let Some(node) = self.topology.node_of(client) else {
            return;
        };
        if self
            .locals
            .get(client)
            .is_some_and(|locals| locals.contains(&seen))
        {
            return;
        }
        let own = if self.topology.on_host(client) {
            if !self.topology.node_has(node, seen)
                && self
                    .topology
                    .node(node)
                    .is_some_and(|node| node.inside.facts().is_err())
            {
                return self
                    .findings
                    .unmeasured(format!("whether {seen} is an address of {node}"));
            }
            self.topology.node_has(node, seen)
        } else {
            self.topology.addresses(client).contains(&seen)
        };
        if own {
            return;
        }
        let to_host = self.topology.on_host(server);
        if to_host && self.topology.node_has(node, seen) {
            self.masqueraded.insert(node);
            return;
        }
        if to_host && self.topology.nodes_forbidden().is_some() {
            // It may be the address of a tunnel or bridge of the client's node, which nobody may look at.
            return;
        }
        self.rewrites
            .add((client, server), over, dialled, Kind::Source { seen });
    }

    fn shares(&self, address: IpAddr, target: &Endpoint, responder: &str) -> bool {
        let (Endpoint::Pod(target), Ok(Endpoint::Pod(responder))) = (target, responder.parse())
        else {
            return false;
        };
        self.shared
            .get(&address)
            .is_some_and(|pods| pods.contains(target) && pods.contains(&responder))
    }

    fn verdict(mut self) -> Verdict {
        if self.judged == 0 {
            self.findings
                .unmeasured("no dial was answered, so no address was seen");
        }
        for evidence in self.rewrites.evidence(self.topology) {
            self.findings.fail(evidence);
        }
        self.findings.fact(format!(
            "{} answered, each end saw the other's own address",
            count(self.judged, "dial")
        ));
        if !self.masqueraded.is_empty() {
            let nodes = Vec::from_iter(self.masqueraded);
            self.findings.fact(format!(
                "pods reach nodes as their own node's address (masqueraded) on {}",
                listed(&nodes, 6)
            ));
        }
        unseen_icmp(self.topology, &mut self.findings);
        self.findings.mention_forbidden(self.topology);
        self.findings.mention_idle(self.topology);
        self.findings.verdict()
    }
}

/// The kernel answers echo requests without saying from whom they came: only a raw socket at the server tells.
fn unseen_icmp(topology: &Topology<'_>, findings: &mut Findings) {
    let observations = topology.observations;
    let is_icmp = |request: &ReceivedRequest| request.transport == Transport::Icmp;
    let seeing: BTreeSet<&Endpoint> = observations
        .received
        .iter()
        .filter(|(_, seen)| seen.iter().flatten().any(is_icmp))
        .map(|(end, _)| end)
        .collect();
    let pinged = observations.dials.iter().filter(|dial| {
        dial.request.transport == Transport::Icmp
            && dial.from != dial.to
            && matches!(dial.result, DialOutcome::Answered { .. })
    });
    let blind: BTreeSet<&Endpoint> = pinged
        .filter(|dial| topology.takes_part(&dial.to) && !seeing.contains(&dial.to))
        .map(|dial| &dial.to)
        .collect();
    if !blind.is_empty() {
        let blind: Vec<String> = blind
            .into_iter()
            .map(|end| topology.end_name(end))
            .collect();
        findings.fact(format!(
            "source of icmp requests not seen at {}: no raw socket there",
            listed(&blind, 6)
        ));
    }
}

fn locals(observations: &Observations) -> BTreeMap<&Endpoint, BTreeSet<IpAddr>> {
    let mut locals: BTreeMap<&Endpoint, BTreeSet<IpAddr>> = BTreeMap::new();
    for dial in &observations.dials {
        if let DialOutcome::Answered { local, .. } = &dial.result {
            locals.entry(&dial.from).or_default().insert(*local);
        }
    }
    locals
}
