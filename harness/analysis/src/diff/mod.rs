//! What is different between two runs: facts of one key with other values, put together where one sentence tells them all.
//!
//! [`compare`] pairs facts, [`class`] says what a difference means, [`group`] puts alike ones together, [`example`] walks one packet on
//! both sides, [`words`] writes sentences.
mod class;
mod compare;
mod example;
mod group;
mod model;
mod words;

#[cfg(test)]
mod tests;

use flatnet_model::fact::Place;

pub use class::Class;
pub use compare::Side;
pub use model::{Change, Diff, Example, HopLine, Newcomers, SCHEMA, Uncompared};

use compare::Compared;

/// What is different in `after`, the worst first.
pub fn diff(before: &Side<'_>, after: &Side<'_>) -> Diff {
    let Compared {
        differences,
        same,
        uncompared,
        appeared,
        gone,
    } = compare::compare(before, after);
    let mut changes: Vec<Change> = group::group(differences)
        .into_iter()
        .map(|group| words::change(group, before, after))
        .collect();
    changes.sort_by(|a, b| (a.class, a.id, &a.about).cmp(&(b.class, b.id, &b.about)));
    let names = |side: &Side<'_>, places: Vec<Place>| {
        let named = places.into_iter().map(|place| side.named(place));
        named.collect::<Vec<_>>()
    };
    Diff {
        schema: SCHEMA.to_owned(),
        before: before.label.clone(),
        after: after.label.clone(),
        summary: words::summary(&changes, &same, &uncompared),
        changes,
        same: same.len(),
        uncompared: words::uncompared(uncompared, after),
        newcomers: Newcomers {
            appeared: names(after, appeared),
            gone: names(before, gone),
        },
    }
}
