//! Several packets to one target.
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::network::Transport;

/// Answer to [`ask::Series`](super::ask::Series).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeriesResults {
    /// One per target, in the order of the targets; an error where packets cannot be sent there.
    pub results: Vec<Result<Vec<PacketFate>, String>>,
}

/// What became of one packet of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum PacketFate {
    /// An answer came, however late.
    Answered {
        /// It was away at least that long, microseconds: from when the client had sent it to when its kernel had the answer, so
        /// that time in which the client did not run is not part of it.
        at_least_us: u64,
    },
    /// TCP: connected and answered after segments had to be sent again.
    Retransmitted {
        /// How often.
        times: u32,
    },
    /// Nothing came back.
    Lost,
}

impl PacketFate {
    /// Whether the packet, or the answer to it, did not come through.
    pub fn is_lost(self) -> bool {
        !matches!(self, PacketFate::Answered { .. })
    }
}

/// Answers that came more than once, by their source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedAnswers {
    /// UDP or ICMP.
    pub transport: Transport,
    /// The address they came from.
    pub from: IpAddr,
    /// Answers that came again, at least 1.
    pub count: u32,
}
