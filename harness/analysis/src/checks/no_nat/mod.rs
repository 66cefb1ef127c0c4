//! `no-nat`: both ends see the other's real address.
//!
//! The client reports who answered, from where, and as whom it was seen; the server reports what arrived. Kubernetes forbids
//! translation between pods, and between pods and nodes towards the pod; a node's address instead of the pod's on its way
//! from a pod to a node (flannel masquerades there) is not a failure, and part of the verdict's sentence. Judged are dials of
//! which one end reported the source that arrived: a kernel that answers an echo reports none.
mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::probe::{DialOutcome, ReceivedRequest, Transport};

use super::Verdict;
use super::findings::{Findings, count, listed, without_networked};
use super::pod_ip_unique::holders;
use super::topology::Topology;
use flatnet_model::PodRef;
use flatnet_model::observations::{Dial, Endpoint, Fate, Observations};
pub(super) use rewrite::divertor;
use rewrite::{Kind, Rewrites};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_networked(&topology) {
        return skip;
    }
    let mut judgement = Judgement {
        shared: holders(&topology),
        topology: &topology,
        conversations: Conversations::of(observations),
        rewrites: Rewrites::default(),
        findings: Findings::default(),
        masqueraded: BTreeMap::new(),
        judged: 0,
        unreported: 0,
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
                    .unmeasured_for(format!("what arrived at {kind}/{name}"), error);
            }
            Err(_) => {}
        }
    }
    judgement.verdict()
}

/// Answered dials of pods whose addresses are not the same at both ends: one for each transport between each two nodes.
pub fn rewritten(observations: &Observations) -> Vec<&Dial> {
    let changed = |dial: &Dial| match &dial.result {
        DialOutcome::Answered {
            local,
            seen_as,
            reply_from,
            ..
        } => {
            matches!(observations.fate(dial), Fate::Diverted(_))
                || *reply_from != dial.request.address
                || seen_as.is_some_and(|seen| seen != *local)
        }
        DialOutcome::Failed { .. } => false,
    };
    // Pods may reach nodes masqueraded.
    let to_pod = |dial: &Dial| matches!(dial.to, Endpoint::Pod(_)) && dial.from != dial.to;
    let dials = observations.dials.iter();
    let changed: Vec<&Dial> = dials.filter(|dial| to_pod(dial) && changed(dial)).collect();
    if changed.is_empty() {
        return changed;
    }
    let topology = Topology::of(observations);
    let mut classes = BTreeSet::new();
    let class = |dial: &Dial| {
        let nodes = (topology.node_of(&dial.from), topology.node_of(&dial.to));
        (nodes, dial.request.transport)
    };
    let first = changed.into_iter();
    first.filter(|dial| classes.insert(class(dial))).collect()
}

struct Judgement<'a> {
    topology: &'a Topology<'a>,
    /// Addresses held by several pods: a wrong responder there is for `pod-ip-unique`.
    shared: BTreeMap<IpAddr, BTreeSet<&'a PodRef>>,
    conversations: Conversations<'a>,
    rewrites: Rewrites,
    findings: Findings,
    /// Nodes whose pods reach nodes under the node's own address, and how many dials did.
    masqueraded: BTreeMap<&'a str, usize>,
    /// Dials of which both ends' addresses are known as the other end saw them.
    judged: usize,
    /// Dials that were answered, and of which no end reported the source.
    unreported: usize,
}

impl<'a> Judgement<'a> {
    fn dial(&mut self, dial: &'a Dial) {
        let DialOutcome::Answered {
            local,
            seen_as,
            reply_from,
            ..
        } = &dial.result
        else {
            return;
        };
        if !self.concerns(&dial.from, &dial.to) {
            return;
        }
        let ends = (&dial.from, &dial.to);
        let (over, address) = (dial.request.transport, dial.request.address);
        if let Fate::Diverted(responder) = self.topology.observations.fate(dial) {
            // Who answered says nothing about the intended server's view, so nothing else is judged.
            self.judged += 1;
            if !self.shares(address, &dial.to, responder) {
                let responder = responder.to_owned();
                self.rewrites
                    .add(ends, over, address, Kind::WrongResponder { responder });
            }
            return;
        }
        if *reply_from != address {
            let from = *reply_from;
            self.rewrites
                .add(ends, over, address, Kind::ReplySource { from });
        }
        let arrived = self.conversations.source(dial);
        match seen_as.or(arrived) {
            Some(seen) => {
                let judged = self.source(ends, over, address, Some(*local), seen);
                if let Judged::Masqueraded(node) = judged {
                    *self.masqueraded.entry(node).or_default() += 1;
                }
                match judged {
                    Judged::Unknown => self.unreported += 1,
                    _ => self.judged += 1,
                }
            }
            None => self.unreported += 1,
        }
    }

    /// Two nodes use no pod network, and what an end sends itself is for `hairpin`.
    fn concerns(&self, client: &Endpoint, server: &Endpoint) -> bool {
        client != server
            && !(self.topology.on_host(client) && self.topology.on_host(server))
            && self.topology.takes_part(client)
            && self.topology.takes_part(server)
    }

    fn request(&mut self, server: &'a Endpoint, request: &ReceivedRequest) {
        let Some(client) = self.topology.named(&request.from) else {
            return;
        };
        if !self.concerns(&client, server) {
            return;
        }
        let ends = (&client, server);
        let dialled = request.destination;
        let local = self
            .conversations
            .local(&client, server, request.transport, dialled);
        self.source(ends, request.transport, dialled, local, request.source);
        if !self.destination_is_own(server, request.destination) {
            if let Some((node, why)) = self.unread_host(server) {
                // It may be the address of the node's bridge, which only the node itself tells.
                let what = format!("whether {} is an address of {node}", request.destination);
                if self.topology.nodes_forbidden().is_none() {
                    self.findings.unmeasured_for(what, why);
                }
                return;
            }
            let kind = Kind::Destination {
                to: request.destination,
            };
            self.rewrites
                .add(ends, request.transport, request.destination, kind);
        }
    }

    /// The node whose network an end uses, where its addresses could not be read, and why.
    fn unread_host(&self, end: &Endpoint) -> Option<(&'a str, &'a str)> {
        let node = self.topology.node_of(end)?;
        let why = self.topology.unread(node)?;
        self.topology.on_host(end).then_some((node, why))
    }

    fn destination_is_own(&self, server: &Endpoint, destination: IpAddr) -> bool {
        match (self.topology.on_host(server), self.topology.node_of(server)) {
            (true, Some(node)) => self.topology.node_has(node, destination),
            _ => self.topology.addresses(server).contains(&destination),
        }
    }

    /// Judges the source address a server saw: it is to be the one that the client's socket had, and where that is not known
    /// (the dial failed) one of the client's own.
    fn source(
        &mut self,
        (client, server): (&Endpoint, &Endpoint),
        over: Transport,
        dialled: IpAddr,
        local: Option<IpAddr>,
        seen: IpAddr,
    ) -> Judged<'a> {
        let Some(node) = self.topology.node_of(client) else {
            return Judged::Unknown;
        };
        let from_host = self.topology.on_host(client);
        let own = match local {
            Some(local) => local == seen,
            None if from_host => {
                let held = self.topology.node_has(node, seen);
                if let Some(why) = self.topology.unread(node).filter(|_| !held) {
                    let what = format!("whether {seen} is an address of {node}");
                    self.findings.unmeasured_for(what, why);
                    return Judged::Unknown;
                }
                held
            }
            None => self.topology.has(client, seen),
        };
        if own {
            return Judged::Own;
        }
        let to_host = self.topology.on_host(server);
        if to_host && self.topology.node_has(node, seen) {
            return Judged::Masqueraded(node);
        }
        if let Some(why) = self.topology.unread(node).filter(|_| to_host) {
            // It may be the address of a tunnel or bridge of the client's node.
            if self.topology.nodes_forbidden().is_none() && self.topology.owner(seen).is_none() {
                let what = format!("whether {seen} is an address of {node}");
                self.findings.unmeasured_for(what, why);
            }
            return Judged::Unknown;
        }
        self.rewrites
            .add((client, server), over, dialled, Kind::Source { seen });
        Judged::Rewritten
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
                .unmeasured("no dial of which an end reports the source was answered");
        }
        for evidence in self.rewrites.evidence(self.topology) {
            self.findings.fail(evidence);
        }
        let masqueraded: usize = self.masqueraded.values().sum();
        let mut sentence = format!(
            "{} answered, each end saw the other's own address",
            count(self.judged.saturating_sub(masqueraded), "dial")
        );
        if masqueraded > 0 {
            let nodes: Vec<&str> = self.masqueraded.keys().copied().collect();
            sentence += &format!(
                "; {masqueraded} more from pods to nodes, which saw their own node's address (masqueraded) on {}",
                listed(&nodes, 6)
            );
        }
        self.findings.fact(sentence);
        if self.unreported > 0 {
            self.findings.fact(format!(
                "{} answered of which no end told whose address arrived",
                count(self.unreported, "dial")
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

/// What a source address is.
enum Judged<'a> {
    /// The client's.
    Own,
    /// That of the client's node, which pods may have towards nodes.
    Masqueraded(&'a str),
    Rewritten,
    /// Whose it is cannot be told.
    Unknown,
}

/// What the ends of conversations know of them, by client, server, transport and the address that was dialled.
struct Conversations<'a> {
    /// The address that the client's socket had.
    locals: BTreeMap<(&'a Endpoint, &'a Endpoint, Transport, IpAddr), IpAddr>,
    /// The source of requests that the server recorded, by the client's name.
    sources: BTreeMap<(&'a str, &'a Endpoint, Transport, IpAddr), IpAddr>,
}

impl<'a> Conversations<'a> {
    fn of(observations: &'a Observations) -> Self {
        let locals = observations.dials.iter().filter_map(|dial| {
            let DialOutcome::Answered { local, .. } = &dial.result else {
                return None;
            };
            let (over, dialled) = (dial.request.transport, dial.request.address);
            Some(((&dial.from, &dial.to, over, dialled), *local))
        });
        let received = observations.received.iter();
        let recorded =
            received.flat_map(|(server, seen)| seen.iter().flatten().map(move |r| (server, r)));
        let sources = recorded.map(|(server, request)| {
            let ReceivedRequest {
                from, destination, ..
            } = request;
            let conversation = (from.as_str(), server, request.transport, *destination);
            (conversation, request.source)
        });
        Conversations {
            locals: locals.collect(),
            sources: sources.collect(),
        }
    }

    fn local(
        &self,
        client: &Endpoint,
        server: &Endpoint,
        over: Transport,
        dialled: IpAddr,
    ) -> Option<IpAddr> {
        self.locals.get(&(client, server, over, dialled)).copied()
    }

    /// The source that the server recorded.
    fn source(&self, dial: &Dial) -> Option<IpAddr> {
        let (over, dialled) = (dial.request.transport, dial.request.address);
        let from = dial.from.to_string();
        let conversation = (from.as_str(), &dial.to, over, dialled);
        self.sources.get(&conversation).copied()
    }
}
