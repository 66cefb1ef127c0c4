//! What of a probe is in a frame. Whatever does not parse, or is of others, is nothing.
//!
//! The socket may hand out only the start of a frame: lengths are those that headers say.
mod arp;
mod bytes;
pub(super) mod ethertype;
mod icmp;
mod ip;
mod parser;
#[cfg(test)]
mod tests;
mod traced;
mod transport;
mod wanted;

pub(super) use parser::{Begins, in_frame};
pub(super) use traced::traced;
pub(super) use wanted::Wanted;
