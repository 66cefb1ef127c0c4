//! Walking a document with its path at hand; what has the wrong type is noted, and the walk goes on.
use serde_yaml::{Mapping, Value};

use super::problem::Problem;
use flatnet_model::nearest::nearest;

/// Problems found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Problem>);

impl Findings {
    pub(super) fn add(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem {
            path: path.into(),
            what: what.into(),
        });
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.0
    }
}

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Spot<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Spot<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Spot {
            path: String::new(),
            value,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// A map with known keys.
    pub(super) fn fields(&self, found: &mut Findings) -> Option<Fields<'a>> {
        Some(Fields {
            path: self.path.clone(),
            map: self.map(found)?,
            known: Vec::new(),
        })
    }

    /// A map with keys of the user's choosing.
    pub(super) fn entries(&self, found: &mut Findings) -> Vec<(&'a str, Spot<'a>)> {
        let Some(map) = self.map(found) else {
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (key, value) in map {
            match key.as_str() {
                None => found.add(
                    &self.path,
                    format!("the key {} is not text; quote it", shown(key)),
                ),
                Some(key) => entries.push((
                    key,
                    Spot {
                        path: join(&self.path, key),
                        value,
                    },
                )),
            }
        }
        entries
    }

    pub(super) fn items(&self, found: &mut Findings) -> Vec<Spot<'a>> {
        let Value::Sequence(items) = self.value else {
            self.wrong("a list", found);
            return Vec::new();
        };
        let spots = items.iter().enumerate().map(|(index, value)| Spot {
            path: format!("{}[{index}]", self.path),
            value,
        });
        spots.collect()
    }

    /// Text. kind would take the digits of an unquoted number as they are; YAML does not keep them (`1.10` is 1.1), so they
    /// are to be quoted.
    pub(super) fn text(&self, found: &mut Findings) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(text),
            Value::Number(_) | Value::Bool(_) => {
                found.add(
                    &self.path,
                    format!(
                        "expected text, found {}; put it in quotes",
                        shown(self.value)
                    ),
                );
                None
            }
            _ => {
                self.wrong("text", found);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word(
        &self,
        known: &[&'static str],
        what: &str,
        found: &mut Findings,
    ) -> Option<&'a str> {
        let text = self.text(found)?;
        if known.contains(&text) {
            return Some(text);
        }
        found.add(
            &self.path,
            format!("{text:?} is not {what} ({})", known.join(", ")),
        );
        None
    }

    /// true or false; the spellings of YAML 1.1 count as well, as for kind.
    pub(super) fn flag(&self, found: &mut Findings) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => return Some(*flag),
            Value::String(word) if ["y", "Y", "yes", "on"].contains(&word.as_str()) => {
                return Some(true);
            }
            Value::String(word) if ["n", "N", "no", "off"].contains(&word.as_str()) => {
                return Some(false);
            }
            _ => self.wrong("true or false", found),
        }
        None
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, low: i64, high: i64, found: &mut Findings) -> Option<i64> {
        match self.value.as_i64() {
            Some(number) if (low..=high).contains(&number) => return Some(number),
            Some(number) => found.add(&self.path, format!("{number} is not in {low} to {high}")),
            None => self.wrong(&format!("a whole number, {low} to {high}"), found),
        }
        None
    }

    /// A list of texts, each with its spot.
    pub(super) fn texts(&self, found: &mut Findings) -> Vec<(Spot<'a>, &'a str)> {
        let items = self.items(found).into_iter();
        items
            .filter_map(|item| item.text(found).map(|text| (item, text)))
            .collect()
    }

    /// kind's rule for cluster names; it prefixes and suffixes them to name containers.
    pub(super) fn name(&self, found: &mut Findings) {
        let Some(name) = self.text(found) else {
            return;
        };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            found.add(
                &self.path,
                format!(
                    "{name:?} is no cluster name; lower-case letters, digits, . and - make one"
                ),
            );
        }
    }

    fn map(&self, found: &mut Findings) -> Option<&'a Mapping> {
        if let Value::Mapping(map) = self.value {
            return Some(map);
        }
        self.wrong("a map of keys and values", found);
        None
    }

    fn wrong(&self, wanted: &str, found: &mut Findings) {
        found.add(
            &self.path,
            format!("expected {wanted}, found {}", shown(self.value)),
        );
    }
}

/// A map of which every key is asked for by name; what nobody asked for is unknown.
pub(super) struct Fields<'a> {
    path: String,
    map: &'a Mapping,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value under `key`; none where it is absent or null, which is the same to kind.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Spot<'a>> {
        self.known.push(key);
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Spot {
            path: join(&self.path, key),
            value,
        })
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Notes the keys nobody asked for. kind refuses them as well.
    pub(super) fn finish(self, found: &mut Findings) {
        for key in self.map.keys() {
            match key.as_str() {
                Some(key) if self.known.contains(&key) => {}
                Some(key) => {
                    let hint = match nearest(key, &self.known) {
                        Some(meant) => format!("did you mean {meant}?"),
                        None => format!("known are {}", self.known.join(", ")),
                    };
                    found.add(join(&self.path, key), format!("unknown key; {hint}"));
                }
                None => found.add(
                    &self.path,
                    format!(
                        "{} is no key; known are {}",
                        shown(key),
                        self.known.join(", ")
                    ),
                ),
            }
        }
    }
}

/// `networking.podSubnet`, `labels["example.com/tier"]`.
fn join(path: &str, key: &str) -> String {
    let plain = key
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path.is_empty(), plain && !key.is_empty()) {
        (_, false) => format!("{path}[{key:?}]"),
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
    }
}

/// A value in a message: short ones as they are.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a map".to_owned(),
        Value::Tagged(tagged) => format!("a value with the tag {}", tagged.tag),
    }
}
