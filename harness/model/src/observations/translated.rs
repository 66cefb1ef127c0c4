//! What a service does for a pod, where there are no services: its node translates an address that nobody has.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Dial, Observed};

/// Dials of pods to addresses that their node translated meanwhile, as it would a service's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Translated {
    /// Whether each node could be made to translate.
    pub nodes: BTreeMap<String, Observed<()>>,
    /// With `from == to` the address leads to the pod that dials it; otherwise to another pod of its node, as a control.
    pub dials: Vec<Dial>,
}
