//! The options of a row: those of `flatnet test` by name, and changes of a conflist.
use std::fmt;
use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::key_path::KeyPath;
use super::word::word;
use crate::compare::yaml::unknown_word;
use crate::config::RunArgs;

/// Options of a run that a row does not have: each row boots a lab of its own, and what is left of it is the sweep's report.
const NOT_HERE: [&str; 12] = [
    "provider",
    "cluster",
    "change-cni",
    "name",
    "keep",
    "image",
    "kind-config",
    "image-archive",
    "kubeconfig",
    "context",
    "namespace",
    "report",
];

/// Options that are not the run's, but those of what judges it.
pub(super) const JUDGES: [&str; 3] = ["only", "require", "plant"];

/// The whole conflist.
const CONFLIST: &str = "conflist";
/// Changes of keys of a conflist.
const SET: &str = "set";

/// The names that may stand in a file.
static KNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut known = RunArgs::names();
    known.retain(|name| !NOT_HERE.contains(&name.as_str()));
    known.extend(JUDGES.map(str::to_owned));
    known
});

/// The name of an option that a row may have.
pub(super) fn is_option(name: &str) -> bool {
    KNOWN.iter().any(|known| known == name)
}

/// What is said of a name that is none; `others` are allowed there too.
pub(super) fn unknown_option(name: &str, others: &[&str]) -> String {
    let known = KNOWN.iter().map(String::as_str);
    let allowed: Vec<&str> = known.chain(others.iter().copied()).collect();
    unknown_word("option", name, &allowed)
}

/// A key of a map of options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        word(source, |name| {
            let others = [CONFLIST, SET];
            match is_option(name) || others.contains(&name) {
                true => Ok(Name(name.to_owned())),
                false => Err(unknown_option(name, &others)),
            }
        })
    }
}

/// A value as a person writes it on a command line; flags are true or false.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Json")]
pub(super) struct Word(pub(super) String);

impl TryFrom<Json> for Word {
    type Error = String;

    fn try_from(value: Json) -> Result<Self, String> {
        match value {
            Json::String(text) => Ok(Word(text)),
            Json::Number(number) => Ok(Word(number.to_string())),
            Json::Bool(flag) => Ok(Word(flag.to_string())),
            Json::Array(list) => {
                let words = list.into_iter().map(Word::try_from);
                let words: Vec<String> = words
                    .map(|word| word.map(|Word(text)| text))
                    .collect::<Result<_, _>>()?;
                Ok(Word(words.join(",")))
            }
            Json::Null | Json::Object(_) => {
                Err("expected a text, a number, true, false, or a list of them".to_owned())
            }
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Options by name, and what is different in a conflist.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "IndexMap<Name, Json>")]
pub(super) struct Options {
    /// By name, without `--`.
    pub(super) named: IndexMap<String, Word>,
    /// A whole conflist.
    pub(super) conflist: Option<Json>,
    /// Keys of the conflist with the values that they get; null takes a key away.
    pub(super) set: Vec<(KeyPath, Json)>,
}

impl TryFrom<IndexMap<Name, Json>> for Options {
    type Error = String;

    fn try_from(map: IndexMap<Name, Json>) -> Result<Self, String> {
        let mut options = Options::default();
        for (Name(name), value) in map {
            match (name.as_str(), value) {
                (CONFLIST, value @ Json::Object(_)) => options.conflist = Some(value),
                (CONFLIST, _) => return Err("conflist: expected a map".to_owned()),
                (SET, Json::Object(keys)) => {
                    for (path, value) in keys {
                        let path = path.parse().map_err(|e| format!("set: {e}"))?;
                        options.set.push((path, value));
                    }
                }
                (SET, _) => return Err("set: expected a map from keys to values".to_owned()),
                (_, value) => {
                    let word = Word::try_from(value).map_err(|e| format!("{name}: {e}"))?;
                    options.named.insert(name, word);
                }
            }
        }
        Ok(options)
    }
}

impl Options {
    /// Of a single value.
    pub(super) fn one(name: &str, word: &Word) -> Options {
        Options {
            named: IndexMap::from([(name.to_owned(), word.clone())]),
            ..Options::default()
        }
    }

    /// These, and on top of them others.
    pub(super) fn with(&self, top: &Options) -> Options {
        let mut all = self.clone();
        // The CNI below is replaced, whichever way it is given.
        if top.conflist.is_some() || top.named.contains_key("cni") {
            all.conflist.clone_from(&top.conflist);
            all.named.shift_remove("cni");
        }
        all.named.extend(top.named.clone());
        all.set.extend(top.set.clone());
        all
    }

    /// Those of the run, as words of a command line.
    pub(super) fn words(&self) -> Vec<String> {
        let of_run = |(name, _): &(&String, &Word)| !JUDGES.contains(&name.as_str());
        let option = |(name, word): (&String, &Word)| match word.0.as_str() {
            "true" => Some(format!("--{name}")),
            "false" => None,
            value => Some(format!("--{name}={value}")),
        };
        self.named
            .iter()
            .filter(of_run)
            .filter_map(option)
            .collect()
    }

    /// The values of an option that takes several.
    pub(super) fn listed(&self, name: &str) -> Vec<String> {
        let word = self.named.get(name).map(|word| word.0.as_str());
        let words = word.into_iter().flat_map(|word| word.split(','));
        words.map(|word| word.trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_does_not_have_are_options_of_a_run() {
        let names = RunArgs::names();
        for name in NOT_HERE {
            assert!(names.iter().any(|known| known == name), "{name}");
            assert!(!is_option(name), "{name}");
        }
        assert!(is_option("mtu") && is_option("plant"));
    }

    #[test]
    fn later_options_win_and_changes_of_keys_add_up() {
        let parse = |text: &str| serde_yaml::from_str::<Options>(text).unwrap();
        let first = parse("{mtu: 1500, trace: true, set: {a.b: 1}}");
        let all = first.with(&parse(
            "{mtu: 1400, trace: false, transports: [tcp, udp], set: {c: 2}}",
        ));
        assert_eq!(all.words(), ["--mtu=1400", "--transports=tcp,udp"]);
        assert_eq!(all.set.len(), 2);
    }
}
