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

use flatnet_model::fact::{Key, Place, Seen};

pub use class::Class;
pub use compare::Side;
pub use model::{Change, Diff, Example, HopLine, Newcomers, SCHEMA, Uncompared};

use compare::Compared;
use example::Examples;

/// What is different in `after`, the worst first.
pub fn diff(before: &Side<'_>, after: &Side<'_>) -> Diff {
    diff_but(before, after, |_, _, _| false)
}

/// What is different in `after`, but for what is `allowed`: asked with the key, and what was seen before and after.
pub fn diff_but(
    before: &Side<'_>,
    after: &Side<'_>,
    mut allowed: impl FnMut(&Key, Option<&Seen>, Option<&Seen>) -> bool,
) -> Diff {
    let Compared {
        mut differences,
        same,
        uncompared,
        appeared,
        gone,
    } = compare::compare(before, after);
    differences.retain(|(one, _)| {
        one.noise || !allowed(&one.key, one.before.as_ref(), one.after.as_ref())
    });
    let mut changes: Vec<Change> = group::group(differences)
        .into_iter()
        .map(|group| words::change(group, before, after))
        .collect();
    changes.sort_by(|a, b| (a.class, a.id, &a.about).cmp(&(b.class, b.id, &b.about)));
    one_example_each(&mut changes, before, after);
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

/// Gives each class one example: the first whose ways differ, or the first where none does. Others would show the same again, and each
/// is a walk on both sides. `changes` are sorted by class.
fn one_example_each(changes: &mut [Change], before: &Side<'_>, after: &Side<'_>) {
    let examples = Examples::new(before, after);
    for alike in changes.chunk_by_mut(|a, b| a.class == b.class) {
        let mut first = None;
        for (at, change) in alike.iter().enumerate() {
            let Some(example) = examples.of(change) else {
                continue;
            };
            let is_telling = !example.is_same();
            if is_telling || first.is_none() {
                first = Some((at, example));
            }
            if is_telling {
                break;
            }
        }
        if let Some((at, example)) = first {
            alike[at].example = Some(example);
        }
    }
}
