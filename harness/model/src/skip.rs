//! Why the question of a check does not arise.
use serde::{Deserialize, Serialize};

use crate::PodRef;

/// Why a check is skipped. The words are made in `flatnet-analysis`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
pub enum SkipReason {
    /// The cluster does not have what the check is about.
    NotAvailable {
        /// The reason that its [capability](crate::capabilities::Capability) or the gatherer gives, as a fragment.
        why: String,
    },
    /// Nothing of the control plane was gathered.
    ControlPlaneNotObserved,
    /// A right to look at nodes is missing.
    NodesForbidden {
        /// What was to be done on them.
        what: String,
        /// The server's own words: who lacks which right.
        rule: String,
    },
    /// A packet needs two pods with addresses of their own, and there are fewer.
    OnePod,
    /// No node has two ends to make a pair of.
    NoPairOnNode,
    /// All pods are on one node.
    OneNode,
    /// No pod has an address of its own.
    NoPodAddress,
    /// The CNI connects pods without a bridge.
    NoBridge,
    /// Nodes have no podCIDR.
    NoPodCidrs,
    /// Addresses of pods come from elsewhere than the nodes' podCIDRs.
    PodCidrsUnused,
    /// The resolver configuration of these pods names no cluster domain.
    NoClusterDomain {
        /// Every pod that could have been asked.
        pods: Vec<PodRef>,
    },
    /// No plugin of any node's CNI configuration asks for port mappings.
    NoPortMapping,
}

impl SkipReason {
    /// Whether the question does not arise on the cluster that was looked at; false where it does and was not asked.
    pub fn is_inapplicable(&self) -> bool {
        match self {
            SkipReason::NotAvailable { .. }
            | SkipReason::ControlPlaneNotObserved
            | SkipReason::NodesForbidden { .. } => false,
            SkipReason::OnePod
            | SkipReason::NoPairOnNode
            | SkipReason::OneNode
            | SkipReason::NoPodAddress
            | SkipReason::NoBridge
            | SkipReason::NoPodCidrs
            | SkipReason::PodCidrsUnused
            | SkipReason::NoClusterDomain { .. }
            | SkipReason::NoPortMapping => true,
        }
    }
}
