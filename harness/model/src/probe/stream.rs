//! Numbers that go to another probe and back at a steady pace for as long as something is changed: what the network did meanwhile.
use serde::{Deserialize, Serialize};

use super::DialRequest;

/// Answer to [`ask::StreamsOpen`](super::ask::StreamsOpen): one per stream, in their order; an error where a stream could not be opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamsOpened {
    /// Whether each is open: a TCP connection is established, a UDP socket exists.
    pub opened: Vec<Result<(), String>>,
}

/// Answer to [`ask::Streams`](super::ask::Streams) and [`ask::StreamsEnd`](super::ask::StreamsEnd).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamReports {
    /// One per stream that was opened, in their order.
    pub streams: Vec<StreamReport>,
}

/// What became of one stream. Times are microseconds of the wall clock since 1970, which all probes of one machine share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// Where the numbers went.
    #[serde(flatten)]
    pub request: DialRequest,
    /// When the first number was sent; 0 where none was.
    pub began_us: u64,
    /// Numbers that were sent.
    pub sent: u64,
    /// Numbers that came back, each counted once.
    pub answered: u64,
    /// UDP: numbers that the other end did not have within [`StreamReport::LATE_US`].
    pub lost_going: u64,
    /// UDP: numbers that the other end had, and whose answers were lost.
    pub lost_coming: u64,
    /// Answers that came more than once.
    pub duplicates: u64,
    /// Answers that came after the answer to a later number.
    pub reordered: u64,
    /// TCP segments that this end sent again (TCP_INFO).
    pub retransmits: u32,
    /// Times without an answer that were long or in which numbers were lost, in order; at most [`StreamReport::MOST_CUTS`].
    pub cuts: Vec<Cut>,
    /// Such times beyond those.
    pub more_cuts: u64,
    /// The longest that the network had one number: from sending it to its answer, without what the probes at both ends took.
    pub slowest: Option<Slowest>,
    /// The last words of the kernel where it refused to send a number.
    pub refused: Option<String>,
    /// How a TCP connection ended before it was to.
    pub ended: Option<StreamEnd>,
}

impl StreamReport {
    /// A number without an answer for that long is lost, where no transport sends it again.
    pub const LATE_US: u64 = 2_000_000;
    /// Cuts that a report lists.
    pub const MOST_CUTS: usize = 32;

    /// Numbers that never came back.
    pub fn lost(&self) -> u64 {
        self.lost_going + self.lost_coming
    }
}

/// A time in which the network did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// When the first number concerned was sent.
    pub from_us: u64,
    /// How long: until an answer came or, of lost numbers, until one was sent that did come back.
    pub us: u64,
    /// Numbers lost in it; 0 where all came back, later.
    pub lost: u64,
}

/// The number that the network had for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slowest {
    /// When it was sent.
    pub from_us: u64,
    /// How long the network had it.
    pub us: u64,
}

/// The end of a TCP connection that was to last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// When.
    pub at_us: u64,
    /// How: `connection reset by peer`, `closed by the other end`, `connection timed out`, ….
    pub how: String,
}
