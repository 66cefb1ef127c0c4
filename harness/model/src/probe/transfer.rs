//! TCP data that is long enough to fill segments.
use serde::{Deserialize, Serialize};

/// How much the run sends each way: some dozens of full segments, and more than the first congestion window holds (RFC 6928: ten).
pub const TRANSFER_BYTES: u32 = 65_536;

/// Answer to [`ask::Transfer`](super::ask::Transfer).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfers {
    /// One per target, in the order of the targets.
    pub transfers: Vec<Transfer>,
}

/// What became of one transfer: so many bytes to the responder, then as many back, over one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "transfer", rename_all = "kebab-case")]
pub enum Transfer {
    /// All of them arrived, each way, and were those that were sent.
    Passed,
    /// The connection and its first short messages passed, and the data did not.
    TransferCut(TransferCut),
    /// Nothing can be said of the data: no connection, an answer that is not a responder's.
    Failed {
        /// The system's words.
        detail: String,
    },
}

/// How far data came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCut {
    /// The responder's data, after all of the client's had arrived.
    pub back: bool,
    /// Other bytes arrived than were sent. Otherwise none arrived any more.
    pub altered: bool,
    /// Bytes that arrived as they were sent, counted by the end that they were for; none where it could not say so.
    pub arrived: Option<u32>,
    /// Bytes that the sender's kernel knows to have arrived (`tcpi_bytes_acked`); known of the client's data only.
    pub acked: Option<u32>,
    /// MSS of the sender (`tcpi_snd_mss`): payload of the largest segments that it sends, bytes.
    pub mss: u32,
}

impl TransferCut {
    /// Bytes that are known to have arrived.
    pub fn bytes(&self) -> u32 {
        self.arrived.or(self.acked).unwrap_or_default()
    }
}
