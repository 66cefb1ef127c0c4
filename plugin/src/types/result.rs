//! What goes out on standard output: success, error and version objects, in the shape of each specification version.
use std::net::IpAddr;
use std::path::Path;

use flatnet_netlink::MacAddr;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::plan::{SCOPE_LINK, is_v4};
use super::{PodRoute, SpecVersion};
use crate::error::{Error, Result};

/// The result of ADD (section 5, ADD Success), without the parts that differ between versions.
#[derive(Debug)]
pub(crate) struct Success<'a> {
    pub(crate) interfaces: Vec<Interface<'a>>,
    pub(crate) ips: Vec<Ip>,
    pub(crate) routes: Vec<PodRoute>,
    pub(crate) dns: Option<&'a Map<String, Value>>,
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

impl Success<'_> {
    /// The JSON object of `version`. A `prevResult` is kept whole, foreign keys included, and added to: "plugins
    /// provided a prevResult must output it as their result, with any possible modifications".
    pub(crate) fn to_json(
        &self,
        version: SpecVersion,
        prev: Option<&Map<String, Value>>,
    ) -> Result<Value> {
        let mut object = prev.cloned().unwrap_or_default();
        object.insert("cniVersion".to_owned(), json!(version.as_str()));
        let before = list(&mut object, "interfaces")?.len();
        let interfaces = self.interfaces.iter().map(|one| interface(one, version));
        list(&mut object, "interfaces")?.extend(interfaces);
        list(&mut object, "ips")?.extend(self.ips.iter().map(|one| ip(one, before, version)));
        list(&mut object, "routes")?.extend(self.routes.iter().map(|one| route(one, version)));
        if let Some(dns) = self.dns {
            object
                .entry("dns")
                .or_insert_with(|| Value::Object(dns.clone()));
        }
        Ok(Value::Object(object))
    }
}

/// The list under `key`, made empty where there is none.
fn list<'a>(object: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Vec<Value>> {
    let value = object.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value
        .as_array_mut()
        .ok_or_else(|| Error::config(format!("prevResult.{key}"), "is not a list"))
}

fn interface(one: &Interface<'_>, version: SpecVersion) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(one.name));
    if let Some(mac) = one.mac {
        object.insert("mac".to_owned(), json!(mac.to_string()));
    }
    if version >= SpecVersion::V1_1_0 {
        object.insert("mtu".to_owned(), json!(one.mtu));
    }
    if let Some(sandbox) = one.sandbox {
        object.insert("sandbox".to_owned(), json!(sandbox.to_string_lossy()));
    }
    Value::Object(object)
}

fn ip(one: &Ip, interfaces_before: usize, version: SpecVersion) -> Value {
    let mut object = Map::new();
    if version < SpecVersion::V1_0_0 {
        object.insert(
            "version".to_owned(),
            json!(if is_v4(&one.address) { "4" } else { "6" }),
        );
    }
    object.insert(
        "interface".to_owned(),
        json!(one.interface + interfaces_before),
    );
    object.insert("address".to_owned(), json!(one.address.to_string()));
    object.insert("gateway".to_owned(), json!(one.gateway.to_string()));
    Value::Object(object)
}

fn route(one: &PodRoute, version: SpecVersion) -> Value {
    let mut object = Map::new();
    object.insert("dst".to_owned(), json!(one.dst.to_string()));
    if let Some(gateway) = one.gateway {
        object.insert("gw".to_owned(), json!(gateway.to_string()));
    }
    if version >= SpecVersion::V1_1_0 {
        if let Some(priority) = one.priority {
            object.insert("priority".to_owned(), json!(priority));
        }
        if one.gateway.is_none() {
            object.insert("scope".to_owned(), json!(SCOPE_LINK));
        }
    }
    Value::Object(object)
}

/// The error object (section 5, Error). `version` is that of the configuration, where it could be read.
pub(crate) fn failure(error: &Error, version: Option<SpecVersion>) -> Value {
    json!({
        "cniVersion": version.unwrap_or(SpecVersion::NEWEST).as_str(),
        "code": error.code(),
        "msg": error.summary(),
        "details": error.to_string(),
    })
}

/// The answer to VERSION (section 5): `asked` is the `cniVersion` of the input, which is given back as it came.
pub(crate) fn versions(asked: Option<&str>) -> Value {
    json!({
        "cniVersion": asked.unwrap_or(SpecVersion::NEWEST.as_str()),
        "supportedVersions": SpecVersion::ALL.map(SpecVersion::as_str),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success<'a>(dns: Option<&'a Map<String, Value>>) -> Success<'a> {
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
        for version in [
            SpecVersion::V0_3_0,
            SpecVersion::V0_3_1,
            SpecVersion::V0_4_0,
        ] {
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
            assert_eq!(success(None).to_json(version, None).unwrap(), expected);
        }
    }

    #[test]
    fn version_1_0_0_has_neither_ip_version_nor_mtu() {
        let dns = json!({"nameservers": ["10.96.0.10"]});
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
            success(dns.as_object())
                .to_json(SpecVersion::V1_0_0, None)
                .unwrap(),
            expected
        );
    }

    #[test]
    fn version_1_1_0_adds_mtu_priority_and_scope_and_keeps_what_came_before() {
        let prev = json!({
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "dummy0", "socketPath": "/x"}],
            "ips": [{"interface": 0, "address": "192.0.2.1/24"}],
            "routes": null,
            "dns": {"domain": "kept"},
            "cni.dev/foreign": {"kept": true},
        });
        let dns = json!({"domain": "ours"});
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
        let result = success(dns.as_object())
            .to_json(SpecVersion::V1_1_0, prev.as_object())
            .unwrap();
        assert_eq!(result, expected);
    }

    #[test]
    fn an_error_object_has_the_four_keys() {
        let error = Error::config("mtu", "12 is too small");
        let expected = json!({
            "cniVersion": "0.4.0", "code": 7, "msg": "invalid network config", "details": "mtu: 12 is too small",
        });
        assert_eq!(failure(&error, Some(SpecVersion::V0_4_0)), expected);
    }
}
