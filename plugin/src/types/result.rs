//! The objects on standard output: success, error and version, in the format of each specification version.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use flatnet_model::cni::Version;
use flatnet_netlink::MacAddr;
use ipnet::IpNet;
use serde::Serialize;
use serde_json::value::RawValue;

use super::PodRoute;
use super::config::read;
use super::plan::{SCOPE_LINK, is_v4};
use crate::error::{Error, Result};

/// The result of ADD (section 5, ADD Success), independent of the specification's version.
#[derive(Debug)]
pub(crate) struct Success<'a> {
    pub(crate) interfaces: Vec<Interface<'a>>,
    pub(crate) ips: Vec<Ip>,
    pub(crate) routes: Vec<PodRoute>,
    pub(crate) dns: Option<&'a RawValue>,
}

#[derive(Debug)]
pub(crate) struct Interface<'a> {
    pub(crate) name: &'a str,
    pub(crate) mac: Option<MacAddr>,
    /// Bytes.
    pub(crate) mtu: u32,
    /// CNI_NETNS for interfaces inside the container.
    pub(crate) sandbox: Option<&'a Path>,
}

#[derive(Debug)]
pub(crate) struct Ip {
    /// Index into `interfaces`.
    pub(crate) interface: usize,
    pub(crate) address: IpNet,
    pub(crate) gateway: IpAddr,
}

/// A list element: one from `prevResult`, or ours.
#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Foreign(&'a RawValue),
    Interface {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        mac: Option<MacAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mtu: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sandbox: Option<&'a Path>,
    },
    Ip {
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<&'static str>,
        interface: usize,
        address: IpNet,
        gateway: IpAddr,
    },
    Route {
        dst: IpNet,
        #[serde(skip_serializing_if = "Option::is_none")]
        gw: Option<IpAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        priority: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<u8>,
    },
}

/// A value of the result object.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Foreign(&'a RawValue),
    Text(&'static str),
    List(Vec<Item<'a>>),
}

impl Success<'_> {
    /// The JSON object for `version`. A `prevResult` is kept completely, with unknown keys, and extended: the specification
    /// requires plugins to return it with their modifications.
    pub(crate) fn to_json(&self, version: Version, prev: Option<&RawValue>) -> Result<String> {
        let prev: BTreeMap<String, &RawValue> = match prev {
            Some(prev) => read(prev.get().as_bytes())?,
            None => BTreeMap::new(),
        };
        let mut interfaces = list(&prev, "interfaces")?;
        let before = interfaces.len();
        interfaces.extend(self.interfaces.iter().map(|one| interface(one, version)));
        let mut ips = list(&prev, "ips")?;
        ips.extend(self.ips.iter().map(|one| ip(one, before, version)));
        let mut routes = list(&prev, "routes")?;
        routes.extend(self.routes.iter().map(|one| route(one, version)));

        let mut object: BTreeMap<&str, Entry<'_>> = prev
            .iter()
            .map(|(key, value)| (key.as_str(), Entry::Foreign(value)))
            .collect();
        object.insert("cniVersion", Entry::Text(version.as_str()));
        object.insert("interfaces", Entry::List(interfaces));
        object.insert("ips", Entry::List(ips));
        object.insert("routes", Entry::List(routes));
        if let Some(dns) = self.dns {
            object.entry("dns").or_insert(Entry::Foreign(dns));
        }
        encode(&object)
    }
}

/// The list under `key` in a `prevResult`.
fn list<'a>(prev: &BTreeMap<String, &'a RawValue>, key: &str) -> Result<Vec<Item<'a>>> {
    let Some(value) = prev.get(key) else {
        return Ok(Vec::new());
    };
    let items: Option<Vec<&RawValue>> = serde_json::from_str(value.get())
        .map_err(|_| Error::config(format!("prevResult.{key}"), "is not a list"))?;
    Ok(items.into_iter().flatten().map(Item::Foreign).collect())
}

fn interface<'a>(one: &Interface<'a>, version: Version) -> Item<'a> {
    let mtu = (version >= Version::V1_1_0).then_some(one.mtu);
    Item::Interface {
        name: one.name,
        mac: one.mac,
        mtu,
        sandbox: one.sandbox,
    }
}

fn ip<'a>(one: &Ip, interfaces_before: usize, version: Version) -> Item<'a> {
    let family = if is_v4(&one.address) { "4" } else { "6" };
    Item::Ip {
        version: (version < Version::V1_0_0).then_some(family),
        interface: one.interface + interfaces_before,
        address: one.address,
        gateway: one.gateway,
    }
}

fn route<'a>(one: &PodRoute, version: Version) -> Item<'a> {
    let detailed = version >= Version::V1_1_0;
    Item::Route {
        dst: one.dst,
        gw: one.gateway,
        priority: one.priority.filter(|_| detailed),
        scope: (detailed && one.gateway.is_none()).then_some(SCOPE_LINK),
    }
}

fn encode(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::io("encode the result")(source.into()))
}

/// The error object (section 5, Error). `version` is the configuration's, if it could be read.
pub(crate) fn failure(error: &Error, version: Option<Version>) -> Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Failure {
        cni_version: &'static str,
        code: u32,
        msg: &'static str,
        details: String,
    }
    encode(&Failure {
        cni_version: version.unwrap_or(Version::NEWEST).as_str(),
        code: error.code(),
        msg: error.summary(),
        details: error.to_string(),
    })
}

/// The answer to VERSION (section 5). `asked` is the `cniVersion` of the input, returned as it came.
pub(crate) fn versions(asked: Option<&str>) -> Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Versions<'a> {
        cni_version: &'a str,
        supported_versions: [&'static str; Version::SPOKEN.len()],
    }
    encode(&Versions {
        cni_version: asked.unwrap_or(Version::NEWEST.as_str()),
        supported_versions: Version::SPOKEN.map(Version::as_str),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(text: Result<String>) -> Value {
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    fn raw(value: Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn success<'a>(dns: Option<&'a RawValue>) -> Success<'a> {
        let mac = |text: &str| Some(text.parse().unwrap());
        Success {
            interfaces: vec![
                Interface {
                    name: "cni0",
                    mac: mac("0a:58:0a:f4:01:01"),
                    mtu: 1450,
                    sandbox: None,
                },
                Interface {
                    name: "veth01234567",
                    mac: mac("0a:5c:00:00:00:01"),
                    mtu: 1450,
                    sandbox: None,
                },
                Interface {
                    name: "eth0",
                    mac: mac("0a:58:0a:f4:01:05"),
                    mtu: 1450,
                    sandbox: Some(Path::new("/run/netns/x")),
                },
            ],
            ips: vec![
                Ip {
                    interface: 2,
                    address: "10.244.1.5/32".parse().unwrap(),
                    gateway: "10.244.1.1".parse().unwrap(),
                },
                Ip {
                    interface: 2,
                    address: "fd00::5/128".parse().unwrap(),
                    gateway: "fd00::1".parse().unwrap(),
                },
            ],
            routes: vec![
                PodRoute {
                    dst: "10.244.1.1/32".parse().unwrap(),
                    gateway: None,
                    priority: None,
                    onlink: false,
                },
                PodRoute {
                    dst: "0.0.0.0/0".parse().unwrap(),
                    gateway: Some("10.244.1.1".parse().unwrap()),
                    priority: Some(7),
                    onlink: false,
                },
            ],
            dns,
        }
    }

    #[test]
    fn before_1_0_0_each_ip_says_its_version() {
        for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
            let expected = json!({
                "cniVersion": version.as_str(),
                "interfaces": [
                    {"name": "cni0", "mac": "0a:58:0a:f4:01:01"},
                    {"name": "veth01234567", "mac": "0a:5c:00:00:00:01"},
                    {"name": "eth0", "mac": "0a:58:0a:f4:01:05", "sandbox": "/run/netns/x"},
                ],
                "ips": [
                    {"version": "4", "interface": 2, "address": "10.244.1.5/32", "gateway": "10.244.1.1"},
                    {"version": "6", "interface": 2, "address": "fd00::5/128", "gateway": "fd00::1"},
                ],
                "routes": [{"dst": "10.244.1.1/32"}, {"dst": "0.0.0.0/0", "gw": "10.244.1.1"}],
            });
            assert_eq!(parsed(success(None).to_json(version, None)), expected);
        }
    }

    #[test]
    fn version_1_0_0_has_neither_ip_version_nor_mtu() {
        let dns = raw(json!({"nameservers": ["10.96.0.10"]}));
        let expected = json!({
            "cniVersion": "1.0.0",
            "interfaces": [
                {"name": "cni0", "mac": "0a:58:0a:f4:01:01"},
                {"name": "veth01234567", "mac": "0a:5c:00:00:00:01"},
                {"name": "eth0", "mac": "0a:58:0a:f4:01:05", "sandbox": "/run/netns/x"},
            ],
            "ips": [
                {"interface": 2, "address": "10.244.1.5/32", "gateway": "10.244.1.1"},
                {"interface": 2, "address": "fd00::5/128", "gateway": "fd00::1"},
            ],
            "routes": [{"dst": "10.244.1.1/32"}, {"dst": "0.0.0.0/0", "gw": "10.244.1.1"}],
            "dns": {"nameservers": ["10.96.0.10"]},
        });
        assert_eq!(
            parsed(success(Some(&dns)).to_json(Version::V1_0_0, None)),
            expected
        );
    }

    #[test]
    fn version_1_1_0_adds_mtu_priority_and_scope_and_keeps_what_came_before() {
        let prev = raw(json!({
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "dummy0", "socketPath": "/x"}],
            "ips": [{"interface": 0, "address": "192.0.2.1/24"}],
            "routes": null,
            "dns": {"domain": "kept"},
            "cni.dev/foreign": {"kept": true},
        }));
        let dns = raw(json!({"domain": "ours"}));
        let expected = json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": "dummy0", "socketPath": "/x"},
                {"name": "cni0", "mac": "0a:58:0a:f4:01:01", "mtu": 1450},
                {"name": "veth01234567", "mac": "0a:5c:00:00:00:01", "mtu": 1450},
                {"name": "eth0", "mac": "0a:58:0a:f4:01:05", "mtu": 1450, "sandbox": "/run/netns/x"},
            ],
            "ips": [
                {"interface": 0, "address": "192.0.2.1/24"},
                {"interface": 3, "address": "10.244.1.5/32", "gateway": "10.244.1.1"},
                {"interface": 3, "address": "fd00::5/128", "gateway": "fd00::1"},
            ],
            "routes": [
                {"dst": "10.244.1.1/32", "scope": 253},
                {"dst": "0.0.0.0/0", "gw": "10.244.1.1", "priority": 7},
            ],
            "dns": {"domain": "kept"},
            "cni.dev/foreign": {"kept": true},
        });
        assert_eq!(
            parsed(success(Some(&dns)).to_json(Version::V1_1_0, Some(&prev))),
            expected
        );
    }

    #[test]
    fn an_error_object_has_the_four_keys() {
        let error = Error::config("mtu", "12 is too small");
        let expected = json!({
            "cniVersion": "0.4.0", "code": 7, "msg": "invalid network config", "details": "mtu: 12 is too small",
        });
        assert_eq!(parsed(failure(&error, Some(Version::V0_4_0))), expected);
    }
}
