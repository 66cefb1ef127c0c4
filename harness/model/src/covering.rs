//! How much of the matrix was dialled.
use std::fmt;

use serde::{Deserialize, Serialize};

/// How much was dialled. With the same seed and the same ends, the pairs are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Covering {
    /// Every pair.
    #[default]
    Full,
    /// Every ordered pair of nodes, and every pod as client and as server.
    Nodes {
        /// Chose which pods stand for their nodes.
        seed: u64,
    },
    /// Pairs drawn at random.
    Sampled {
        /// Drew them.
        seed: u64,
        /// How many, where there are as many.
        pairs: usize,
    },
}

/// As the options say it: `full`, `nodes, seed 7`, `sampled=100, seed 7`.
impl fmt::Display for Covering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Covering::Full => f.write_str("full"),
            Covering::Nodes { seed } => write!(f, "nodes, seed {seed}"),
            Covering::Sampled { seed, pairs } => write!(f, "sampled={pairs}, seed {seed}"),
        }
    }
}
