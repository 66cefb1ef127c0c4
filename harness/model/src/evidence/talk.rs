//! States of conversations: between pods and nodes, of those who use a cluster, with what is outside.
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Owner;
use crate::PodRef;
use crate::kernel::LearnedMtu;
use crate::network::{Protocol, Transport};
use crate::probe::{Record, TransferCut};
use crate::reference::Endpoint;

/// Failed requests from one node to another: how many are known to have arrived, of how many that could be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Arrivals {
    pub from: String,
    pub to: String,
    pub arrived: usize,
    pub known: usize,
}

/// An address, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// The address as it was seen in a conversation or on an interface.
    pub address: IpAddr,
    /// The pod or node that holds it; none where no interface that was looked at does.
    pub owner: Option<Owner>,
    /// Nodes whose interfaces could not be looked at, where no owner is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// How a conversation was not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// The server saw this source.
    SeenAs(HeldAddress),
    /// This one answered, in its own words.
    Responder(String),
    /// The answer came from this address.
    AnswerFrom(HeldAddress),
    /// The request arrived for this address.
    ArrivedFor(HeldAddress),
}

/// What is wrong with a dial that a cluster's user would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Complaint {
    /// It failed, in the system's words.
    Said(String),
    /// Somebody else answered.
    AnsweredBy {
        /// In its own words.
        responder: Option<String>,
        /// A service was dialled, and this is not one of its backends.
        no_backend: bool,
    },
    /// The far end saw an address that is neither the client's nor its node's.
    SeenAs(HeldAddress),
    /// The far end does not say what it saw.
    SourceUnknown,
}

/// What a nameserver answered instead of the addresses that the API has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameAnswer {
    /// Nothing, in the system's words.
    Nothing(String),
    /// This response code.
    Code(String),
    /// These addresses.
    Addresses {
        /// What it answered, sorted.
        answered: Vec<IpAddr>,
        /// What the API has.
        expected: Vec<IpAddr>,
    },
}

/// What became of conversations, or should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum Talk {
    AnswerOver {
        over: BTreeSet<Transport>,
    },
    PairSilent {
        from: Endpoint,
        to: Endpoint,
        said: Vec<(IpAddr, BTreeSet<Transport>, Complaint)>,
    },
    Arrived(Arrivals),
    OwnSource {
        client: Endpoint,
        addresses: Vec<IpAddr>,
    },
    ResponderAt {
        name: Endpoint,
        address: IpAddr,
    },
    AnswerAt {
        address: IpAddr,
    },
    Destination {
        addresses: Vec<IpAddr>,
    },
    Mismatched {
        from: Endpoint,
        to: Endpoint,
        over: BTreeSet<Transport>,
        mismatch: Mismatch,
    },
    AnswersItself,
    Itself {
        transport: Transport,
        address: IpAddr,
        said: String,
    },

    // Packets sent one after the other.
    EveryPacketAnswered,
    SeriesLost {
        from: Endpoint,
        to: Endpoint,
        over: Transport,
        lost: usize,
        sent: usize,
    },
    FirstAnswered,
    FirstUnanswered {
        from: Endpoint,
        to: Endpoint,
        over: Transport,
        /// Packets after it, all answered.
        following: usize,
    },
    FirstLate {
        from: Endpoint,
        to: Endpoint,
        over: Transport,
        first_us: u64,
        /// The slowest of those after it.
        following_us: u64,
    },
    OneOfEach,
    Twice {
        from: Endpoint,
        to: Endpoint,
        over: Transport,
        /// Packets that came again.
        copies: usize,
    },

    // Sizes.
    Passes {
        bytes: u32,
    },
    Refused {
        bytes: u32,
    },
    LargestPassed {
        limits: Vec<(u32, Vec<String>)>,
        interface_mtu: u32,
        said: Option<String>,
        /// The MTU of the device that is the cause, where a little more than that passed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beyond: Option<u32>,
    },
    DataPasses {
        bytes: u32,
    },
    DataCut {
        from: Endpoint,
        to: Endpoint,
        #[serde(flatten)]
        cut: TransferCut,
    },
    PassedWhole {
        bytes: u32,
    },
    LearnedMtu {
        from: Endpoint,
        to: IpAddr,
        learned: LearnedMtu,
    },
    CountersStay,
    Counters {
        node: String,
        moved: Vec<(String, u64)>,
    },

    // What those who use a cluster see.
    AnswerOfOne {
        backends: Vec<PodRef>,
    },
    AnswerOfPod {
        pod: Option<PodRef>,
        at: Option<String>,
    },
    Called {
        from: Endpoint,
        target: String,
        transport: Transport,
        said: Vec<(Complaint, usize)>,
        dials: usize,
    },
    Endpoints,
    NoEndpoint,
    NamesKnown,
    Asked {
        pod: PodRef,
        name: String,
        record: Record,
        over: Protocol,
        answer: NameAnswer,
    },
    SeenAsOwn,
    PeerSaw {
        client: Endpoint,
        #[serde(flatten)]
        source: HeldAddress,
    },
    OneReadyAgent {
        set: Option<String>,
        node: String,
    },
    AgentPod {
        name: String,
        phase: String,
        ready: bool,
    },
    NoAgentPod {
        sets: Vec<String>,
        node: String,
        not_ready: Option<String>,
    },
}
