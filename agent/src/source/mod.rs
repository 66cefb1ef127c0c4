//! Where the node list comes from.
use std::os::fd::BorrowedFd;

use crate::Result;
use crate::node::NodesFile;

mod file;
mod kubernetes;

pub use file::FileSource;
pub use kubernetes::{Access, KubernetesSource, Patience};

/// Tells what nodes there are. It yields whole lists, never differences: what the cluster should be, so that a missed
/// event costs time and not truth.
pub trait NodeSource {
    /// Becomes readable when [`NodeSource::changed`] is worth calling.
    fn wake(&self) -> BorrowedFd<'_>;

    /// The list, if it is another than at the last call; never blocks.
    ///
    /// # Errors
    /// There is no list to be had now, or it is malformed. The one before still holds.
    fn changed(&mut self) -> Result<Option<NodesFile>>;
}
