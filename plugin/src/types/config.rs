//! The network configuration as it comes on standard input: what every command needs of it.
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Plan, SpecVersion};
use crate::error::{Error, Result};
use crate::validate::{IfName, NetworkName};

/// Where host-local keeps its reservations, and so do we.
const DATA_DIR: &str = "/var/lib/cni/networks";
/// The bridge of the reference plugin.
const BRIDGE: &str = "cni0";

/// A network configuration whose name and places have been checked. The rest is checked by [`NetConf::plan`], when a
/// command needs it: a pod must be deletable although its network's ranges were since edited into something wrong.
#[derive(Debug)]
pub(crate) struct NetConf {
    pub(crate) version: SpecVersion,
    pub(crate) name: NetworkName,
    pub(crate) bridge: IfName,
    /// `ipam.dataDir`: absolute, without `..`.
    pub(crate) data_dir: PathBuf,
    raw: Map<String, Value>,
}

#[derive(Deserialize)]
struct Places {
    name: Option<String>,
    bridge: Option<String>,
    ipam: Option<IpamPlace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IpamPlace {
    data_dir: Option<PathBuf>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct ValidAttachment {
    #[serde(rename = "containerID")]
    container_id: String,
    ifname: String,
}

impl NetConf {
    /// Reads a configuration. JSON that does not parse is a decoding error, JSON of the wrong content an invalid
    /// configuration. Keys nobody here knows are left alone: runtimes and chained plugins add theirs.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let raw: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|source| Error::Decode { source })?;
        let version = version_of(&raw)?;
        let places: Places = content(&raw)?;
        let name = places
            .name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Error::config("name", "is missing"))?;
        let name = NetworkName::new(&name)
            .ok_or_else(|| Error::config("name", format!("{name:?} {}", NetworkName::RULE)))?;
        let bridge = places
            .bridge
            .filter(|bridge| !bridge.is_empty())
            .unwrap_or_else(|| BRIDGE.to_owned());
        let bridge = IfName::new(&bridge)
            .ok_or_else(|| Error::config("bridge", format!("{bridge:?} {}", IfName::RULE)))?;
        let data_dir = places
            .ipam
            .and_then(|ipam| ipam.data_dir)
            .unwrap_or_else(|| PathBuf::from(DATA_DIR));
        if !is_plain_absolute(&data_dir) {
            let why = format!(
                "{} must be an absolute path without `..`",
                data_dir.display()
            );
            return Err(Error::config("ipam.dataDir", why));
        }
        Ok(NetConf {
            version,
            name,
            bridge,
            data_dir,
            raw,
        })
    }

    /// Everything ADD, CHECK and STATUS need besides.
    pub(crate) fn plan(&self) -> Result<Plan> {
        Plan::new(content(&self.raw)?)
    }

    /// `prevResult`, as it came.
    pub(crate) fn prev_result(&self) -> Result<Option<&Map<String, Value>>> {
        match self.raw.get("prevResult") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(result)) => Ok(Some(result)),
            Some(_) => Err(Error::config("prevResult", "is not an object")),
        }
    }

    /// `dns`, which becomes part of the result.
    pub(crate) fn dns(&self) -> Result<Option<&Map<String, Value>>> {
        match self.raw.get("dns") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(dns)) => Ok(Some(dns).filter(|dns| !dns.is_empty())),
            Some(_) => Err(Error::config("dns", "is not an object")),
        }
    }

    /// The attachments that GC must leave alone, as (container id, interface name). An absent list is an error and no
    /// empty one: taken for empty, it would cost every pod its address. `null` is what Go makes of an empty list.
    pub(crate) fn valid_attachments(&self) -> Result<BTreeSet<(String, String)>> {
        // The second key is what runtimes sent before the specification's wording was settled.
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let (key, list) = keys
            .iter()
            .find_map(|key| self.raw.get(*key).map(|list| (*key, list)))
            .ok_or_else(|| Error::config(keys[0], "is missing: without it nothing is collected"))?;
        let list = Option::<Vec<ValidAttachment>>::deserialize(list)
            .map_err(|source| Error::config(key, source.to_string()))?;
        Ok(list
            .unwrap_or_default()
            .into_iter()
            .map(|valid| (valid.container_id, valid.ifname))
            .collect())
    }
}

/// `cniVersion` of the configuration. An absent one means 0.1.0, which predates this plugin's results.
fn version_of(raw: &Map<String, Value>) -> Result<SpecVersion> {
    let text = match raw.get("cniVersion") {
        Some(Value::String(text)) => text.as_str(),
        None | Some(Value::Null) => "",
        Some(other) => {
            return Err(Error::config(
                "cniVersion",
                format!("{other} is not a string"),
            ));
        }
    };
    SpecVersion::parse(text).ok_or_else(|| Error::UnknownVersion {
        got: text.to_owned(),
    })
}

fn content<'a, T: Deserialize<'a>>(raw: &'a Map<String, Value>) -> Result<T> {
    T::deserialize(raw).map_err(|source| Error::config("network configuration", source.to_string()))
}

fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> u32 {
        NetConf::parse(text.as_bytes())
            .map(|_| 0)
            .unwrap_or_else(|error| error.code())
    }

    #[test]
    fn defaults_are_the_reference_plugins() {
        let conf =
            NetConf::parse(br#"{"cniVersion":"1.0.0","name":"net","type":"flatnet-cni"}"#).unwrap();
        assert_eq!(conf.bridge.as_str(), "cni0");
        assert_eq!(conf.data_dir, Path::new("/var/lib/cni/networks"));
    }

    #[test]
    fn each_kind_of_bad_configuration_has_its_code() {
        assert_eq!(code(""), 6);
        assert_eq!(code("{"), 6);
        assert_eq!(code("[]"), 6);
        assert_eq!(code(r#"{"name":"n"}"#), 1);
        assert_eq!(code(r#"{"cniVersion":"0.2.0","name":"n"}"#), 1);
        assert_eq!(code(r#"{"cniVersion":1,"name":"n"}"#), 7);
        assert_eq!(code(r#"{"cniVersion":"1.0.0"}"#), 7);
        assert_eq!(code(r#"{"cniVersion":"1.0.0","name":"../n"}"#), 7);
        assert_eq!(
            code(r#"{"cniVersion":"1.0.0","name":"n","bridge":"a/b"}"#),
            7
        );
        assert_eq!(
            code(r#"{"cniVersion":"1.0.0","name":"n","ipam":{"dataDir":"x"}}"#),
            7
        );
        assert_eq!(
            code(r#"{"cniVersion":"1.0.0","name":"n","ipam":{"dataDir":"/x/../y"}}"#),
            7
        );
        assert_eq!(
            code(r#"{"cniVersion":"1.0.0","name":"n","ipam":null,"what":{"ever":[1]}}"#),
            0
        );
    }

    #[test]
    fn an_absent_list_of_attachments_is_not_an_empty_one() {
        let conf = |extra: &str| {
            NetConf::parse(format!(r#"{{"cniVersion":"1.1.0","name":"n"{extra}}}"#).as_bytes())
                .unwrap()
        };
        assert_eq!(conf("").valid_attachments().unwrap_err().code(), 7);
        assert!(
            conf(r#","cni.dev/valid-attachments":null"#)
                .valid_attachments()
                .unwrap()
                .is_empty()
        );
        let one = BTreeSet::from([("c".to_owned(), "eth0".to_owned())]);
        for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
            let conf = conf(&format!(
                r#","{key}":[{{"containerID":"c","ifname":"eth0"}}]"#
            ));
            assert_eq!(conf.valid_attachments().unwrap(), one);
        }
    }
}
