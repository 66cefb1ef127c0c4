//! Checks that came out alike for one reason are one block of the report for people: a node without a probe is one trouble, and not
//! one for each check.
use flatnet_analysis::words::Words;
use flatnet_model::skip::SkipReason;
use flatnet_model::verdict::{Unmeasured, Verdict};

use super::CheckReport;

/// What stands together, in the order of the first of it.
pub(super) enum Block<'a> {
    /// A check by itself.
    One(&'a CheckReport),
    /// Checks that were skipped for one reason; at least two.
    Skipped {
        /// In words.
        reason: String,
        /// The run must not skip them.
        required: bool,
        /// Their ids.
        checks: Vec<&'a str>,
    },
    /// Checks of which nothing else than one reason keeps the verdict; at least two.
    Unmeasured {
        /// For example `the probe could not run: …`.
        why: &'a str,
        /// Their ids, and what of each could not be measured.
        checks: Vec<(&'a str, &'a [String])>,
    },
}

/// Why a check says nothing, where that may be true of others too.
#[derive(PartialEq)]
enum Reason<'a> {
    Skip(&'a SkipReason, bool),
    Unmeasured(&'a str),
}

impl<'a> Reason<'a> {
    fn of(check: &'a CheckReport) -> Option<Self> {
        match &check.verdict {
            Verdict::Skip { reason } => Some(Reason::Skip(reason, check.required)),
            Verdict::Broken { unmeasured, .. } => match &unmeasured[..] {
                [Unmeasured { why: Some(why), .. }] => Some(Reason::Unmeasured(why)),
                _ => None,
            },
            _ => None,
        }
    }
}

pub(super) fn blocks<'a>(checks: &[&'a CheckReport], words: &Words<'_>) -> Vec<Block<'a>> {
    let reasons: Vec<Option<Reason<'a>>> = checks.iter().map(|check| Reason::of(check)).collect();
    let alike = |reason: &Reason<'a>| -> Vec<&'a CheckReport> {
        let all = checks.iter().zip(&reasons);
        let alike = all.filter(|(_, other)| other.as_ref() == Some(reason));
        alike.map(|(check, _)| *check).collect()
    };
    let each = checks.iter().zip(&reasons).filter_map(|(check, reason)| {
        let Some(reason) = reason else {
            return Some(Block::One(check));
        };
        let all = alike(reason);
        match all[..] {
            [_] => Some(Block::One(check)),
            // Those that follow the first stand with it.
            [first, ..] if !std::ptr::eq(first, *check) => None,
            _ => Some(block(reason, &all, words)),
        }
    });
    each.collect()
}

fn block<'a>(reason: &Reason<'a>, checks: &[&'a CheckReport], words: &Words<'_>) -> Block<'a> {
    match reason {
        Reason::Skip(reason, required) => Block::Skipped {
            reason: words.skip(reason),
            required: *required,
            checks: checks.iter().map(|check| check.id.as_str()).collect(),
        },
        Reason::Unmeasured(why) => {
            let what = |check: &&'a CheckReport| match &check.verdict {
                Verdict::Broken { unmeasured, .. } => {
                    let what = unmeasured.first().map_or(&[][..], |one| &one.what);
                    (check.id.as_str(), what)
                }
                _ => (check.id.as_str(), &[][..]),
            };
            Block::Unmeasured {
                why,
                checks: checks.iter().map(what).collect(),
            }
        }
    }
}
