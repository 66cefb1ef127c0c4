//! Conversations: what became of them, and what should have.
use std::net::IpAddr;

use flatnet_model::evidence::{Arrivals, Complaint, Mismatch, NameAnswer, Talk};
use flatnet_model::kernel::LearnedMtu;
use flatnet_model::probe::{Record, TransferCut};

use super::Words;
use super::list::{all, listed, shown};
use super::sentence::{Say, sentences};

impl Words<'_> {
    pub(super) fn talk(&self, talk: &Talk) -> String {
        sentences!(self, talk, Talk {
            AnswerOver { over } => "an answer over {over} from every address";
            PairSilent { from, to, said } => ({
                let said = said.iter().map(|(address, over, detail)| {
                    format!("{address} {}: {}", over.say(self), self.complaint(detail))
                });
                let said = all(said, ", ");
                format!("{} → {} {said}", self.names.end(from), self.names.end(to))
            });
            Arrived(arrivals) => (arrived(arrivals));
            OwnSource { client, addresses } => "the client's own address, for {client} {addresses}";
            ResponderAt { name, address } => "{name} answers at {address}";
            AnswerAt { address } => "an answer from {address}";
            Destination { addresses } => "destination {addresses}";
            Mismatched { from, to, over, mismatch } => (format!(
                "{} → {} ({}): {}",
                self.names.end(from),
                self.names.end(to),
                over.say(self),
                self.mismatch(mismatch)
            ));
            AnswersItself => "an answer from its own address";
            Itself { transport, address, said } => "{transport} {address}: {said}";
            EveryPacketAnswered => "an answer to every packet";
            SeriesLost { from, to, over, lost, sent } => "{from} → {to} ({over}): {lost} of {sent} packets lost";
            FirstAnswered => "an answer to the first packet about as soon as to those after it";
            FirstUnanswered { from, to, over, following } => "{from} → {to} ({over}): the first packet lost, the {following} after it answered";
            FirstLate { from, to, over, first_us, following_us } => (format!(
                "{} → {} ({over}): the first packet took at least {}, those after it at most {}",
                self.names.end(from),
                self.names.end(to),
                milliseconds(*first_us),
                milliseconds(*following_us)
            ));
            OneOfEach => "every packet once";
            Twice { from, to, over, copies } => (format!(
                "{} → {} ({over}): {} came again",
                self.names.end(from),
                self.names.end(to),
                super::count(*copies, "packet")
            ));
            Passes { bytes } => "{bytes} bytes pass with DF";
            Refused { bytes } => "{bytes} bytes are refused with DF";
            LargestPassed { limits, interface_mtu, said, beyond } => ({
                let each = limits.iter().map(|(bytes, between)| match limits.len() {
                    1 => format!("{bytes} bytes"),
                    _ => format!("{bytes} bytes ({})", listed(between, 1)),
                });
                let each = shown(each, 4);
                let said = said.as_ref().map(|said| format!(" ({interface_mtu} bytes: {said})"));
                let beyond = beyond.map(|mtu| format!(
                    ", a little beyond the MTU of {mtu}: veths and bridge ports leave room for a VLAN tag"
                ));
                format!(
                    "the largest that passed: {each}{}{}",
                    beyond.unwrap_or_default(),
                    said.unwrap_or_default()
                )
            });
            DataPasses { bytes } => "{bytes} bytes over TCP arrive as they were sent, each way";
            DataCut { from, to, cut } => (data_cut(&self.names.end(from), &self.names.end(to), *cut));
            PassedWhole { bytes } => "{bytes} bytes arrived in one piece";
            LearnedMtu { from, to, learned } => (learned_mtu(&self.names.end(from), *to, learned));
            CountersStay => "fragment counters stay where they were";
            Counters { node, moved } => ({
                let moved = moved.iter().map(|(name, by)| format!("{name} +{by}"));
                format!("{node}: {}", all(moved, ", "))
            });
            AnswerOfOne { backends } => (format!(
                "an answer from one of {}",
                shown(backends.iter().map(|pod| self.names.pod(pod)), 4)
            ));
            AnswerOfPod { pod, at } => ({
                let name = pod.as_ref().map(|pod| self.names.pod(pod));
                let name = name.unwrap_or_else(|| "its pod".to_owned());
                match at {
                    Some(at) => format!("an answer from {name} at {at}"),
                    None => format!("an answer from {name}"),
                }
            });
            Called { from, target, transport, said, dials } => ({
                let said = said.iter().map(|(what, times)| match dials {
                    1 => self.complaint(what),
                    _ => format!("{} ({times} of {dials})", self.complaint(what)),
                });
                let said = all(said, ", ");
                format!("{} → {target} {transport}: {said}", self.names.end(from))
            });
            Endpoints => "an EndpointSlice with the run's pods";
            NoEndpoint => "no ready endpoint";
            NamesKnown => "the address of each service (A), or no address of a family that it does not have (AAAA)";
            Asked { pod, name, record, over, answer } => (format!(
                "{} asked for {name} {} over {over}: {}",
                self.names.pod(pod),
                self::record(*record),
                name_answer(answer)
            ));
            SeenAsOwn => "an answer, to the client's own address or its node's";
            PeerSaw { client, source } => "the peer saw {client} as {source}";
            OneReadyAgent { set, node } => (match set {
                Some(set) => format!("exactly one ready pod of {set} on {node}"),
                None => "exactly one ready agent pod".to_owned(),
            });
            AgentPod { name, phase, ready } => ({
                let state = if *ready { "ready" } else { "not ready" };
                format!("{name} is {phase} and {state}")
            });
            NoAgentPod { sets, node, not_ready } => (format!(
                "no pod of {} on {node}{}",
                shown(sets, 4),
                node_says(not_ready.as_deref())
            ));
        })
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
            Complaint::SeenAs(held) => format!("seen as {}", self.held(held)),
            Complaint::SourceUnknown => "the peer does not say which address it saw".to_owned(),
        }
    }

    fn mismatch(&self, mismatch: &Mismatch) -> String {
        match mismatch {
            Mismatch::SeenAs(held) => format!("seen as {}", self.held(held)),
            Mismatch::Responder(name) => format!("{} answered", self.names.own(name)),
            Mismatch::AnswerFrom(held) => format!("answer from {}", self.held(held)),
            Mismatch::ArrivedFor(held) => format!("arrived for {}", self.held(held)),
        }
    }
}

/// `0.34 ms`.
pub(crate) fn milliseconds(us: u64) -> String {
    format!("{}.{:02} ms", us / 1000, us % 1000 / 10)
}

/// What a node that is not Ready says.
pub(super) fn node_says(not_ready: Option<&str>) -> String {
    not_ready.map_or_else(String::new, |why| format!("; the node says: {why}"))
}

fn data_cut(from: &str, to: &str, cut: TransferCut) -> String {
    let (from, to) = match cut.back {
        false => (from, to),
        true => (to, from),
    };
    let after = match (cut.altered, cut.arrived, cut.acked) {
        (true, ..) => format!("another byte came after {} that were right", cut.bytes()),
        (false, Some(bytes), _) => format!("nothing came after {bytes} bytes"),
        (false, None, Some(bytes)) => format!("nothing was acknowledged after {bytes} bytes"),
        (false, None, None) => "nothing is known to have come".to_owned(),
    };
    format!(
        "{from} → {to}, sent by the {}: {after}, the sender's MSS is {}",
        match cut.back {
            false => "client",
            true => "server",
        },
        cut.mss
    )
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

pub(super) fn learned_mtu(who: &str, to: IpAddr, learned: &LearnedMtu) -> String {
    let LearnedMtu { mtu, expires_s } = learned;
    format!("{who} has learned a path MTU of {mtu} for {to} (expires in {expires_s} s)")
}

fn record(record: Record) -> &'static str {
    match record {
        Record::A => "A",
        Record::Aaaa => "AAAA",
    }
}
