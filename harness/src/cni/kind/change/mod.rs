//! Another configuration for a cluster behind an API, and the record of that in the cluster: whoever comes next knows how far it came, and
//! can put the first configuration back.
mod config;
mod listing;
mod record;
mod roll;
mod undo;

pub use config::Config;
pub use listing::Marks;
pub use record::{Pending, told, unfinished};
pub use roll::Change;
pub use undo::undo;
