//! Differences that one sentence tells.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::fact::Kind;

use super::class::{self, Class};
use super::compare::Difference;
use super::model::Group;
use super::words;

/// Puts together what has one kind, part, and change. Noise is one for each kind.
pub(super) fn group(differences: Vec<(Difference, usize)>) -> Vec<Group> {
    let mut groups: BTreeMap<(Class, Kind, String, String), Group> = BTreeMap::new();
    let verdicts: BTreeSet<String> = differences
        .iter()
        .filter(|(difference, _)| difference.key.id == Kind::Verdict)
        .map(|(difference, _)| difference.key.about.clone())
        .collect();
    // A verdict that changes brings what was found along.
    let told = |difference: &Difference| {
        let key = &difference.key;
        key.id == Kind::Finding && verdicts.contains(&key.about)
    };
    for (difference, of) in differences.into_iter().filter(|(one, _)| !told(one)) {
        let Difference {
            key,
            before,
            after,
            noise,
        } = difference;
        let class = match noise {
            true => Class::Noise,
            false => class::of(key.id, before.as_ref(), after.as_ref()),
        };
        let change = match noise {
            true => String::new(),
            false => words::from_to(key.id, before.as_ref(), after.as_ref()),
        };
        let by = (class, key.id, key.about.clone(), change);
        let group = groups.entry(by).or_insert(Group {
            class,
            id: key.id,
            about: key.about,
            before,
            after,
            subjects: Vec::new(),
            of,
        });
        group.subjects.push(key.subject);
    }
    groups.into_values().collect()
}
