//! Writes baselines: one line for each fact, of all who have it.
use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use flatnet_model::fact::{Fact, Kind, Role, Seen, Value};

use super::file::{Entry, SCHEMA};
use super::selector::Selector;

/// How a new baseline begins.
const ABOUT: &str = "# What `flatnet test --baseline` compares a run with. Review changes of it as those of code; `flatnet baseline accept` makes them.\n\
# Facts: docs/facts.md. Comments in the list of facts are lost when a new one is accepted, others stay.\n";

/// A whole file, of these facts. `made` says what they were observed on.
pub fn render(made: &str, facts: &[Fact]) -> String {
    format!(
        "{ABOUT}flatnet: {SCHEMA}\nmade: {}\n\n{}",
        scalar(made),
        section(&entries(facts))
    )
}

/// The list of facts alone, from `facts:` on.
pub(super) fn section(facts: &IndexMap<Kind, Vec<Entry>>) -> String {
    let mut text = "facts:\n".to_owned();
    for (kind, entries) in facts {
        text += &format!("  {}:\n", kind.id());
        text.extend(entries.iter().map(line));
    }
    text
}

/// Values, with whose they are.
type Owned<'a> = Vec<(Role, &'a Value)>;

/// Facts in the form of the file: one entry for all who have the same.
pub(super) fn entries(facts: &[Fact]) -> IndexMap<Kind, Vec<Entry>> {
    let there: BTreeSet<Role> = facts.iter().map(|fact| fact.key.subject).collect();
    let mut kinds: BTreeMap<Kind, BTreeMap<&str, Owned<'_>>> = BTreeMap::new();
    for fact in facts {
        // What could not be observed is nothing to hold others to.
        if let Seen::Value(value) = &fact.seen {
            let parts = kinds.entry(fact.key.id).or_default();
            let values = parts.entry(&fact.key.about).or_default();
            values.push((fact.key.subject, value));
        }
    }
    let of_kind = kinds.into_iter().map(|(kind, parts)| {
        let entries = parts.into_iter().flat_map(|(about, values)| {
            let lines = grouped(&values, &there).into_iter();
            lines.map(move |(on, value)| Entry {
                about: Some(about.to_owned()).filter(|about| !about.is_empty()),
                on,
                is: value.clone(),
            })
        });
        (kind, entries.collect())
    });
    of_kind.collect()
}

/// Values with whose they are: everybody's of a kind the one that most have, and by name the others'.
fn grouped<'a>(values: &[(Role, &'a Value)], there: &BTreeSet<Role>) -> Vec<(Selector, &'a Value)> {
    let mut kinds: Vec<(Option<Selector>, Owned<'a>)> = Vec::new();
    for (role, value) in values {
        let every = Selector::every(*role);
        match kinds.iter_mut().find(|(kind, _)| *kind == every) {
            Some((_, roles)) => roles.push((*role, value)),
            None => kinds.push((every, vec![(*role, value)])),
        }
    }
    let mut lines = Vec::new();
    for (every, roles) in kinds {
        let mut by_value: BTreeMap<&Value, Vec<Role>> = BTreeMap::new();
        for (role, value) in &roles {
            by_value.entry(value).or_default().push(*role);
        }
        let all = every.filter(|every| {
            let of_kind = there.iter().filter(|role| every.matches(**role));
            of_kind.count() == roles.len()
        });
        let most = by_value.iter().max_by_key(|(_, roles)| roles.len());
        let most = most.map(|(value, _)| *value);
        for (value, roles) in by_value {
            match &all {
                Some(every) if Some(value) == most => lines.push((every.clone(), value)),
                _ => lines.push((Selector::Named(roles), value)),
            }
        }
    }
    lines
}

fn line(entry: &Entry) -> String {
    let about = match &entry.about {
        None => String::new(),
        Some(about) => format!("about: {}, ", scalar(about)),
    };
    let on = match &entry.on {
        Selector::Cluster => String::new(),
        Selector::Named(roles) if roles.len() > 1 => {
            let roles: Vec<String> = roles.iter().map(|role| scalar(&role.to_string())).collect();
            format!("on: [{}], ", roles.join(", "))
        }
        other => format!("on: {}, ", scalar(&other.to_string())),
    };
    let value = match &entry.is {
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => scalar(text),
        Value::List(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| scalar(text)).collect();
            format!("[{}]", texts.join(", "))
        }
    };
    format!("    - {{{about}{on}is: {value}}}\n")
}

/// A text as YAML has it within braces: plain where that is safe (YAML 1.2, sections 7.3.3 and 10.3), else quoted as JSON does.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/()'<>+-$ ".contains(c);
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(plain)
        && !text.ends_with(' ')
        && !text.contains(" #")
        // Words that YAML 1.1 or 1.2 take for something else than text.
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_lowercase().as_str());
    match safe {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}
