//! What is measured between pods, told of their nodes: what most pairs of two nodes have in common, and each pair that differs.
use std::collections::BTreeMap;

use flatnet_model::fact::{Kind, Place, Value};

use super::collect::Collected;

/// What it is about, and the nodes of both ends.
type Ends = (String, Place, Place);

/// Values by pair, with what was seen.
type Measured = BTreeMap<(Place, Place), (Value, Option<String>)>;

/// Values of ordered pairs, by the nodes of their ends.
pub(super) struct Spread {
    kind: Kind,
    pairs: BTreeMap<Ends, Measured>,
}

impl Spread {
    pub(super) fn of(kind: Kind) -> Self {
        Spread {
            kind,
            pairs: BTreeMap::new(),
        }
    }

    /// What was measured from one to another; nothing for ends that are on no node.
    pub(super) fn add(
        &mut self,
        about: &str,
        (from, to): (Place, Place),
        value: Value,
        raw: Option<String>,
    ) {
        let (Some(a), Some(b)) = (from.node(), to.node()) else {
            return;
        };
        let nodes = (about.to_owned(), Place::Node(a), Place::Node(b));
        let pairs = self.pairs.entry(nodes).or_default();
        pairs.insert((from, to), (value, raw));
    }

    pub(super) fn facts(self, facts: &mut Collected) {
        for ((about, from, to), pairs) in self.pairs {
            let mut counts: BTreeMap<&Value, usize> = BTreeMap::new();
            for (value, _) in pairs.values() {
                *counts.entry(value).or_default() += 1;
            }
            // Of several that are as frequent the first: any choice would do that is the same in every run.
            let most = counts.iter().rev().max_by_key(|(_, count)| **count);
            let Some(most) = most.map(|(value, _)| (*value).clone()) else {
                continue;
            };
            for (pair, (value, raw)) in &pairs {
                if *value != most {
                    facts.add(
                        (self.kind, about.as_str()),
                        *pair,
                        value.clone(),
                        raw.clone(),
                    );
                }
            }
            facts.add((self.kind, about.as_str()), (from, to), most, None);
        }
    }
}
