//! The owner of addresses and links: one attachment of a container to a network (CNI spec, section 3).
use std::fmt;

use crate::validate::{ContainerId, IfName};

/// A container's interface; together with the network's name it identifies an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) container: ContainerId,
    pub(crate) ifname: IfName,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {} interface {}", self.container, self.ifname)
    }
}
