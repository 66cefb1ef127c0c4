//! Who holds an address.
use serde::{Deserialize, Serialize};

use crate::subject::PodAt;

/// Who holds an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Owner {
    Pod(PodAt),
    Node {
        node: String,
        device: Option<String>,
    },
}
