//! The bench: each clause in namespaces of its own, as many at a time as the machine allows.
mod bed;
mod calls;
mod host;
mod inside;
mod journal;
mod kernel;
mod scope;

pub(crate) use bed::{Added, Bed, Pod, Stop};
pub use host::{Bench, Job, Row};
pub use inside::ARGUMENT;
pub use inside::main;
pub(crate) use kernel::Network;
