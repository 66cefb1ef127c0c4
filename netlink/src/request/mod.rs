//! The writes, one function a message. Every request carries the sentence that its error will begin with.
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
    /// What it does, in words.
    pub(crate) what: String,
    /// The refusal that says that there was nothing to do.
    pub(crate) moot: Option<Errno>,
}

/// What becomes of an object that is there already.
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
            moot: None,
        }
    }

    /// Takes this refusal as success: what the request asks for holds anyway.
    fn moot_on(mut self, errno: Errno) -> Self {
        self.moot = Some(errno);
        self
    }

    /// What the request does, in words: `create bridge cni0`.
    pub fn what(&self) -> &str {
        &self.what
    }
}
