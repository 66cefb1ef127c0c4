//! The network configuration as it comes on standard input: what every command needs of it.
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use flatnet_model::cni::Version;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Plan;
use crate::error::{Error, Result};
use crate::validate::{IfName, NetworkName};

/// Where host-local keeps its reservations, and so do we.
const DATA_DIR: &str = "/var/lib/cni/networks";
/// The bridge of the reference plugin.
const BRIDGE: &str = "cni0";

/// A network configuration whose name and places have been checked. The rest is checked by [`NetConf::plan`], when a
/// command needs it: a pod must be deletable although its network's ranges were since edited into something wrong.
#[derive(Debug)]
pub(crate) struct NetConf<'a> {
    pub(crate) version: Version,
    pub(crate) name: NetworkName,
    pub(crate) bridge: IfName,
    /// `ipam.dataDir`: absolute, without `..`.
    pub(crate) data_dir: PathBuf,
    input: &'a [u8],
}

#[derive(Deserialize)]
struct VersionKey {
    #[serde(rename = "cniVersion")]
    version: Option<String>,
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

/// Parts that are passed through as they came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Foreign<'a> {
    #[serde(borrow)]
    prev_result: Option<&'a RawValue>,
    #[serde(borrow)]
    dns: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Attachments {
    // The outer option: is the key there? The inner one: `null` is what Go makes of an empty list.
    #[serde(
        rename = "cni.dev/valid-attachments",
        default,
        deserialize_with = "present"
    )]
    valid: Option<Option<Vec<ValidAttachment>>>,
    /// The key that runtimes sent before the specification's wording was settled.
    #[serde(rename = "cni.dev/attachments", default, deserialize_with = "present")]
    early: Option<Option<Vec<ValidAttachment>>>,
}

#[derive(Deserialize)]
struct ValidAttachment {
    #[serde(rename = "containerID")]
    container_id: String,
    ifname: String,
}

fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    source: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(source).map(Some)
}

impl<'a> NetConf<'a> {
    /// Reads a configuration. Unknown keys are ignored: runtimes and chained plugins add theirs.
    pub(crate) fn parse(input: &'a [u8]) -> Result<Self> {
        // An absent version means 0.1.0, which predates this plugin's results.
        let version = read::<VersionKey>(input)?.version.unwrap_or_default();
        let spoken = version.parse().ok().filter(|v: &Version| v.is_spoken());
        let version = spoken.ok_or(Error::UnknownVersion { got: version })?;
        let places: Places = read(input)?;
        let name = places
            .name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Error::config("name", "is missing; add it"))?;
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
            input,
        })
    }

    /// Everything ADD, CHECK and STATUS need besides.
    pub(crate) fn plan(&self) -> Result<Plan> {
        Plan::new(read(self.input)?)
    }

    /// `prevResult`, as it came.
    pub(crate) fn prev_result(&self) -> Result<Option<&'a RawValue>> {
        object("prevResult", read::<Foreign<'a>>(self.input)?.prev_result)
    }

    /// `dns`, which becomes part of the result.
    pub(crate) fn dns(&self) -> Result<Option<&'a RawValue>> {
        object("dns", read::<Foreign<'a>>(self.input)?.dns)
    }

    /// The attachments that GC must leave alone, as (container id, interface name). An absent list is an error and no
    /// empty one: taken for empty, it would cost every pod its address.
    pub(crate) fn valid_attachments(&self) -> Result<HashSet<(String, String)>> {
        let lists: Attachments = read(self.input)?;
        let list = lists.valid.or(lists.early).ok_or_else(|| {
            Error::config(
                "cni.dev/valid-attachments",
                "is missing: without it nothing is collected",
            )
        })?;
        Ok(list
            .into_iter()
            .flatten()
            .map(|valid| (valid.container_id, valid.ifname))
            .collect())
    }
}

/// Reads part of a JSON object. Text that is not a JSON object is a decoding error; an object whose values do not
/// fit is an invalid configuration.
pub(crate) fn read<'a, T: Deserialize<'a>>(input: &'a [u8]) -> Result<T> {
    serde_json::from_slice(input).map_err(|source| match source.classify() {
        Category::Data if input.trim_ascii_start().starts_with(b"{") => {
            Error::config("network configuration", source.to_string())
        }
        _ => Error::Decode { source },
    })
}

fn object<'a>(key: &str, value: Option<&'a RawValue>) -> Result<Option<&'a RawValue>> {
    match value {
        Some(value) if !value.get().starts_with('{') => Err(Error::config(key, "is not an object")),
        value => Ok(value),
    }
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
        assert!(conf.prev_result().unwrap().is_none());
    }

    #[test]
    fn each_kind_of_bad_configuration_has_its_code() {
        assert_eq!(code(""), 6);
        assert_eq!(code("{"), 6);
        assert_eq!(code("[]"), 6);
        assert_eq!(code("null"), 6);
        assert_eq!(code("{} {}"), 6);
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
            code(r#"{"cniVersion":"1.0.0","name":"n","ipam":null,"what":{"ever":[1.5e300]}}"#),
            0
        );
    }

    #[test]
    fn an_absent_list_of_attachments_is_not_an_empty_one() {
        let valid = |extra: &str| {
            let text = format!(r#"{{"cniVersion":"1.1.0","name":"n"{extra}}}"#);
            NetConf::parse(text.as_bytes()).unwrap().valid_attachments()
        };
        assert_eq!(valid("").unwrap_err().code(), 7);
        assert!(
            valid(r#","cni.dev/valid-attachments":null"#)
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            valid(r#","cni.dev/valid-attachments":[{"containerID":"c"}]"#)
                .unwrap_err()
                .code(),
            7
        );
        let one = HashSet::from([("c".to_owned(), "eth0".to_owned())]);
        for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
            assert_eq!(
                valid(&format!(
                    r#","{key}":[{{"containerID":"c","ifname":"eth0"}}]"#
                ))
                .unwrap(),
                one
            );
        }
    }
}
