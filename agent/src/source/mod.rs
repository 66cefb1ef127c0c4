//! Sources of the node list.
use std::os::fd::BorrowedFd;

use crate::Result;
use crate::node::NodesFile;

mod file;
mod kubernetes;

pub use file::FileSource;
pub use kubernetes::{Access, KubernetesSource, Timeouts};

/// Provides the node list. A source yields complete lists, never differences, so that a missed event delays a change but
/// cannot lose it.
pub trait NodeSource {
    /// Becomes readable when [`NodeSource::changed`] is worth calling.
    fn wake(&self) -> BorrowedFd<'_>;

    /// The list, if it differs from that of the last call; never blocks.
    ///
    /// # Errors
    /// No list is available now, or it is malformed. The previous one remains valid.
    fn changed(&mut self) -> Result<Option<NodesFile>>;
}
