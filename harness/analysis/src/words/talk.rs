//! Conversations: what became of them, and what should have.
use std::net::IpAddr;

use flatnet_model::evidence::{Arrivals, Complaint, Mismatch, NameAnswer, Talk};
use flatnet_model::probe::Record;

use super::Words;
use super::list::{all, listed, shown, transports};

impl Words<'_> {
    pub(super) fn talk(&self, talk: &Talk) -> String {
        match talk {
            Talk::AnswerOver { over } => format!(
                "an answer over {} from every address",
                transports(over.iter().copied())
            ),
            Talk::PairSilent { from, to, said } => {
                let said = said.iter().map(|(address, over, detail)| {
                    format!("{address} {}: {detail}", transports(over.iter().copied()))
                });
                format!(
                    "{} → {} {}",
                    self.names.end(from),
                    self.names.end(to),
                    all(said, ", ")
                )
            }
            Talk::Arrived(arrivals) => arrived(arrivals),
            Talk::OwnSource { client, addresses } => format!(
                "the client's own address, for {} {}",
                self.names.end(client),
                all(addresses, " or ")
            ),
            Talk::ResponderAt { name, address } => {
                format!("{} answers at {address}", self.names.end(name))
            }
            Talk::AnswerAt { address } => format!("an answer from {address}"),
            Talk::Destination { addresses } => format!("destination {}", all(addresses, " or ")),
            Talk::Mismatched {
                from,
                to,
                over,
                mismatch,
            } => format!(
                "{} → {} ({}): {}",
                self.names.end(from),
                self.names.end(to),
                transports(over.iter().copied()),
                self.mismatch(mismatch)
            ),
            Talk::AnswersItself => "an answer from its own address".to_owned(),
            Talk::Itself {
                transport: over,
                address,
                said,
            } => format!("{} {address}: {said}", over),
            Talk::Passes { bytes } => format!("{bytes} bytes pass with DF"),
            Talk::Refused { bytes } => format!("{bytes} bytes are refused with DF"),
            Talk::LargestPassed {
                limits,
                interface_mtu,
                said,
            } => {
                let each = limits.iter().map(|(bytes, between)| match limits.len() {
                    1 => format!("{bytes} bytes"),
                    _ => format!("{bytes} bytes ({})", listed(between, 4)),
                });
                let said = said.as_ref().map(|said| format!(" ({interface_mtu} bytes: {said})"));
                format!(
                    "the largest that passed: {}{}",
                    listed(&Vec::from_iter(each), 4),
                    said.unwrap_or_default()
                )
            }
            Talk::PassedWhole { bytes } => format!("{bytes} bytes arrived in one piece"),
            Talk::CountersStay => "fragment counters stay where they were".to_owned(),
            Talk::Counters { node, moved } => {
                let moved = moved.iter().map(|(name, by)| format!("{name} +{by}"));
                format!("{node}: {}", all(moved, ", "))
            }
            Talk::AnswerOfOne { backends } => {
                let names = backends.iter().map(|pod| self.names.pod(pod));
                format!("an answer from one of {}", shown(names, 4))
            }
            Talk::AnswerOfPod { pod, at } => {
                let name = pod.as_ref().map(|pod| self.names.pod(pod));
                let name = name.unwrap_or_else(|| "its pod".to_owned());
                match at {
                    Some(at) => format!("an answer from {name} at {at}"),
                    None => format!("an answer from {name}"),
                }
            }
            Talk::Called {
                from,
                target,
                transport: over,
                said,
                dials,
            } => {
                let said = said.iter().map(|(what, times)| match dials {
                    1 => self.complaint(what),
                    _ => format!("{} ({times} of {dials})", self.complaint(what)),
                });
                let from = self.names.end(from);
                format!("{from} → {target} {}: {}", over, all(said, ", "))
            }
            Talk::Endpoints => "an EndpointSlice with the run's pods".to_owned(),
            Talk::NoEndpoint => "no ready endpoint".to_owned(),
            Talk::NamesKnown => {
                "the address of each service (A), or no address of a family that it does not have (AAAA)"
                    .to_owned()
            }
            Talk::Asked {
                pod,
                name,
                record: of,
                over,
                answer,
            } => format!(
                "{} asked for {name} {} over {}: {}",
                self.names.pod(pod),
                record(*of),
                over,
                name_answer(answer)
            ),
            Talk::SeenAsOwn => "an answer, to the client's own address or its node's".to_owned(),
            Talk::PeerSaw {
                client,
                address,
                owner,
            } => format!(
                "the peer saw {} as {}",
                self.names.end(client),
                self.held(address, owner.as_ref())
            ),
            Talk::OneReadyAgent { set, node } => match set {
                Some(set) => format!("exactly one ready pod of {set} on {node}"),
                None => "exactly one ready agent pod".to_owned(),
            },
            Talk::AgentPod { name, phase, ready } => {
                let state = if *ready { "ready" } else { "not ready" };
                format!("{name} is {phase} and {state}")
            }
            Talk::NoAgentPod {
                sets,
                node,
                not_ready,
            } => {
                let says = not_ready
                    .as_ref()
                    .map(|why| format!("; the node says: {why}"));
                format!(
                    "no pod of {} on {node}{}",
                    shown(sets, 4),
                    says.unwrap_or_default()
                )
            }
        }
    }

    fn complaint(&self, complaint: &Complaint) -> String {
        match complaint {
            Complaint::Said(text) => text.clone(),
            Complaint::AnsweredBy {
                responder,
                no_backend,
            } => {
                let who = responder.as_ref().map(|name| self.names.own(name));
                let who = who.unwrap_or_else(|| "an unknown responder".to_owned());
                let what = if *no_backend {
                    ", which is not a backend"
                } else {
                    ""
                };
                format!("answered by {who}{what}")
            }
            Complaint::SeenAs { address, owner } => {
                format!("seen as {}", self.held(address, owner.as_ref()))
            }
            Complaint::SourceUnknown => "the peer does not say which address it saw".to_owned(),
        }
    }

    fn mismatch(&self, mismatch: &Mismatch) -> String {
        match mismatch {
            Mismatch::SeenAs { address, owner } => {
                format!("seen as {}", self.held(address, owner.as_ref()))
            }
            Mismatch::Responder(name) => format!("{} answered", self.names.own(name)),
            Mismatch::AnswerFrom { address, owner } => {
                format!("answer from {}", self.held(address, owner.as_ref()))
            }
            Mismatch::ArrivedFor { address, owner } => {
                format!("arrived for {}", self.held(address, owner.as_ref()))
            }
        }
    }
}

fn arrived(of: &Arrivals) -> String {
    let Arrivals {
        from,
        to,
        arrived,
        known,
    } = of;
    let (requests, at) = if from == to {
        (format!("requests within {from}"), String::new())
    } else {
        (format!("requests from {from}"), format!(" at {to}"))
    };
    match arrived {
        0 => format!("{requests} do not arrive{at}"),
        _ if arrived == known => format!("{requests} arrive{at}, answers do not come back"),
        _ => format!("{arrived} of {known} {requests} arrive{at}, answers do not come back"),
    }
}

fn name_answer(answer: &NameAnswer) -> String {
    let list = |addresses: &[IpAddr]| match addresses.is_empty() {
        true => "no address".to_owned(),
        false => all(addresses, ", "),
    };
    match answer {
        NameAnswer::Nothing(text) | NameAnswer::Code(text) => text.clone(),
        NameAnswer::Addresses { answered, expected } => {
            format!("{}, expected {}", list(answered), list(expected))
        }
    }
}

fn record(record: Record) -> &'static str {
    match record {
        Record::A => "A",
        Record::Aaaa => "AAAA",
    }
}
