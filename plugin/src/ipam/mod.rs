//! Addresses for pods: which there are ([`Pools`]), who has them ([`Store`]), and the next free one ([`allocate`]).
mod allocate;
#[cfg(test)]
mod crash_tests;
mod range;
mod record;
mod store;

use std::fmt;

pub(crate) use allocate::{allocate, exhausted};
pub(crate) use range::{Assigned, Pools, RawRange};
use record::Record;
pub(crate) use store::{Held, Store, Wait};

use crate::validate::{ContainerId, IfName};

/// Whose an address is: one attachment of a container to a network (CNI spec, section 3).
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
