//! What lies beside the code and is read by others: manifests that a person applies, and the files of GitHub Actions. No cluster
//! is needed; what can be seen without one is seen here, before a boot costs minutes.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod actions;
mod kubernetes;
mod network;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of the repository, by its path from the top.
fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[track_caller]
fn read(path: &str) -> String {
    std::fs::read_to_string(top(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every document of a YAML text. As JSON, whose pointers name a place in a few characters.
fn documents(path: &str) -> Vec<Value> {
    let text = read(path);
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| {
        serde::Deserialize::deserialize(document).unwrap_or_else(|e| panic!("{path}: {e}"))
    });
    documents.collect()
}

/// Names of files in a folder with this ending, sorted.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(top(folder)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    names.sort();
    names
}

/// Text at a JSON pointer; empty where there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Members of the list at a JSON pointer; none where there is none.
fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
