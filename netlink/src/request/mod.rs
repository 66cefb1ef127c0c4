//! The writes, one function per message. Every request carries the text that its error message begins with.
mod address;
mod link;
mod neighbour;
mod route;

pub use link::{Veth, Vxlan};
pub use route::NewRoute;

use nix::errno::Errno;

use crate::uapi::nlm;
use crate::wire::Message;

/// One rtnetlink write, ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) message: Message,
    /// What the request does, for error messages: `create bridge cni0`.
    pub(crate) what: String,
    /// An errno that counts as success.
    pub(crate) tolerated: Option<Errno>,
}

/// What to do if the object exists already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Refuse,
    Replace,
}

impl Existing {
    fn flags(self) -> u16 {
        match self {
            Existing::Refuse => nlm::CREATE | nlm::EXCL,
            Existing::Replace => nlm::CREATE | nlm::REPLACE,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Existing::Refuse => "add",
            Existing::Replace => "replace",
        }
    }
}

impl Request {
    fn new(
        what: String,
        kind: u16,
        flags: u16,
        family_header: &[u8],
        fill: impl FnOnce(&mut Message),
    ) -> Self {
        let mut message = Message::new(kind, flags | nlm::ACK, family_header);
        fill(&mut message);
        Request {
            message,
            what,
            tolerated: None,
        }
    }

    /// Treats this errno as success, because it means that the requested state holds anyway.
    fn tolerate(mut self, errno: Errno) -> Self {
        self.tolerated = Some(errno);
        self
    }

    /// What the request does, in words: `create bridge cni0`.
    pub fn what(&self) -> &str {
        &self.what
    }
}
