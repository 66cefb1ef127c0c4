//! Compares a row's run with what is expected of it.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_analysis::words::Words;
use flatnet_model::fact::{Fact, Key, Kind, Role, Seen};
use flatnet_model::verdict::Verdict;

use super::file::{CheckId, Expect, ExpectedFact, Wanted};
use crate::compare::baseline::within;
use crate::report::CheckReport;
use crate::report::sweep::Miss;

/// What a run was observed to be.
pub(super) struct Run<'a> {
    pub(super) checks: &'a [CheckReport],
    pub(super) facts: &'a [Fact],
    pub(super) words: &'a Words<'a>,
}

/// Everything in which a run is not as expected. Later blocks win where two name one check.
pub(super) fn misses(run: &Run<'_>, blocks: &[Expect]) -> Vec<Miss> {
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    for (CheckId(id), want) in blocks.iter().flat_map(|block| &block.checks) {
        wanted.insert(id, *want);
    }
    let checks = run.checks.iter();
    let mut misses: Vec<Miss> = checks
        .filter_map(|check| of_check(check, wanted.get(check.id.as_str()).copied(), run.words))
        .collect();
    let judged: BTreeSet<&str> = run.checks.iter().map(|check| check.id.as_str()).collect();
    for (id, want) in &wanted {
        if !judged.contains(id) {
            let expected = format!("check {id}: {}", want.word());
            misses.push(Miss::new(expected, "it is not among the checks of the row"));
        }
    }
    let facts = blocks.iter().flat_map(|block| &block.facts);
    for (kind, entries) in facts {
        misses.extend(of_facts(*kind, entries, run.facts));
    }
    misses
}

fn of_check(check: &CheckReport, wanted: Option<Wanted>, words: &Words<'_>) -> Option<Miss> {
    let holds = match (wanted, &check.verdict) {
        (Some(Wanted::Any), _) => true,
        (None | Some(Wanted::Pass), Verdict::Pass { .. } | Verdict::Report { .. }) => true,
        (None, Verdict::Skip { .. }) => !check.required,
        (Some(Wanted::Skip), Verdict::Skip { .. }) => true,
        (Some(Wanted::Fail), Verdict::Fail { .. }) => true,
        _ => false,
    };
    if holds {
        return None;
    }
    let word = wanted.unwrap_or(Wanted::Pass).word();
    let mut miss = Miss::new(
        format!("check {}: {word}", check.id),
        format!("{}: {}", check.verdict.name(), said(&check.verdict, words)),
    );
    miss.measured = !matches!(check.verdict, Verdict::Broken { .. });
    Some(miss)
}

fn said(verdict: &Verdict, words: &Words<'_>) -> String {
    match words.verdict(verdict) {
        Verdict::Pass { facts } | Verdict::Report { facts } => facts.join("; "),
        Verdict::Skip { reason } => reason,
        Verdict::Broken { error, .. } => error,
        Verdict::Fail { evidence } => {
            let more = evidence.len().saturating_sub(1);
            let first = evidence.into_iter().next().map(|first| match first.cause {
                Some(cause) => format!("{}; {cause}", first.what),
                None => first.what,
            });
            let first = first.unwrap_or_default();
            match more {
                0 => first,
                more => format!("{first} (and {more} more)"),
            }
        }
    }
}

/// Of one kind: who is named has a fact of their own, and is not meant by "every".
fn of_facts(kind: Kind, entries: &[ExpectedFact], facts: &[Fact]) -> Vec<Miss> {
    let there: BTreeSet<Role> = facts.iter().map(|fact| fact.key.subject).collect();
    let mut misses = Vec::new();
    for entry in entries {
        let about = entry.about.clone().unwrap_or_default();
        let others = entries
            .iter()
            .filter(|other| other.about == entry.about && *other != entry);
        let others: Vec<_> = others.collect();
        let meant: Vec<Role> = there
            .iter()
            .copied()
            .filter(|role| entry.on.matches(*role))
            .filter(|role| entry.on.names(*role) || !others.iter().any(|o| o.on.names(*role)))
            .collect();
        let what = format!("{} on {}: {}", kind.label(&about), entry.on, entry.words());
        if meant.is_empty() {
            misses.push(Miss::new(what, "nobody of them is there"));
            continue;
        }
        let mut differ: Vec<(Role, String, bool)> = Vec::new();
        for role in meant {
            let key = Key::new(kind, about.clone(), role);
            let seen = facts.iter().find(|fact| fact.key == key);
            match seen.map(|fact| &fact.seen) {
                Some(Seen::Value(value)) if entry.takes(value) => {}
                Some(seen @ Seen::Value(_)) => differ.push((role, seen.to_string(), true)),
                Some(seen @ Seen::Unread(_)) => differ.push((role, seen.to_string(), false)),
                None => differ.push((role, "not there".to_owned(), true)),
            }
        }
        // What could not be observed says nothing, unless somebody else contradicts already.
        let measured = differ.iter().any(|(_, _, measured)| *measured);
        let more = differ.len().saturating_sub(1);
        if let Some((role, seen, _)) = differ.into_iter().find(|(_, _, m)| *m == measured) {
            let more = match more {
                0 => String::new(),
                more => format!(" (and {more} more that differ)"),
            };
            let mut miss = Miss::new(what, format!("{role}: {seen}{more}"));
            miss.measured = measured;
            misses.push(miss);
        }
    }
    misses
}

impl ExpectedFact {
    fn takes(&self, value: &flatnet_model::fact::Value) -> bool {
        self.is.as_ref().is_none_or(|is| is == value) && within(Some(value), self.min, self.max)
    }

    /// `1450`, `1400 to 1500`.
    fn words(&self) -> String {
        match (&self.is, self.min, self.max) {
            (Some(value), None, None) => value.to_string(),
            (_, Some(min), Some(max)) => format!("{min} to {max}"),
            (_, Some(min), None) => format!("{min} or more"),
            (_, None, Some(max)) => format!("{max} or less"),
            (None, None, None) => "any value".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use flatnet_model::fact::Place;
    use flatnet_model::fact::Value;

    use super::*;

    fn facts() -> Vec<Fact> {
        let fact = |pod: u32, mtu: i64| Fact {
            key: Key::new(Kind::DeviceMtu, "eth0", Place::Pod { node: 1, pod }),
            seen: Seen::Value(Value::Number(mtu)),
            raw: None,
        };
        vec![fact(1, 1450), fact(2, 1400)]
    }

    #[track_caller]
    fn seen(entries: &str) -> Vec<String> {
        let entries: Vec<ExpectedFact> = serde_yaml::from_str(entries).unwrap();
        let misses = of_facts(Kind::DeviceMtu, &entries, &facts());
        misses
            .into_iter()
            .map(|miss| format!("{}; {}", miss.expected, miss.seen))
            .collect()
    }

    #[test]
    fn facts_are_of_everybody_but_those_who_are_named() {
        let none: [&str; 0] = [];
        assert_eq!(
            seen("[{about: eth0, on: every pod, min: 1400, max: 1450}]"),
            none
        );
        assert_eq!(
            seen(
                "[{about: eth0, on: every pod, is: 1450}, {about: eth0, on: node1/pod2, is: 1400}]"
            ),
            none
        );
        assert_eq!(
            seen("[{about: eth0, on: every pod, is: 1450}]"),
            ["MTU of eth0 on every pod: 1450; node1/pod2: 1400"]
        );
        assert_eq!(
            seen("[{about: eth1, on: every pod, max: 9}]"),
            ["MTU of eth1 on every pod: 9 or less; node1/pod1: not there (and 1 more that differ)"]
        );
        assert_eq!(
            seen("[{about: eth0, on: every node, is: 1}]"),
            ["MTU of eth0 on every node: 1; nobody of them is there"]
        );
    }
}
