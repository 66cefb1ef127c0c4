//! Facts of a node's CNI files and plugins.
use flatnet_model::cni::configurations;
use flatnet_model::fact::{Kind, Place, Value};
use flatnet_model::observations::ObservedNode;
use serde_json::Value as Json;

use super::collect::Collected;
use super::whose::Whose;
use crate::inspect::answers::plugins::version as plugin_version;

pub(super) fn facts(number: u32, node: &ObservedNode, whose: &Whose<'_>, facts: &mut Collected) {
    let at = Place::Node(number);
    let files = match node.inside.cni() {
        Ok(files) => files,
        Err(why) => {
            facts.unread((Kind::CniFiles, ""), at, why);
            facts.unread((Kind::CniPrograms, ""), at, why);
            return;
        }
    };
    facts.add((Kind::CniPrograms, ""), at, files.programs.clone(), None);
    let candidates = configurations(files);
    let names = candidates.iter().map(|file| file.name.clone());
    facts.add((Kind::CniFiles, ""), at, names.collect::<Vec<_>>(), None);
    match candidates.first().map(|file| file.network()) {
        Some(Ok(network)) => {
            keys("", &network.root, &mut |path, value, raw| {
                let value = match value {
                    Json::String(text) => Value::Text(whose.text(text, at)),
                    Json::Bool(flag) => Value::Flag(*flag),
                    Json::Number(number) => match number.as_i64() {
                        Some(number) => Value::Number(number),
                        None => Value::Text(number.to_string()),
                    },
                    _ => Value::Text(raw.clone()),
                };
                // A range is a key of some maps, too.
                let path = whose.text(path, at);
                facts.add((Kind::CniKey, path), at, value, Some(raw));
            });
        }
        Some(Err(why)) => facts.unread((Kind::CniKey, ""), at, &why.to_string()),
        None => {}
    }
    match node.inside.plugins() {
        Ok(plugins) => {
            for plugin in plugins {
                let about = plugin.about.as_deref().unwrap_or("says nothing of itself");
                let version = plugin_version(about).unwrap_or_else(|| about.to_owned());
                let raw = Some(about.to_owned());
                facts.add((Kind::CniPlugin, plugin.name.as_str()), at, version, raw);
            }
        }
        Err(why) => facts.unread((Kind::CniPlugin, ""), at, why),
    }
}

/// Every key below, with its path: `plugins[0].ipam.subnet`.
fn keys(path: &str, json: &Json, each: &mut impl FnMut(&str, &Json, String)) {
    match json {
        Json::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                keys(&path, value, each);
            }
        }
        Json::Array(list) if !list.is_empty() => {
            for (at, value) in list.iter().enumerate() {
                keys(&format!("{path}[{at}]"), value, each);
            }
        }
        Json::String(text) => each(path, json, text.clone()),
        other => each(path, json, other.to_string()),
    }
}
