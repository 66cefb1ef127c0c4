//! Facts of one topic as a table: what several nodes say alike is one row.
use std::collections::BTreeSet;

use serde_json::Value;

use flatnet_model::inspection::{Fact, Source};

/// One table.
pub(super) struct Rows<'a> {
    /// What its facts are about.
    pub(super) topic: &'a str,
    /// Names of the columns.
    pub(super) header: Vec<String>,
    /// As many cells each as there are columns.
    pub(super) rows: Vec<Vec<String>>,
    /// Where they come from, each once.
    pub(super) sources: Vec<&'a Source>,
    /// What single rows mean: what each is about, and the words.
    pub(super) meanings: Vec<(&'a str, &'a str)>,
}

/// The topics of an answer in their order, each as a table. `nodes`: how many nodes were looked at.
pub(super) fn topics(facts: &[Fact], nodes: usize) -> Vec<Rows<'_>> {
    let mut topics: Vec<&str> = Vec::new();
    for fact in facts {
        if !topics.contains(&fact.topic.as_str()) {
            topics.push(&fact.topic);
        }
    }
    topics
        .into_iter()
        .map(|topic| {
            let facts: Vec<&Fact> = facts.iter().filter(|fact| fact.topic == topic).collect();
            rows(topic, &facts, nodes)
        })
        .collect()
}

fn rows<'a>(topic: &'a str, facts: &[&'a Fact], nodes: usize) -> Rows<'a> {
    let mut names: Vec<&str> = Vec::new();
    for name in facts.iter().flat_map(|fact| fact.values.keys()) {
        // A column without any value is left out.
        let told = facts.iter().any(|fact| {
            fact.values
                .get(name)
                .is_some_and(|value| !cell(value).is_empty())
        });
        if told && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let on_nodes = facts.iter().any(|fact| fact.node.is_some());
    let mut merged: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for fact in facts {
        let values = names
            .iter()
            .map(|name| fact.values.get(*name).map_or_else(String::new, cell));
        let cells: Vec<String> = std::iter::once(fact.about.clone()).chain(values).collect();
        let node = fact.node.as_deref();
        let alike = merged
            .iter_mut()
            .find(|(at, known)| *known == cells && node.is_some_and(|node| !at.contains(&node)));
        match alike {
            Some((at, _)) => at.extend(node),
            None => {
                // Beside what is about the same, so that nodes can be compared.
                let same = merged
                    .iter()
                    .rposition(|(_, known)| known.first() == cells.first());
                let row = (node.into_iter().collect(), cells);
                merged.insert(same.map_or(merged.len(), |at| at + 1), row);
            }
        }
    }
    let header = on_nodes
        .then_some("node")
        .into_iter()
        .chain([topic])
        .chain(names.iter().copied());
    let mut sources: Vec<&Source> = Vec::new();
    let mut meanings: Vec<(&str, &str)> = Vec::new();
    let mut explained = BTreeSet::new();
    for fact in facts {
        if !sources.contains(&&fact.source) {
            sources.push(&fact.source);
        }
        if let Some(meaning) = &fact.explanation
            && explained.insert((&fact.about, meaning))
        {
            meanings.push((&fact.about, meaning));
        }
    }
    Rows {
        topic,
        header: header.map(|name| name.to_uppercase()).collect(),
        rows: merged
            .into_iter()
            .map(|(at, cells)| {
                let place = on_nodes.then(|| place(&at, nodes));
                place.into_iter().chain(cells).collect()
            })
            .collect(),
        sources,
        meanings,
    }
}

/// Which nodes a row is about.
fn place(at: &[&str], nodes: usize) -> String {
    match at {
        [] => String::new(),
        [node] => (*node).to_owned(),
        _ if at.len() == nodes => "all".to_owned(),
        _ => at.join(", "),
    }
}

/// A value in a cell; nothing where there is none.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
