//! The files of /etc/cni/net.d: which is in use, why, and what it says.
use flatnet_model::probe::ConfFile;
use serde_json::Value;

use super::conf_keys::meaning;
use super::findings::Findings;
use flatnet_model::cni::{CONF_DIR, NetworkList, Unusable, configurations, is_configuration};
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::snapshot::NodeInside;
use flatnet_model::view::View;

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(files) = findings.observed(name, CONF_DIR, inside.cni()) else {
            continue;
        };
        let candidates = configurations(files);
        for file in &files.conf {
            let (used, why) = standing(file, &candidates);
            findings.fact(
                Fact::new(
                    "file",
                    &file.name,
                    Source::Command(format!("ls {CONF_DIR}")),
                )
                .on(name)
                .with("in-use", used)
                .with("why", why),
            );
            // Whatever is wrong with a file that would be read is reported, in use or not.
            if candidates
                .iter()
                .any(|candidate| candidate.name == file.name)
                && let Err(why) = read(file)
            {
                findings.problem(Some(name), &format!("{CONF_DIR}/{}", file.name), why);
            }
        }
        if candidates.is_empty() {
            findings.problem(Some(name), CONF_DIR, "no file of it is a network configuration (.conflist, .conf, .json): no pod can start on the node");
        }
        if let Ok(Some((file, config))) = in_use(inside) {
            let mut facts = Vec::new();
            keys(
                &config,
                &Source::File(format!("{CONF_DIR}/{file}")),
                &mut facts,
            );
            facts
                .into_iter()
                .for_each(|fact| findings.fact(fact.on(name)));
        }
    }
    findings.outcome(|| "there is no node to look at".to_owned())
}

/// The configuration a node's runtime uses, by file name; none where there is none, and what is wrong with it where it is no
/// configuration.
pub(super) fn in_use(inside: &NodeInside) -> Result<Option<(&str, NetworkList)>, (&str, String)> {
    let Some(file) = inside
        .cni()
        .ok()
        .and_then(|files| configurations(files).first().copied())
    else {
        return Ok(None);
    };
    match read(file) {
        Ok(config) => Ok(Some((&file.name, config))),
        Err(why) => Err((&file.name, why)),
    }
}

fn read(file: &ConfFile) -> Result<NetworkList, String> {
    file.network().map_err(|why| match why {
        Unusable::Unreadable(_) => why.to_string(),
        Unusable::Malformed(why) => format!("it is not a network configuration: {why}"),
    })
}

/// Whether a file is used, and why or why not.
fn standing(file: &ConfFile, candidates: &[&ConfFile]) -> (bool, String) {
    let Some((first, _)) = candidates.split_first() else {
        return (
            false,
            "its name does not end in .conflist, .conf or .json".to_owned(),
        );
    };
    if first.name == file.name {
        let why = if candidates.len() == 1 {
            "it is the only one"
        } else {
            "it is the first in lexical order"
        };
        return (true, why.to_owned());
    }
    let considered = candidates
        .iter()
        .any(|candidate| candidate.name == file.name);
    let why = if considered {
        format!("{} comes before it in lexical order", first.name)
    } else if is_configuration(&file.name) {
        "it sets up loopback only".to_owned()
    } else {
        "its name does not end in .conflist, .conf or .json".to_owned()
    };
    (false, why)
}

/// One fact per key: what is executed comes first, the rest by name.
fn keys(config: &NetworkList, source: &Source, facts: &mut Vec<Fact>) {
    let mut walk = Walk { source, facts };
    for (key, value) in config.root.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("plugins", Value::Array(chain)) => {
                for (index, plugin) in chain.iter().enumerate() {
                    let kind = plugin
                        .get("type")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    walk.value(&format!("plugins[{index}]"), kind, plugin);
                }
            }
            _ => {
                let kind = config
                    .root
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                walk.value(key, kind, value);
            }
        }
    }
}

struct Walk<'a> {
    source: &'a Source,
    facts: &'a mut Vec<Fact>,
}

impl Walk<'_> {
    /// Objects and lists of objects are walked into; everything else is a value.
    fn value(&mut self, path: &str, plugin: &str, value: &Value) {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| key.as_str() != "type");
                for (key, value) in entries {
                    self.value(&format!("{path}.{key}"), plugin, value);
                }
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{path}[{index}]"), plugin, item);
                }
            }
            _ => {
                let fact = Fact::new("key", path, self.source.clone())
                    .with("value", value.clone())
                    .with("plugin", (!plugin.is_empty()).then_some(plugin));
                self.facts.push(match meaning(path, plugin) {
                    Some(meaning) => fact.meaning(meaning),
                    None => fact,
                });
            }
        }
    }
}
