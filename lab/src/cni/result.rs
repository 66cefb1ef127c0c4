//! Results of ADD (spec section 5), kept as the plugin gave them.
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

/// What the last plugin of a chain printed. It is passed on as it came: keys that this runtime does not know stay.
#[derive(Clone, Debug, PartialEq)]
pub struct AddResult(pub Value);

impl AddResult {
    /// The object that a plugin printed.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<AddResult, String> {
        match serde_json::from_slice(bytes) {
            Ok(value @ Value::Object(_)) => Ok(AddResult(value)),
            Ok(_) => Err("the result is not a JSON object".to_owned()),
            Err(e) => Err(format!("the result is not JSON: {e}")),
        }
    }

    /// Addresses of the container's interface `ifname`, with their prefix length, IPv4 first, else in the plugin's order
    /// (containerd's `ip_pref`). An address that names no interface counts as that one's.
    ///
    /// # Errors
    /// An address or an index that cannot be.
    pub fn addresses(&self, ifname: &str) -> Result<Vec<IpNet>, String> {
        let list = |key: &str| {
            self.0
                .get(key)
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let interfaces = list("interfaces");
        let mut found = Vec::new();
        for ip in list("ips") {
            let text = ip
                .get("address")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let address: IpNet = text
                .parse()
                .map_err(|_| format!("invalid address {text:?} in the result"))?;
            let interface = match ip.get("interface") {
                None | Some(Value::Null) => None,
                Some(index) => {
                    let interface = index
                        .as_u64()
                        .and_then(|index| interfaces.get(usize::try_from(index).ok()?));
                    Some(interface.ok_or_else(|| {
                        format!(
                            "invalid interface config: invalid IP configuration (interface {index})"
                        )
                    })?)
                }
            };
            if interface.is_none_or(|interface| {
                interface.get("name").and_then(Value::as_str) == Some(ifname)
            }) {
                found.push(address);
            }
        }
        found.sort_by_key(|net| net.addr().is_ipv6());
        Ok(found)
    }

    /// As [`AddResult::addresses`], without prefix lengths.
    ///
    /// # Errors
    /// As there.
    pub fn ips(&self, ifname: &str) -> Result<Vec<IpAddr>, String> {
        Ok(self.addresses(ifname)?.iter().map(IpNet::addr).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_containers_interface_count_ipv4_first() {
        let text = br#"{"cniVersion": "1.0.0", "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": "/run/netns/x"}],
            "ips": [{"address": "fd00::5/64", "interface": 1}, {"address": "10.0.0.1/24", "interface": 0},
                    {"address": "10.0.0.5/24", "interface": 1}, {"address": "10.9.0.9/32"}]}"#;
        let result = AddResult::parse(text).unwrap();
        let ips: Vec<String> = result
            .ips("eth0")
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(ips, ["10.0.0.5", "10.9.0.9", "fd00::5"]);
        assert!(
            result
                .ips("net1")
                .unwrap()
                .iter()
                .all(|ip| ip.to_string() == "10.9.0.9")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(AddResult::parse(b"").is_err());
        assert!(
            AddResult::parse(b"[]")
                .unwrap_err()
                .contains("not a JSON object")
        );
        let result = AddResult::parse(br#"{"ips": [{"address": "10.0.0.1"}]}"#).unwrap();
        assert!(result.ips("eth0").unwrap_err().contains("10.0.0.1"));
        let result =
            AddResult::parse(br#"{"ips": [{"address": "10.0.0.1/24", "interface": 3}]}"#).unwrap();
        assert!(result.ips("eth0").unwrap_err().contains("interface 3"));
    }
}
