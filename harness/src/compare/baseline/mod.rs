//! A baseline: the facts that a cluster is to have, in a file that people review.
//!
//! [`file`](mod@file) is its form, [`selector`] says whose a fact is without naming everybody, [`write`](mod@write) makes the file of a run's facts, [`allow`] is
//! what may differ, [`judge`](mod@judge) compares a run with it, [`held`] is the file before and after a run, [`accept`](mod@accept) takes what a run found,
//! [`lines`] says where in a file a fact stands.
mod accept;
mod allow;
mod file;
mod held;
mod judge;
mod lines;
mod selector;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flatnet_model::fact::{Fact, Key, Role, Seen};

pub use accept::{Accepted, accept};
pub use allow::{Allow, within};
pub use file::{Baseline, SCHEMA};
pub use held::{Held, replace, today};
pub use judge::{Judgement, judge};
pub use lines::line_of;
pub use selector::Selector;
pub use write::render;

/// Where a run that differs from the baseline in `file` leaves what it found.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

impl Baseline {
    /// Those whom it names.
    pub fn roles(&self) -> BTreeSet<Role> {
        let entries = self.facts.values().flatten();
        let named = entries.filter_map(|entry| entry.on.named());
        named.flatten().copied().collect()
    }

    /// Its facts, of all these who are there: what is said of every node is said of each.
    pub fn facts(&self, there: &BTreeSet<Role>) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (id, entries) in &self.facts {
            for entry in entries {
                let about = entry.about.clone().unwrap_or_default();
                let other = |role: &Role| {
                    let mut others = entries.iter();
                    others.any(|other| {
                        other.about == entry.about && other.on.names(*role) && other != entry
                    })
                };
                let meant = match entry.on.named() {
                    Some(roles) => roles.to_vec(),
                    None => {
                        let all = there.iter().filter(|role| entry.on.matches(**role));
                        all.filter(|role| !other(role)).copied().collect()
                    }
                };
                facts.extend(meant.into_iter().map(|subject| Fact {
                    key: Key::new(*id, about.clone(), subject),
                    seen: Seen::Value(entry.is.clone()),
                    raw: None,
                }));
            }
        }
        facts.sort_by(|a, b| a.key.cmp(&b.key));
        facts
    }
}
