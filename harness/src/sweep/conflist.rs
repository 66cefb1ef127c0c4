//! Conflists of rows: one that stands in the file, or a known one, with keys changed.
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flatnet_cluster::input;
use serde_json::{Map, Value as Json};

use super::options::Options;
use crate::cni::{REFERENCE, REFERENCE_DIRS};
use crate::programs::Programs;
use crate::{Error, Result};

/// Placeholders that stand for something else than text: they are without quotes in a conflist, which JSON cannot hold.
const UNQUOTED: [&str; 2] = ["${MTU}", "${RANGES}"];

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

    fn from_str(text: &str) -> std::result::Result<Self, String> {
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
fn set(mut at: &mut Json, path: &KeyPath, value: &Json) -> std::result::Result<(), String> {
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

fn below<'a>(
    at: &'a mut Json,
    step: &Step,
    path: &KeyPath,
) -> std::result::Result<&'a mut Json, String> {
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

/// The text of the conflist of these options; nothing where they take a CNI as it is.
///
/// # Errors
/// [`Error::Input`] where keys are to be changed of what is not a conflist, or do not fit it.
pub(super) fn text(options: &Options) -> Result<Option<String>> {
    let cni = options.named.get("cni").map(|word| word.0.as_str());
    let base = match (&options.conflist, cni) {
        (Some(_), Some(cni)) => {
            return Err(Error::Input(format!(
                "conflist: the row has cni {cni} too; leave one of them out"
            )));
        }
        (Some(conflist), None) => conflist.clone(),
        (None, _) if options.set.is_empty() => return Ok(None),
        (None, Some("reference")) => parsed("reference", REFERENCE)?,
        (None, Some(file)) if crate::config::is_file(file) => {
            let text = input::text(Path::new(file))
                .map_err(|e| Error::Input(format!("cni {file}: {e}")))?;
            parsed(file, &text)?
        }
        (None, _) => {
            return Err(Error::Input(
                "set: it changes keys of a conflist; give conflist, or cni: reference or the path of one"
                    .to_owned(),
            ));
        }
    };
    let mut conflist = base;
    for (path, value) in &options.set {
        set(&mut conflist, path, value).map_err(Error::Input)?;
    }
    let mut text = serde_json::to_string_pretty(&conflist)
        .map_err(|e| Error::failed("write a conflist", e))?;
    for placeholder in UNQUOTED {
        text = text.replace(&format!("\"{placeholder}\""), placeholder);
    }
    Ok(Some(text))
}

fn parsed(name: &str, text: &str) -> Result<Json> {
    let mut quoted = text.to_owned();
    for placeholder in UNQUOTED {
        quoted = quoted
            .replace(&format!("\"{placeholder}\""), placeholder)
            .replace(placeholder, &format!("\"{placeholder}\""));
    }
    serde_json::from_str(&quoted).map_err(|e| Error::Input(format!("cni {name}: not JSON: {e}")))
}

/// Puts a row's conflist into a folder, with the programs that it may name beside it; returns the options that use them. Programs
/// are flatnet's own and those of the distribution, where `cni-bin` does not say otherwise.
///
/// # Errors
/// When it cannot be written.
pub(super) fn install(dir: &Path, text: &str, options: &Options) -> Result<Vec<String>> {
    let failed = |e: std::io::Error| Error::failed(format!("write into {}", dir.display()), e);
    let file = dir.join("row.conflist");
    std::fs::write(&file, text).map_err(failed)?;
    let mut words = vec![format!("--cni={}", file.display())];
    if !options.named.contains_key("cni-bin") {
        let bin = dir.join("bin");
        if !bin.is_dir() {
            std::fs::create_dir(&bin).map_err(failed)?;
            for program in programs()? {
                let name = program.file_name().unwrap_or_default();
                let link = bin.join(name);
                if !link.exists() {
                    std::os::unix::fs::symlink(&program, link).map_err(failed)?;
                }
            }
        }
        words.push(format!("--cni-bin={}", bin.display()));
    }
    Ok(words)
}

fn programs() -> Result<Vec<PathBuf>> {
    let mut all = vec![Programs::locate()?.cni];
    for dir in REFERENCE_DIRS {
        // Where it is not there, the row says which plugin is missing.
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        all.extend(entries.map(|entry| entry.path()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(keys: &[(&str, Json)]) -> std::result::Result<Json, String> {
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

    #[test]
    fn placeholders_stay_as_the_lab_fills_them() {
        let options: Options = serde_yaml::from_str(
            "{cni: reference, set: {'plugins[0].hairpinMode': false, 'plugins[1]': null}}",
        )
        .unwrap();
        let text = text(&options).unwrap().unwrap();
        assert!(text.contains("\"mtu\": ${MTU}"), "{text}");
        assert!(text.contains("\"ranges\": ${RANGES}"), "{text}");
        assert!(text.contains("\"hairpinMode\": false"), "{text}");
        assert!(!text.contains("portmap"), "{text}");
    }
}
