//! Facts as they are found.
use std::collections::BTreeMap;

use flatnet_model::fact::{Fact, Key, Kind, Role, Seen, Value};

/// Facts by their keys. Two of one key, as two routes to one destination, become one whose value lists both.
#[derive(Default)]
pub(super) struct Collected(BTreeMap<Key, Vec<(Seen, Option<String>)>>);

impl Collected {
    /// A fact, with what was seen where that is more than the value.
    pub(super) fn add(
        &mut self,
        (id, about): (Kind, impl Into<String>),
        subject: impl Into<Role>,
        value: impl Into<Value>,
        raw: Option<String>,
    ) {
        let value = value.into();
        let raw = raw.filter(|raw| *raw != value.to_string());
        let key = Key::new(id, about, subject);
        self.0
            .entry(key)
            .or_default()
            .push((Seen::Value(value), raw));
    }

    /// A fact that could not be observed.
    pub(super) fn unread(
        &mut self,
        (id, about): (Kind, impl Into<String>),
        subject: impl Into<Role>,
        why: &str,
    ) {
        let key = Key::new(id, about, subject);
        let unread = (Seen::Unread(why.to_owned()), None);
        self.0.entry(key).or_default().push(unread);
    }

    /// In the order of their keys.
    pub(super) fn sorted(self) -> Vec<Fact> {
        let facts = self.0.into_iter().map(|(key, mut seen)| {
            seen.sort();
            let (seen, raw) = match &mut seen[..] {
                [one] => std::mem::replace(one, (Seen::Unread(String::new()), None)),
                several => together(several),
            };
            Fact { key, seen, raw }
        });
        facts.collect()
    }
}

fn together(several: &[(Seen, Option<String>)]) -> (Seen, Option<String>) {
    let values = several.iter().flat_map(|(seen, _)| match seen {
        Seen::Value(Value::List(texts)) => texts.clone(),
        other => vec![other.to_string()],
    });
    let raw: Vec<&str> = several
        .iter()
        .filter_map(|(_, raw)| raw.as_deref())
        .collect();
    let raw = (!raw.is_empty()).then(|| raw.join("; "));
    (Seen::Value(Value::List(values.collect())), raw)
}
