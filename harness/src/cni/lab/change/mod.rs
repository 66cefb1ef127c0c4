//! Another configuration for a lab that runs, node by node, and the record of it in the lab: whoever comes next knows how far it came,
//! and can put the first configuration back.
mod config;
mod record;
mod work;

pub use config::Config;
pub use record::{Pending, note, pending, settle, told, undo, unfinished};
pub use work::{Work, hurry};
