//! A list of plugins: each is tested with its configuration of the list, after those before it.
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Error;
use crate::bench::{Bench, Row};
use crate::run::{Options, Outcome, chosen, subject, tested};
use crate::subject::{Kind, program, recipes};

/// Tests every plugin of the list at `path`; plugins are looked for in the folders of `options`.
///
/// # Errors
/// As [`crate::run()`]; [`Error::Input`] for what is not a list, or names a plugin that is in no folder.
pub fn run(
    bench: &Bench,
    path: &Path,
    options: &Options,
    on_row: &(dyn Fn(&Row) + Sync),
) -> Result<Vec<Outcome>, Error> {
    let jobs = chosen(&options.only)?;
    let wrong = |why: String| Error::Input(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let list: Value =
        serde_json::from_str(&text).map_err(|e| wrong(format!("is not JSON: {e}")))?;
    let plugins = list["plugins"]
        .as_array()
        .filter(|plugins| !plugins.is_empty());
    let plugins = plugins.ok_or_else(|| {
        wrong("has no plugins; give a conflist, or the plugin itself with --conf".to_owned())
    })?;
    let version = match list["cniVersion"].as_str() {
        Some(text) => text.parse().map_err(|_| {
            wrong(format!(
                "cniVersion {text:?} is not a version of the specification"
            ))
        })?,
        None => return Err(wrong("has no cniVersion; add one".to_owned())),
    };
    let options = Options {
        version: options.version.or(Some(version)),
        ..options.clone()
    };
    let mut before: Vec<(PathBuf, Value)> = Vec::new();
    let mut outcomes = Vec::new();
    for conf in plugins {
        let started = Instant::now();
        let name = conf["type"]
            .as_str()
            .ok_or_else(|| wrong("a plugin has no type; add it".to_owned()))?;
        let found = options
            .folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file());
        let found = found.ok_or_else(|| {
            wrong(format!(
                "plugin {name} is in none of the folders of --cni-bin; name the one that has it"
            ))
        })?;
        let real = program::check(&found)?;
        let subject = subject(&real, &found, &options, before.clone())?;
        let kind = if before.is_empty() {
            Kind::Interface
        } else {
            Kind::Chained
        };
        let mut conf = conf.clone();
        // A runtime gives runtimeConfig only for capabilities; ports are what every list of Kubernetes maps.
        if conf["capabilities"]["portMappings"] == true {
            conf["runtimeConfig"]["portMappings"] = json!([]);
        }
        outcomes.push(tested(
            bench,
            subject.clone(),
            vec![recipes::given(kind, conf.clone())],
            &jobs,
            started,
            on_row,
        )?);
        before.push((subject.program, conf));
    }
    Ok(outcomes)
}
