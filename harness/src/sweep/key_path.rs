//! Keys of a conflist by their paths.
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value as Json};

/// The path of a key, as facts of kind `cni-key` have it: `plugins[0].ipam.type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    At(usize),
}

impl FromStr for KeyPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not the path of a key; write it as plugins[0].mtu");
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() {
                return Err(wrong());
            }
            steps.push(Step::Key(key.to_owned()));
            for at in rest.split_terminator(']') {
                let at = at.strip_prefix('[').ok_or_else(wrong)?;
                steps.push(Step::At(at.parse().map_err(|_| wrong())?));
            }
        }
        Ok(KeyPath(steps))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::At(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

/// Sets a key, makes what is above it, and takes it away for null. A list grows by its next place only.
pub(super) fn set(mut at: &mut Json, path: &KeyPath, value: &Json) -> Result<(), String> {
    let Some((last, above)) = path.0.split_last() else {
        return Ok(());
    };
    for step in above {
        at = below(at, step, path)?;
    }
    match (value, last) {
        (Json::Null, Step::Key(key)) => {
            at.as_object_mut().and_then(|map| map.remove(key));
        }
        (Json::Null, Step::At(place)) => {
            if let Some(list) = at.as_array_mut().filter(|list| *place < list.len()) {
                list.remove(*place);
            }
        }
        (value, last) => *below(at, last, path)? = value.clone(),
    }
    Ok(())
}

fn below<'a>(at: &'a mut Json, step: &Step, path: &KeyPath) -> Result<&'a mut Json, String> {
    match step {
        Step::Key(key) => {
            if at.is_null() {
                *at = Json::Object(Map::new());
            }
            let map = at.as_object_mut();
            let map = map.ok_or_else(|| format!("set: {path}: there is no map above {key}"))?;
            Ok(map.entry(key).or_insert(Json::Null))
        }
        Step::At(place) => {
            if at.is_null() {
                *at = Json::Array(Vec::new());
            }
            let list = at.as_array_mut();
            let list = list.ok_or_else(|| format!("set: {path}: there is no list at [{place}]"))?;
            if *place == list.len() {
                list.push(Json::Null);
            }
            let length = list.len();
            list.get_mut(*place).ok_or_else(|| {
                format!("set: {path}: the list has {length} entries before [{place}]")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(keys: &[(&str, Json)]) -> Result<Json, String> {
        let mut conflist = json!({"name": "n", "plugins": [{"type": "bridge", "mtu": 1}]});
        for (path, value) in keys {
            set(&mut conflist, &path.parse()?, value)?;
        }
        Ok(conflist)
    }

    #[test]
    fn keys_are_changed_added_and_taken_away() {
        let changed = with(&[
            ("plugins[0].mtu", Json::Null),
            ("plugins[0].ipam.type", json!("host-local")),
            ("plugins[1]", json!({"type": "portmap"})),
        ]);
        assert_eq!(
            changed.unwrap(),
            json!({"name": "n", "plugins": [{"type": "bridge", "ipam": {"type": "host-local"}}, {"type": "portmap"}]})
        );
        let error = |path| with(&[(path, json!(1))]).unwrap_err();
        assert!(error("plugins[3]").contains("the list has 1 entries before [3]"));
        assert!(error("name.x").contains("there is no map above x"));
        assert!(error("plugins[x]").contains("plugins[0].mtu"));
        assert!(error("").contains("is not the path of a key"));
    }
}
