//! What was seen of dials that were made once more to be followed, and what that says about them.
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::cause::Found;
use crate::kernel::{AddressField, Flow};
use crate::probe::watch::{Passing, Watched, Watching};
use crate::probe::{DialOutcome, DialRequest, Facts, MtuTrial, RouteOutcome, Transfer};
use crate::reference::{Endpoint, Netns};
use crate::snapshot::Observed;

pub use crate::rule::RuleRef;

/// Dials that failed or were rewritten, followed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Following {
    /// One for each class of dials alike.
    pub followed: Vec<Followed>,
    /// Classes that were not followed, because there are too many.
    pub left_out: usize,
    /// Why nothing was followed, though something was to be.
    pub withheld: Option<String>,
    /// What joins the nodes, where that can be looked at.
    pub wire: Option<Observed<Facts>>,
}

/// A dial that is to be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Who dials.
    pub from: Endpoint,
    /// Who should answer.
    pub to: Endpoint,
    /// What is dialled.
    #[serde(flatten)]
    pub request: DialRequest,
    /// What is sent.
    #[serde(default)]
    pub burst: Burst,
}

/// What is sent while a dial is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Burst {
    /// A few dials: what always fails shows.
    #[default]
    Few,
    /// So many that what fails one time in ten shows.
    Many,
    /// A few datagrams with DF, each an IP packet of this size.
    Sized {
        /// Of the whole IP packet, bytes.
        bytes: u32,
    },
    /// A few TCP connections with data enough to fill segments, each way.
    Filled,
}

/// A dial that failed or was rewritten, made again while every namespace on its way was watched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// Which.
    #[serde(flatten)]
    pub dial: Wanted,
    /// What became of each of the burst, one attempt each.
    pub outcomes: Observed<Outcomes>,
    /// What was watched in each namespace, with what was seen there.
    pub places: Vec<Place>,
    /// What kernels on the way said about where packets of the dial go.
    pub routes: Vec<KernelRoute>,
    /// What all of that says.
    pub found: Option<FollowedTo>,
}

/// What became of the packets of a burst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcomes {
    /// Of dials.
    Dials(Vec<DialOutcome>),
    /// Of packets of one size.
    Sizes(Vec<MtuTrial>),
    /// Of data.
    Transfers(Vec<Transfer>),
}

impl Outcomes {
    /// How many were sent.
    pub fn sent(&self) -> usize {
        match self {
            Outcomes::Dials(dials) => dials.len(),
            Outcomes::Sizes(trials) => trials.len(),
            Outcomes::Transfers(transfers) => transfers.len(),
        }
    }

    /// How many of them were answered.
    pub fn answered(&self) -> usize {
        match self {
            Outcomes::Dials(dials) => {
                let answered = |dial: &&DialOutcome| matches!(dial, DialOutcome::Answered { .. });
                dials.iter().filter(answered).count()
            }
            Outcomes::Sizes(trials) => trials.iter().filter(|trial| trial.arrived).count(),
            Outcomes::Transfers(transfers) => {
                let passed = |transfer: &&Transfer| **transfer == Transfer::Passed;
                transfers.iter().filter(passed).count()
            }
        }
    }
}

/// One namespace while a dial was followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The namespace.
    pub netns: Netns,
    /// What could be watched there, or why nothing.
    pub watching: Observed<Watching>,
    /// What was seen.
    pub watched: Observed<Watched>,
}

impl Followed {
    /// What was seen in a namespace, of whatever could be watched there.
    pub fn seen_at(&self, netns: &Netns) -> Option<&Watched> {
        self.place(netns)?.watched.as_ref().ok()
    }

    /// What was seen in a namespace, where its packets were watched.
    pub fn watched(&self, netns: &Netns) -> Option<&Watched> {
        let watching = self.place(netns)?.watching.as_ref().ok()?;
        self.seen_at(netns).filter(|_| watching.packets.is_ok())
    }

    fn place(&self, netns: &Netns) -> Option<&Place> {
        self.places.iter().find(|place| place.netns == *netns)
    }
}

/// A kernel's answer about one packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelRoute {
    /// Whose kernel.
    pub netns: Netns,
    /// The packet.
    pub flow: Flow,
    /// The answer.
    pub outcome: RouteOutcome,
}

/// What following a dial came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowedTo {
    /// Where packets of it ended; nothing where all came through.
    pub fate: Option<Fate>,
    /// What was changed in packets on their way.
    pub rewrites: Vec<Rewrite>,
}

/// Where packets ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// Which packet of the conversation.
    pub leg: Leg,
    /// How many of the burst ended in this way.
    pub packets: usize,
    /// How many were sent in the burst.
    pub of: usize,
    /// Where it was last seen; nothing where it was seen nowhere.
    pub last: Option<Sight>,
    /// A namespace on its further way that was watched and did not see it.
    pub unseen_at: Option<Netns>,
    /// What ended it, where that was seen or may be concluded.
    pub cause: Option<Found>,
}

/// A device at which a packet was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// The namespace.
    pub netns: Netns,
    /// Name of the device.
    pub device: String,
    /// In which direction.
    pub passing: Passing,
    /// Inside a tunnel's packet.
    pub tunnelled: bool,
}

/// A packet of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// A UDP datagram or ICMP echo request.
    Request,
    /// The answer to it.
    Answer,
    /// The first segment of a TCP connection.
    Syn,
    /// The segment that answers it.
    SynAck,
    /// The client's first data.
    Data,
    /// The server's first data.
    DataAnswer,
}

impl Leg {
    /// Whether the server sends it.
    pub fn is_back(self) -> bool {
        matches!(self, Leg::Answer | Leg::SynAck | Leg::DataAnswer)
    }
}

/// An address that was changed on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// Of which packet.
    pub leg: Leg,
    /// Whether it is the source or the destination.
    pub field: AddressField,
    /// The address before.
    pub from: IpAddr,
    /// The address after.
    pub to: IpAddr,
    /// The namespace in which it was changed.
    pub at: Netns,
    /// The last rule that packets of the burst met there and that changes such an address, where one was seen.
    pub by: Option<RuleRef>,
}
