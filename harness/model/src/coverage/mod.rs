//! Which pairs of ends a run dials: all of them, or so many that every pair of nodes and every pod is among them.
//!
//! All pairs grow with the square of the pods: 1,000 pods have a million, each dialled over every transport and family.
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::Endpoint;
pub use crate::covering::Covering;
use crate::observations::{ObservedNode, ObservedPod};
pub use plan::{count, pairs, widened};

/// Up to so many dials, [`Coverage::Auto`] dials every pair: about as many seconds as it takes pods to start.
pub const FULL_UP_TO: usize = 40_000;
/// Pairs of [`Coverage::Sampled`] without a number.
pub const SAMPLE: usize = 10_000;

/// How much to dial, as chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Every pair up to [`FULL_UP_TO`] dials, beyond that as [`Coverage::Nodes`].
    #[default]
    Auto,
    /// Every pair.
    Full,
    /// Every ordered pair of nodes, and every pod as client and as server.
    Nodes,
    /// So many pairs, drawn at random.
    Sampled(Option<NonZeroUsize>),
}

/// A word that names no coverage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of full, nodes, sampled, sampled=N (N pairs, at least 1), auto")]
pub struct UnknownCoverage(String);

impl FromStr for Coverage {
    type Err = UnknownCoverage;

    fn from_str(text: &str) -> Result<Self, UnknownCoverage> {
        let unknown = || UnknownCoverage(text.to_owned());
        match text.split_once('=') {
            None => match text {
                "auto" => Ok(Coverage::Auto),
                "full" => Ok(Coverage::Full),
                "nodes" => Ok(Coverage::Nodes),
                "sampled" => Ok(Coverage::Sampled(None)),
                _ => Err(unknown()),
            },
            Some(("sampled", pairs)) => {
                let pairs = pairs.parse().map_err(|_| unknown())?;
                Ok(Coverage::Sampled(Some(pairs)))
            }
            Some(_) => Err(unknown()),
        }
    }
}

impl Coverage {
    /// Decides, where every pair would take `dials` dials.
    pub fn decide(self, dials: usize, seed: u64) -> Covering {
        match self {
            Coverage::Full => Covering::Full,
            Coverage::Auto if dials <= FULL_UP_TO => Covering::Full,
            Coverage::Auto | Coverage::Nodes => Covering::Nodes { seed },
            Coverage::Sampled(pairs) => Covering::Sampled {
                seed,
                pairs: pairs.map_or(SAMPLE, NonZeroUsize::get),
            },
        }
    }
}

/// One end of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Who.
    pub endpoint: Endpoint,
    /// The node it is on, by its place among the nodes.
    pub node: usize,
    /// A node or a hostNetwork pod. Of pairs of these only two nodes are dialled: what carries the pod network.
    pub on_host: bool,
}

impl End {
    fn is_node(&self) -> bool {
        matches!(self.endpoint, Endpoint::Node(_))
    }
}

/// The ends of a cluster: running pods, then nodes. Pods of nodes that are not among `nodes` have no part.
pub fn ends(pods: &[ObservedPod], nodes: &[ObservedNode]) -> Vec<End> {
    let places: BTreeMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .map(|(place, node)| (node.object.name.as_str(), place))
        .collect();
    let running = pods.iter().filter(|pod| pod.runs());
    let pods = running.filter_map(|pod| {
        Some(End {
            endpoint: pod.endpoint(),
            node: *places.get(pod.object.node.as_str())?,
            on_host: pod.object.host_network,
        })
    });
    let nodes = nodes.iter().enumerate().map(|(place, node)| End {
        endpoint: node.endpoint(),
        node: place,
        on_host: true,
    });
    pods.chain(nodes).collect()
}
