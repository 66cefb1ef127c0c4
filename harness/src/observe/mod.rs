//! What was observed on one cluster: plain data, gathered once, judged by every check.
mod agents;
mod calls;
pub mod control_plane;
mod exposed;
pub mod fleet;
pub mod gather;
pub mod model;
mod mtu;
mod names;
pub mod once;

pub(crate) use agents::sets as agents_of;
pub use control_plane::*;
pub(crate) use exposed::expected as expected_names;
pub use model::*;
