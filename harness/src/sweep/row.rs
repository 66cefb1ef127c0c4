//! A row: one configuration, and what is expected of it.
use std::collections::BTreeMap;

use super::file::{Expect, OneOrMore, Wanted, When};
use super::options::{self, Options};

/// One configuration, and what is expected of it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Unique in the file.
    pub(super) name: String,
    /// The matrix it is of.
    pub(super) group: Option<String>,
    pub(super) options: Options,
    pub(super) expect: Vec<Expect>,
    /// Names on the axes it is at, and values of its options.
    values: BTreeMap<String, String>,
}

/// A row before it is known what is expected of it.
pub(super) struct Combination {
    pub(super) names: Vec<String>,
    pub(super) options: Options,
    pub(super) values: BTreeMap<String, String>,
}

impl Row {
    pub(super) fn of(combination: Combination, group: Option<String>) -> Row {
        let Combination {
            names,
            options,
            mut values,
        } = combination;
        // An axis may be called as an option, and its names then stand for it.
        for (name, word) in &options.named {
            values.entry(name.clone()).or_insert_with(|| word.0.clone());
        }
        Row {
            name: names.join("-"),
            group,
            options,
            expect: Vec::new(),
            values,
        }
    }

    pub(super) fn is_at(&self, when: &When) -> bool {
        when.iter().all(|(key, OneOrMore(wanted))| {
            let value = self.values.get(key);
            value.is_some_and(|value| wanted.iter().any(|word| word.0 == *value))
        })
    }

    /// Nodes and pods together.
    pub(super) fn ends(&self) -> usize {
        let number = |name: &str, default: usize| {
            let word = self.options.named.get(name);
            word.and_then(|word| word.0.parse().ok()).unwrap_or(default)
        };
        let nodes: usize = number("nodes", 3);
        nodes * (number("pods-per-node", 3) + 2)
    }

    /// Whether something of it is expected to fail once its lab is up.
    pub(super) fn is_to_fail(&self) -> bool {
        let fails = |block: &Expect| block.checks.values().any(|want| *want == Wanted::Fail);
        self.expect.iter().any(fails) || self.refusal().is_some_and(|(_, exit)| exit != 2)
    }

    /// Whether the configuration is expected to be refused, with which words and exit code.
    pub(super) fn refusal(&self) -> Option<(&str, u8)> {
        let mut refused = self.expect.iter().rev();
        refused.find_map(|block| Some((block.refused.as_deref()?, block.exit.unwrap_or(2))))
    }
}

/// What needs no quotes in a shell.
pub(super) fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect()
}

/// A row's own options for a person: `mtu 1400, cni reference`.
pub(super) fn described(options: &Options) -> String {
    let named = options.named.iter();
    let named = named.map(|(name, word)| format!("{name} {word}"));
    let conflist = options.conflist.iter().map(|_| "a conflist".to_owned());
    let set = options
        .set
        .iter()
        .map(|(path, value)| format!("{path} = {value}"));
    let all: Vec<String> = named.chain(conflist).chain(set).collect();
    all.join(", ")
}

/// What judges a row, beside its run.
pub(super) fn judges(options: &Options) -> [Vec<String>; 3] {
    options::JUDGES.map(|name| options.listed(name))
}
