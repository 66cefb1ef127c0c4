//! A CNI runtime (spec 0.3.0 to 1.1.0) that runs real plugin binaries, as containerd with libcni does.
//!
//! [`Runtime`] works on a [`crate::node_root::NodeRoot`]: a node of the lab, or any root directory with the namespaces that go with it, so
//! that a plugin can be driven without a lab too. Configuration is read again for each pod; nothing is kept in memory.
mod cache;
mod conf;
mod error;
mod invoke;
mod result;
mod runtime;

pub use error::{Error, PluginError};
pub use result::AddResult;
pub use runtime::{Attachment, Runtime};
