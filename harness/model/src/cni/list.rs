//! A network configuration (spec section 1) as a runtime reads it: a list in `*.conflist`, a single plugin in `*.conf` and
//! `*.json`.
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{ListError, Plugin, PluginFault, Version};

/// A network: plugins that run in order.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    /// `name`.
    pub name: String,
    /// `cniVersion`, and `cniVersions` (since 1.1.0), as written. Empty where it has neither, which libcni takes for 0.1.0.
    pub declared: Vec<String>,
    /// Of those the ones that are releases of the specification, the preferred (highest) first.
    pub versions: Vec<Version>,
    /// CHECK is not to be run.
    pub disable_check: bool,
    /// GC is not to be run.
    pub disable_gc: bool,
    /// The chain; never empty.
    pub plugins: Vec<Plugin>,
    /// The file it came from.
    pub source: PathBuf,
    /// What that file holds.
    pub root: Value,
}

impl NetworkList {
    /// Reads the bytes of the file `source`, whose ending says whether it is a list.
    ///
    /// # Errors
    /// What makes it unusable for every runtime. Which versions are spoken is not looked at: that depends on the runtime and
    /// its plugins.
    pub fn parse(bytes: &[u8], source: &Path) -> Result<NetworkList, ListError> {
        let root: Value =
            serde_json::from_slice(bytes).map_err(|e| ListError::Json(e.to_string()))?;
        let Value::Object(object) = &root else {
            return Err(ListError::NotAnObject);
        };
        let name = network_name(object)?;
        let declared = declared(object)?;
        let is_list = source.to_string_lossy().ends_with(".conflist");
        Ok(NetworkList {
            name,
            versions: releases(&declared),
            declared,
            disable_check: is_list && switch(object, "disableCheck")?,
            disable_gc: is_list && switch(object, "disableGC")?,
            plugins: if is_list {
                chain(object)?
            } else {
                vec![single(object)?]
            },
            source: source.to_owned(),
            root,
        })
    }

    /// `type` of each plugin, in order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.plugins.iter().map(|plugin| plugin.kind.as_str())
    }

    /// Every program the chain calls, IPAM and delegates included, sorted.
    pub fn programs(&self) -> Vec<&str> {
        let mut programs: Vec<&str> = self.plugins.iter().flat_map(Plugin::programs).collect();
        programs.sort_unstable();
        programs.dedup();
        programs
    }
}

fn chain(object: &Map<String, Value>) -> Result<Vec<Plugin>, ListError> {
    let plugins = match object.get("plugins") {
        Some(Value::Array(plugins)) if plugins.is_empty() => return Err(ListError::EmptyChain),
        Some(Value::Array(plugins)) => plugins,
        Some(_) => return Err(not("plugins", "a list")),
        None => return Err(ListError::NoPlugins),
    };
    let plugin = |(at, conf): (usize, &Value)| {
        match conf {
            Value::Object(conf) => Plugin::parse(conf.clone()),
            _ => Err(PluginFault::NotAnObject),
        }
        .map_err(|fault| ListError::InChain {
            position: at + 1,
            fault,
        })
    };
    plugins.iter().enumerate().map(plugin).collect()
}

/// Keys of a single plugin are its own and the network's.
fn single(object: &Map<String, Value>) -> Result<Plugin, ListError> {
    Plugin::parse(object.clone()).map_err(|fault| match fault {
        PluginFault::NoType if object.contains_key("plugins") => ListError::ListInConf,
        fault => ListError::Single(fault),
    })
}

fn network_name(object: &Map<String, Value>) -> Result<String, ListError> {
    match object.get("name") {
        Some(Value::String(name)) if name.is_empty() => Err(ListError::NoName),
        Some(Value::String(name)) if is_network_name(name) => Ok(name.clone()),
        Some(Value::String(name)) => Err(ListError::Name(name.clone())),
        Some(_) => Err(not("name", "text")),
        None => Err(ListError::NoName),
    }
}

/// "Must start with an alphanumeric character, optionally followed by any combination of alphanumeric characters,
/// underscore, dot or hyphen" (spec section 1).
fn is_network_name(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.as_bytes().iter().all(inner)
}

fn declared(object: &Map<String, Value>) -> Result<Vec<String>, ListError> {
    let mut declared = Vec::new();
    match object.get("cniVersion") {
        Some(Value::String(version)) => declared.push(version.clone()),
        Some(_) => return Err(not("cniVersion", "text")),
        None => {}
    }
    match object.get("cniVersions") {
        Some(Value::Array(versions)) => {
            for version in versions {
                let version = version.as_str();
                declared.push(
                    version
                        .ok_or(not("cniVersions", "a list of texts"))?
                        .to_owned(),
                );
            }
        }
        Some(_) => return Err(not("cniVersions", "a list")),
        None => {}
    }
    Ok(declared)
}

fn releases(declared: &[String]) -> Vec<Version> {
    let mut versions: Vec<Version> = declared
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.dedup();
    versions
}

/// A boolean; the specification once had it as text.
fn switch(object: &Map<String, Value>, key: &'static str) -> Result<bool, ListError> {
    match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(Value::String(text)) => {
            let on = text.to_lowercase().parse();
            on.map_err(|_| not(key, "true or false"))
        }
        Some(_) => Err(not(key, "true or false")),
    }
}

fn not(key: &'static str, expected: &'static str) -> ListError {
    ListError::Value { key, expected }
}
