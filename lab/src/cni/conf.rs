//! Network configuration (spec section 1): `*.conflist` files, and single plugins in `*.conf` and `*.json`.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Error, Version};
use crate::site::Site;

/// A network: plugins that run in order.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    /// Name of the network.
    pub name: String,
    /// Versions it may be run with, the preferred (highest) first; never empty.
    pub versions: Vec<Version>,
    /// CHECK is not to be run.
    pub disable_check: bool,
    /// GC is not to be run.
    pub disable_gc: bool,
    /// The chain; never empty.
    pub plugins: Vec<Plugin>,
    /// The file it came from.
    pub source: PathBuf,
    /// What that file holds: it is kept with each attachment, for DEL and CHECK.
    pub(super) text: Value,
}

/// One plugin of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// `type`: the file name of its program.
    pub kind: String,
    /// `capabilities` that are switched on.
    pub capabilities: Vec<String>,
    /// Its configuration as it was written, `capabilities` included.
    pub conf: Map<String, Value>,
}

impl Plugin {
    /// How libcni names it in an error: `type="bridge"`, and the name where its own configuration has one.
    pub fn describe(&self) -> String {
        match self.conf.get("name").and_then(Value::as_str) {
            Some(name) => format!("type={:?} name={name:?}", self.kind),
            None => format!("type={:?}", self.kind),
        }
    }
}

impl NetworkList {
    /// The network in use: the first file in lexical order whose name ends in `.conflist`, `.conf` or `.json`. A file that
    /// is malformed is not passed over, as containerd does not pass it over.
    ///
    /// # Errors
    /// [`Error::NoConfig`] without such a file, [`Error::Config`] for one that is malformed.
    pub fn load(site: &Site, dir: &Path) -> Result<NetworkList, Error> {
        let names = match site.list(dir) {
            Ok(names) => names,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Error::NoConfig),
            Err(e) => {
                return Err(Error::Io {
                    what: format!("list {}", dir.display()),
                    cause: e,
                });
            }
        };
        let ending = |name: &str| {
            Path::new(name)
                .extension()
                .and_then(|ending| ending.to_str())
                .map(str::to_owned)
        };
        let is_config =
            |name: &String| matches!(ending(name).as_deref(), Some("conflist" | "conf" | "json"));
        let path = dir.join(names.into_iter().find(is_config).ok_or(Error::NoConfig)?);
        let bytes = site
            .read(&path)
            .map_err(Error::io(format!("read {}", path.display())))?;
        Self::parse(&bytes, &path)
    }

    /// Reads the bytes of the file `source`, whose ending says whether it is a list.
    ///
    /// # Errors
    /// [`Error::Config`] that names the file and what is wrong with it.
    pub fn parse(bytes: &[u8], source: &Path) -> Result<NetworkList, Error> {
        let is_list = source
            .extension()
            .is_some_and(|ending| ending == "conflist");
        let what = if is_list {
            "CNI config list file"
        } else {
            "CNI config file"
        };
        let bad = |why: String| {
            Error::Config(format!("failed to load {what} {}: {why}", source.display()))
        };
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| bad(format!("error parsing configuration: {e}")))?;
        let Value::Object(object) = value.clone() else {
            return Err(bad("the configuration is no JSON object".to_owned()));
        };
        let mut list = if is_list {
            from_list(object)
        } else {
            from_single(object)
        }
        .map_err(bad)?;
        list.source = source.to_owned();
        list.text = value;
        Ok(list)
    }
}

fn from_list(object: Map<String, Value>) -> Result<NetworkList, String> {
    let name = network_name(&object)?;
    let versions = versions(&object)?;
    let disable_check = switch(&object, "disableCheck")?;
    let disable_gc = switch(&object, "disableGC")?;
    let plugins = match object.get("plugins") {
        Some(Value::Array(plugins)) if !plugins.is_empty() => plugins,
        Some(Value::Array(_)) => return Err("the list has no plugins".to_owned()),
        Some(_) => return Err("\"plugins\" is no list".to_owned()),
        None => return Err("no \"plugins\" key".to_owned()),
    };
    let plugins = plugins.iter().enumerate().map(|(at, conf)| match conf {
        Value::Object(conf) => {
            plugin(conf.clone()).map_err(|why| format!("plugin {}: {why}", at + 1))
        }
        _ => Err(format!("plugin {} is no JSON object", at + 1)),
    });
    let plugins = plugins.collect::<Result<_, _>>()?;
    Ok(NetworkList {
        name,
        versions,
        disable_check,
        disable_gc,
        plugins,
        source: PathBuf::new(),
        text: Value::Null,
    })
}

/// A single plugin is a list of one; its keys are its own and the list's.
fn from_single(object: Map<String, Value>) -> Result<NetworkList, String> {
    let (name, versions) = (network_name(&object)?, versions(&object)?);
    let plugins = vec![plugin(object)?];
    let (source, text) = (PathBuf::new(), Value::Null);
    Ok(NetworkList {
        name,
        versions,
        disable_check: false,
        disable_gc: false,
        plugins,
        source,
        text,
    })
}

fn network_name(object: &Map<String, Value>) -> Result<String, String> {
    let name = match object.get("name") {
        Some(Value::String(name)) => name,
        Some(_) => return Err("\"name\" is no text".to_owned()),
        None => return Err("no network \"name\"".to_owned()),
    };
    if is_network_name(name) {
        Ok(name.clone())
    } else {
        Err(format!("invalid characters found in network name {name:?}"))
    }
}

/// "Must start with an alphanumeric character, optionally followed by any combination of alphanumeric characters,
/// underscore, dot or hyphen" (spec section 1). The same holds for container ids.
pub(crate) fn is_network_name(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.as_bytes().iter().all(inner)
}

/// `cniVersion` and `cniVersions` (since 1.1.0), those that this runtime speaks, the highest first.
fn versions(object: &Map<String, Value>) -> Result<Vec<Version>, String> {
    let mut wanted = Vec::new();
    match object.get("cniVersion") {
        Some(Value::String(version)) => wanted.push(version.clone()),
        Some(_) => return Err("\"cniVersion\" is no text".to_owned()),
        None => {}
    }
    match object.get("cniVersions") {
        Some(Value::Array(versions)) => {
            for version in versions {
                wanted.push(
                    version
                        .as_str()
                        .ok_or("\"cniVersions\" holds something that is no text")?
                        .to_owned(),
                );
            }
        }
        Some(_) => return Err("\"cniVersions\" is no list".to_owned()),
        None => {}
    }
    if wanted.is_empty() {
        // libcni takes that as 0.1.0.
        return Err("no \"cniVersion\"".to_owned());
    }
    let mut spoken: Vec<Version> = wanted
        .iter()
        .filter_map(|version| version.parse().ok())
        .collect();
    spoken.sort_unstable();
    spoken.dedup();
    spoken.reverse();
    if spoken.is_empty() {
        let ours = Version::ALL.map(Version::as_str).join(", ");
        return Err(format!(
            "unsupported CNI version {} (the lab's runtime speaks {ours})",
            wanted.join(", ")
        ));
    }
    Ok(spoken)
}

/// A boolean; the specification once had it as text.
fn switch(object: &Map<String, Value>, key: &str) -> Result<bool, String> {
    match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(Value::String(text)) => text
            .to_lowercase()
            .parse()
            .map_err(|_| format!("invalid value {text:?} for {key}")),
        Some(_) => Err(format!("{key:?} is neither true nor false")),
    }
}

fn plugin(conf: Map<String, Value>) -> Result<Plugin, String> {
    let kind = match conf.get("type") {
        Some(Value::String(kind)) if kind.contains('/') => {
            return Err(format!("plugin type {kind:?} is no file name"));
        }
        Some(Value::String(kind)) if !kind.is_empty() => kind.clone(),
        Some(Value::String(_)) | None => return Err("missing 'type'".to_owned()),
        Some(_) => return Err("\"type\" is no text".to_owned()),
    };
    let capabilities: BTreeMap<String, bool> = match conf.get("capabilities") {
        None => BTreeMap::new(),
        Some(value) => {
            serde_json::from_value(value.clone()).map_err(|e| format!("\"capabilities\": {e}"))?
        }
    };
    let capabilities = capabilities
        .into_iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| name)
        .collect();
    Ok(Plugin {
        kind,
        capabilities,
        conf,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<NetworkList, String> {
        NetworkList::parse(text.as_bytes(), Path::new("/etc/cni/net.d/10-x.conflist"))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_list_is_read_with_its_switches_and_capabilities() {
        let text = r#"{"cniVersion": "0.4.0", "name": "net", "disableCheck": "true", "disableGC": true,
            "plugins": [{"type": "bridge", "bridge": "cni0"}, {"type": "portmap", "name": "pm", "capabilities": {"portMappings": true, "x": false}}]}"#;
        let list = list(text).unwrap();
        assert_eq!(
            (list.name.as_str(), list.disable_check, list.disable_gc),
            ("net", true, true)
        );
        assert_eq!(list.versions, [Version::V0_4_0]);
        assert_eq!(list.plugins[1].capabilities, ["portMappings"]);
        assert_eq!(list.plugins[0].describe(), r#"type="bridge""#);
        assert_eq!(list.plugins[1].describe(), r#"type="portmap" name="pm""#);
    }

    #[test]
    fn of_several_versions_the_highest_known_comes_first() {
        let text = r#"{"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.1.0", "2.0.0"], "name": "n", "plugins": [{"type": "x"}]}"#;
        assert_eq!(
            list(text).unwrap().versions,
            [Version::V1_1_0, Version::V1_0_0, Version::V0_4_0]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        for (text, part) in [
            ("{\n  \"name\": \"n\",\n  oops\n}", "line 3 column 3"),
            ("[]", "no JSON object"),
            (
                r#"{"cniVersion": "1.0.0", "plugins": [{"type": "x"}]}"#,
                "no network \"name\"",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "../x", "plugins": [{"type": "x"}]}"#,
                "invalid characters found in network name",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n"}"#,
                "no \"plugins\" key",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "plugins": []}"#,
                "no plugins",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a"}, {}]}"#,
                "plugin 2: missing 'type'",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "../a"}]}"#,
                "no file name",
            ),
            (
                r#"{"cniVersion": "0.2.0", "name": "n", "plugins": [{"type": "x"}]}"#,
                "unsupported CNI version 0.2.0",
            ),
            (
                r#"{"name": "n", "plugins": [{"type": "x"}]}"#,
                "no \"cniVersion\"",
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "disableCheck": "maybe", "plugins": [{"type": "x"}]}"#,
                "disableCheck",
            ),
        ] {
            let error = list(text).unwrap_err();
            assert!(
                error.contains("/etc/cni/net.d/10-x.conflist") && error.contains(part),
                "{part} is missing from: {error}"
            );
        }
    }

    #[test]
    fn the_first_file_in_lexical_order_counts_even_if_it_is_bad() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::here().unwrap();
        let good = r#"{"cniVersion": "1.0.0", "name": "NAME", "type": "bridge"}"#;
        assert!(matches!(
            NetworkList::load(&site, dir.path()),
            Err(Error::NoConfig)
        ));
        assert!(matches!(
            NetworkList::load(&site, &dir.path().join("none")),
            Err(Error::NoConfig)
        ));
        std::fs::write(dir.path().join("00-readme.txt"), "x").unwrap();
        std::fs::write(dir.path().join("20-b.json"), good.replace("NAME", "b")).unwrap();
        std::fs::write(dir.path().join("10-a.conf"), good.replace("NAME", "a")).unwrap();
        assert_eq!(NetworkList::load(&site, dir.path()).unwrap().name, "a");
        std::fs::write(dir.path().join("05-bad.conflist"), "{").unwrap();
        assert!(matches!(
            NetworkList::load(&site, dir.path()),
            Err(Error::Config(_))
        ));
    }
}
