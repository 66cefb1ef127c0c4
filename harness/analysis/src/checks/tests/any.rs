//! Whatever combination of dials fails, the verdict follows and every red pair is blamed on someone exactly once.
use std::collections::BTreeSet;

use flatnet_model::probe::{DialOutcome, Failure};
use proptest::prelude::*;

use super::*;
use crate::example::build::{Cluster, Style};

/// The count in `…: 3 of 12 pairs …`.
fn red_pairs(evidence: &Text) -> usize {
    let (before, _) = evidence.what.split_once(" pairs").unwrap();
    let (_, counts) = before.rsplit_once(": ").unwrap();
    counts.split_once(" of ").unwrap().0.parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_red_pair_is_explained_once(
        nodes in 1_u8..5,
        pods_per_node in 1_u8..4,
        // One in so many dials fails.
        rarity in 1_u64..40,
        seed in any::<u64>(),
    ) {
        let mut o = Cluster { style: Style::Vxlan, nodes, pods_per_node, dual: false }.observe();
        let mut state = seed | 1;
        for dial in &mut o.dials {
            // xorshift64 (Marsaglia 2003): a fixed sequence for each seed.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(rarity) {
                dial.result = DialOutcome::Failed { kind: Failure::TimedOut, detail: "no answer".to_owned(), attempts: 2 };
            }
        }
        for id in ["same-node", "cross-node"] {
            let red: BTreeSet<(&Endpoint, &Endpoint)> = crate::checks::outcomes(&o)
                .into_iter()
                .filter(|pair| !pair.answered && (pair.from_node == pair.to_node) == (id == "same-node"))
                .map(|pair| (pair.from, pair.to))
                .collect();
            match judge(id, &o) {
                Verdict::Fail { .. } => prop_assert_eq!(evidence(id, &o).iter().map(red_pairs).sum::<usize>(), red.len()),
                _ => prop_assert!(red.is_empty()),
            }
        }
    }
}
