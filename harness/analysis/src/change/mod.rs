//! A configuration change, judged: how far it has come, what the first configuration left, which pairs reach each other. Pure
//! functions; what is wanted is read from a cluster that was made with the new configuration, or from what the configuration says.
mod items;
mod pairs;
mod properties;
mod stated;

pub use items::{Items, leftovers};
pub use pairs::pairs;
pub use properties::{Properties, arrived, of_node, of_pod};
pub use stated::{InUse, Stated, in_use};
