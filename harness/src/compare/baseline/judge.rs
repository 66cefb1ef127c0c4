//! Compares a run with a baseline.
use std::collections::BTreeSet;

use flatnet_analysis::diff::{Diff, diff_but};
use flatnet_model::fact::{Fact, Role, Seen};
use jiff::civil::Date;

use super::Baseline;
use super::allow::Allow;
use crate::compare::Recorded;

/// What a run differs in from a baseline.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What is different and not allowed.
    pub diff: Diff,
    /// In words: what is different and allowed, with the reason.
    pub allowed: Vec<String>,
    /// In words: what is allowed, and does not happen any more.
    pub unused: Vec<String>,
    /// In words: what was allowed until a day that is over, and differs.
    pub over: Vec<String>,
    /// The run's facts, but for those that may differ, which are as in the baseline: what a new one would hold.
    pub facts: Vec<Fact>,
}

impl Judgement {
    /// Whether the run differs from what the baseline allows.
    pub fn differs(&self) -> bool {
        self.diff.differs()
    }
}

/// Compares a run with a baseline, called `label`; allowances count until their day.
pub fn judge(baseline: &Baseline, label: &str, run: &Recorded, today: Date) -> Judgement {
    let there: BTreeSet<Role> = run.facts().iter().map(|fact| fact.key.subject).collect();
    let expected = Recorded::of_facts(label, baseline.facts(&there));
    let mut used = vec![0usize; baseline.allow.len()];
    let mut over = BTreeSet::new();
    let mut kept: Vec<Fact> = run.facts().to_vec();
    let diff = diff_but(&expected.side(), &run.side(), |key, before, after| {
        let covers = |allow: &&Allow| allow.covers(key, after);
        let (valid, ended): (Vec<_>, Vec<_>) = (0..)
            .zip(&baseline.allow)
            .filter(|(_, allow)| covers(allow))
            .partition(|(_, allow): &(usize, &Allow)| !allow.is_over(today));
        let Some((at, _)) = valid.first() else {
            over.extend(ended.iter().map(|(at, _)| *at));
            return false;
        };
        used[*at] += 1;
        kept.retain(|fact| fact.key != *key);
        kept.extend(before.map(|seen: &Seen| Fact {
            key: key.clone(),
            seen: seen.clone(),
            raw: None,
        }));
        true
    });
    kept.sort_by(|a, b| a.key.cmp(&b.key));
    let mut judgement = Judgement {
        diff,
        allowed: Vec::new(),
        unused: Vec::new(),
        over: Vec::new(),
        facts: kept,
    };
    for (at, allow) in baseline.allow.iter().enumerate() {
        let (words, reason) = (allow.words(), &allow.reason);
        let until = allow
            .until
            .map(|until| format!(" until {until}"))
            .unwrap_or_default();
        match used[at] {
            0 if over.contains(&at) => judgement.over.push(format!(
                "{words} was allowed{until}, which is over: {reason}"
            )),
            0 => judgement.unused.push(format!(
                "{words} is allowed{until} and does not differ any more; the allowance can go: {reason}"
            )),
            1 => judgement.allowed.push(format!("1 difference in {words}{until}: {reason}")),
            n => judgement.allowed.push(format!("{n} differences in {words}{until}: {reason}")),
        }
    }
    judgement
}
