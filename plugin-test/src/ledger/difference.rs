//! What came, went and changed between two ledgers.
use serde::{Deserialize, Serialize};

use super::{Item, Ledger};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It is there now.
    Came {
        /// What.
        #[serde(flatten)]
        item: Item,
        /// What it is like.
        details: String,
    },
    /// It is not there any more.
    Went {
        /// What.
        #[serde(flatten)]
        item: Item,
        /// What it was like.
        details: String,
    },
    /// It is there still, and different.
    Changed {
        /// What.
        #[serde(flatten)]
        item: Item,
        /// What it was like.
        before: String,
        /// What it is like.
        after: String,
    },
}

/// Everything that is different, in the order of places and kinds.
pub fn difference(before: &Ledger, after: &Ledger) -> Vec<Change> {
    let mut changes = Vec::new();
    for (item, details) in &before.items {
        match after.items.get(item) {
            None => changes.push(Change::Went {
                item: item.clone(),
                details: details.clone(),
            }),
            Some(now) if now != details => changes.push(Change::Changed {
                item: item.clone(),
                before: details.clone(),
                after: now.clone(),
            }),
            Some(_) => {}
        }
    }
    for (item, details) in &after.items {
        if !before.items.contains_key(item) {
            changes.push(Change::Came {
                item: item.clone(),
                details: details.clone(),
            });
        }
    }
    changes.sort_by(|one, other| one.item().cmp(other.item()));
    changes
}

impl Change {
    /// What it is about.
    pub fn item(&self) -> &Item {
        match self {
            Change::Came { item, .. }
            | Change::Went { item, .. }
            | Change::Changed { item, .. } => item,
        }
    }
}

/// `+ node: link veth1 (veth, master cni0)`.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Item { place, kind, name } = self.item();
        let in_brackets = |text: &str| match text.is_empty() {
            true => String::new(),
            false => format!(" ({text})"),
        };
        match self {
            Change::Came { details, .. } => {
                write!(f, "+ {place}: {kind} {name}{}", in_brackets(details))
            }
            Change::Went { details, .. } => {
                write!(f, "- {place}: {kind} {name}{}", in_brackets(details))
            }
            Change::Changed { before, after, .. } => {
                let or_nothing = |text: &str| {
                    if text.is_empty() {
                        "nothing".to_owned()
                    } else {
                        text.to_owned()
                    }
                };
                write!(
                    f,
                    "~ {place}: {kind} {name}: {} → {}",
                    or_nothing(before),
                    or_nothing(after)
                )
            }
        }
    }
}
