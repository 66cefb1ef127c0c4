//! Takes what a run found into a baseline.
use std::collections::BTreeSet;
use std::path::Path;

use flatnet_model::fact::{Kind, Value};
use indexmap::IndexMap;
use jiff::civil::Date;

use super::file::Entry;
use super::write::{scalar, section};
use super::{Baseline, beside};
use crate::{Error, Result};

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The kinds of facts that were taken.
    pub facts: Vec<Kind>,
    /// Those in which the run differed and which were not asked for.
    pub left: Vec<Kind>,
    /// The text of the baseline now.
    pub text: String,
}

/// The baseline in `file` with what the run beside it found: of all facts, or of these kinds. A `reason` is noted with the day.
///
/// # Errors
/// [`Error::Input`] where there is nothing to take, or a file is not a baseline.
pub fn accept(file: &Path, only: &[Kind], reason: Option<&str>, today: Date) -> Result<Accepted> {
    let new = beside(file);
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|e| {
            Error::Input(format!(
                "{}: {e}; a run with --baseline {} that differs writes it",
                path.display(),
                file.display()
            ))
        })
    };
    let found_text = read(&new)?;
    let found = Baseline::parse(&new, &found_text)?;
    let (base_text, base) = match file.exists() {
        true => {
            let text = read(file)?;
            let base = Baseline::parse(file, &text)?;
            (text, base)
        }
        false => (found_text.clone(), Baseline::default()),
    };
    let kinds: BTreeSet<Kind> = base
        .facts
        .keys()
        .chain(found.facts.keys())
        .copied()
        .collect();
    let differ = kinds
        .into_iter()
        .filter(|kind| base.facts.get(kind) != found.facts.get(kind));
    let (facts, left): (Vec<Kind>, Vec<Kind>) =
        differ.partition(|kind| only.is_empty() || only.contains(kind));
    if facts.is_empty() {
        let ids: Vec<String> = left.iter().map(|kind| kind.id()).collect();
        return Err(Error::Input(match left.is_empty() {
            true => format!(
                "{}: nothing in it differs from {}",
                new.display(),
                file.display()
            ),
            false => format!(
                "{}: these facts do not differ; those that do: {}",
                new.display(),
                ids.join(", ")
            ),
        }));
    }
    let failures = |baseline: &Baseline| -> Vec<String> {
        let verdicts = baseline.facts.get(&Kind::Verdict).into_iter().flatten();
        let failed = verdicts.filter(|entry| entry.is == Value::from("fail"));
        failed.filter_map(|entry| entry.about.clone()).collect()
    };
    let known = failures(&base);
    let mut new = failures(&found);
    new.retain(|check| !known.contains(check));
    if facts.contains(&Kind::Verdict) && !new.is_empty() && reason.is_none() {
        return Err(Error::Input(format!(
            "{}: checks fail that do not in {}: {}; to accept a failure, say why with --reason",
            beside(file).display(),
            file.display(),
            new.join(", ")
        )));
    }
    let mut merged = base.clone();
    for kind in &facts {
        match found.facts.get(kind) {
            Some(entries) => merged.facts.insert(*kind, entries.clone()),
            None => merged.facts.shift_remove(kind),
        };
    }
    merged.facts.sort_keys();
    let mut text = with_facts(&base_text, &merged.facts);
    if let Some(reason) = reason {
        let ids: Vec<String> = facts.iter().map(|kind| kind.id()).collect();
        text = noted(
            &text,
            &format!(
                "  - {{on: {today}, facts: [{}], reason: {}}}\n",
                ids.join(", "),
                scalar(reason)
            ),
        );
    }
    Ok(Accepted { facts, left, text })
}

/// The file's text with another list of facts; everything else in it stays as people wrote it.
pub(super) fn with_facts(text: &str, facts: &IndexMap<Kind, Vec<Entry>>) -> String {
    let (before, after) = around(text, "facts");
    format!("{before}{}{after}", section(facts))
}

/// With one more line in the list of what was accepted.
fn noted(text: &str, line: &str) -> String {
    let (before, after) = around(text, "accepted");
    let there = &text[before.len()..text.len() - after.len()];
    let list = match there.trim() {
        "" | "accepted: []" => "\naccepted:\n".to_owned(),
        _ => there.trim_end().to_owned() + "\n",
    };
    format!("{before}{list}{line}{after}")
}

/// What stands before a key of the first level with all that is below it, and what stands after it; all of the text before, where
/// the key is not there.
fn around<'a>(text: &'a str, key: &str) -> (&'a str, &'a str) {
    let mut at = 0;
    let mut begins = None;
    for line in text.split_inclusive('\n') {
        let top = line.starts_with(|c: char| c.is_ascii_alphabetic());
        match begins {
            None if top && line.split(':').next() == Some(key) => begins = Some(at),
            // Comments and empty lines before the next key belong to that.
            Some(begin) if top => {
                let body = text[begin..at].trim_end_matches(['\n', ' ']);
                let comments = body.lines().rev().take_while(|line| line.starts_with('#'));
                let length: usize = comments.map(|line| line.len() + 1).sum();
                let end = begin + (body.len() + 1).saturating_sub(length).max(1);
                return (&text[..begin], &text[end.min(at)..]);
            }
            _ => {}
        }
        at += line.len();
    }
    match begins {
        Some(begin) => (&text[..begin], ""),
        None => (text, ""),
    }
}
