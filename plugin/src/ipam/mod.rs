//! IP address management: the ranges ([`Pools`]), the reservations ([`Store`]), and the next free address ([`allocate`]).
mod allocate;
#[cfg(test)]
mod crash_tests;
mod files;
#[cfg(test)]
mod foreign_tests;
mod hint;
mod range;
mod record;
mod store;

pub(crate) use allocate::{allocate, exhausted};
pub(crate) use range::{Assigned, Pools, RawRange};
use record::Record;
pub(crate) use store::{Held, Store, Wait};

/// [`allocate`] on a node where nothing has an address yet.
#[cfg(test)]
fn allocate_alone(
    store: &Store,
    owner: &crate::owner::Owner,
    pools: &Pools,
) -> crate::error::Result<allocate::Allocation> {
    allocate(store, owner, pools, || Ok(std::collections::HashSet::new()))
}
