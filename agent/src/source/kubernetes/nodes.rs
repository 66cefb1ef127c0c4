//! Converts the API's Node objects into the node list.
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node as NodeObject;

use crate::Error;
use crate::node::{Node, NodesFile};

/// The type of the addresses at which nodes reach each other (core/v1 NodeAddress).
const INTERNAL: &str = "InternalIP";

/// The nodes known so far, by name: the list does not depend on the order of events.
#[derive(Debug, Default)]
pub(super) struct Known {
    nodes: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    /// A value that does not parse.
    unreadable: Option<Unreadable>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Unreadable {
    field: &'static str,
    value: String,
}

impl Known {
    /// Adds or updates a node. Drops whatever the agent does not use, mainly the kubelet's reports.
    pub(super) fn apply(&mut self, object: &NodeObject) {
        let name = object.metadata.name.clone().unwrap_or_default();
        let mut unreadable = None;
        let node = Node {
            addresses: addresses(object, &mut unreadable),
            pod_cidrs: pod_cidrs(object, &mut unreadable),
            name: name.clone(),
        };
        self.nodes.insert(name, Entry { node, unreadable });
    }

    pub(super) fn remove(&mut self, object: &NodeObject) {
        if let Some(name) = &object.metadata.name {
            self.nodes.remove(name);
        }
    }

    /// All nodes, including those without a podCIDR.
    pub(super) fn list(&self, pod_network: &[IpNet]) -> NodesFile {
        NodesFile {
            pod_network: pod_network.to_vec(),
            nodes: self.nodes.values().map(|e| e.node.clone()).collect(),
        }
    }

    /// The first value that did not parse; it counts as missing.
    pub(super) fn unreadable(&self) -> Option<Error> {
        self.nodes.iter().find_map(|(name, entry)| {
            let Unreadable { field, value } = entry.unreadable.clone()?;
            Some(Error::NodeObject {
                node: name.clone(),
                field,
                value,
            })
        })
    }
}

/// The first InternalIP of each family: if a node reports several, the kubelet lists the one that it serves on first.
fn addresses(object: &NodeObject, unreadable: &mut Option<Unreadable>) -> Vec<IpAddr> {
    let reported = object
        .status
        .as_ref()
        .and_then(|s| s.addresses.as_deref())
        .unwrap_or_default();
    let mut found: Vec<IpAddr> = Vec::new();
    for address in reported.iter().filter(|a| a.type_ == INTERNAL) {
        match address.address.parse::<IpAddr>() {
            Ok(ip) if found.iter().all(|f| f.is_ipv4() != ip.is_ipv4()) => found.push(ip),
            Ok(_) => {}
            Err(_) => remember(unreadable, "InternalIP", &address.address),
        }
    }
    found
}

/// `podCIDRs`, or the single `podCIDR` of an object written by a controller older than dual-stack.
fn pod_cidrs(object: &NodeObject, unreadable: &mut Option<Unreadable>) -> Vec<IpNet> {
    let Some(spec) = &object.spec else {
        return Vec::new();
    };
    let texts: Vec<&String> = match spec.pod_cidrs.as_deref() {
        Some(several @ [_, ..]) => several.iter().collect(),
        _ => spec.pod_cidr.iter().filter(|c| !c.is_empty()).collect(),
    };
    let mut found = Vec::new();
    for text in texts {
        match text.parse::<IpNet>() {
            Ok(net) => found.push(net),
            Err(_) => remember(unreadable, "podCIDR", text),
        }
    }
    found
}

fn remember(unreadable: &mut Option<Unreadable>, field: &'static str, value: &str) {
    unreadable.get_or_insert_with(|| Unreadable {
        field,
        value: value.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(value: Value) -> NodeObject {
        serde_json::from_value(value).unwrap()
    }

    fn single(value: Value) -> (Node, Option<String>) {
        let mut known = Known::default();
        known.apply(&object(value));
        let node = known.list(&[]).nodes.remove(0);
        (node, known.unreadable().map(|e| e.to_string()))
    }

    #[test]
    fn of_an_object_name_internal_addresses_and_podcidrs_are_kept() {
        let (node, unreadable) = single(json!({
            "metadata": {"name": "worker", "labels": {"a": "b"}},
            "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:10:244:1::/64"]},
            "status": {
                "addresses": [
                    {"type": "Hostname", "address": "worker"},
                    {"type": "ExternalIP", "address": "203.0.113.7"},
                    {"type": "InternalIP", "address": "172.18.0.3"},
                    {"type": "InternalIP", "address": "fc00:f853:ccd:e793::3"}
                ],
                "images": [{"names": ["busybox"], "sizeBytes": 1}]
            }
        }));
        assert_eq!(
            node,
            Node {
                name: "worker".into(),
                addresses: vec![
                    "172.18.0.3".parse().unwrap(),
                    "fc00:f853:ccd:e793::3".parse().unwrap()
                ],
                pod_cidrs: vec![
                    "10.244.1.0/24".parse().unwrap(),
                    "fd00:10:244:1::/64".parse().unwrap()
                ],
            }
        );
        assert_eq!(unreadable, None);
    }

    #[test]
    fn of_several_internal_addresses_of_a_family_the_first_counts() {
        let (node, _) = single(json!({
            "metadata": {"name": "a"},
            "status": {"addresses": [
                {"type": "InternalIP", "address": "10.0.0.7"},
                {"type": "InternalIP", "address": "10.0.9.7"},
                {"type": "InternalIP", "address": "fd00::7"},
                {"type": "InternalIP", "address": "fd00::8"}
            ]}
        }));
        let addresses: Vec<_> = node.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.7", "fd00::7"]);
    }

    #[test]
    fn a_node_that_just_registered_is_listed_without_what_it_lacks() {
        for value in [
            json!({"metadata": {"name": "new"}}),
            json!({"metadata": {"name": "new"}, "spec": {}, "status": {}}),
            json!({"metadata": {"name": "new"}, "spec": {"podCIDR": "", "podCIDRs": []}, "status": {"addresses": []}}),
        ] {
            let (node, unreadable) = single(value);
            assert!(node.addresses.is_empty() && node.pod_cidrs.is_empty());
            assert_eq!(unreadable, None);
        }
        let (node, _) =
            single(json!({"metadata": {"name": "old"}, "spec": {"podCIDR": "10.1.2.0/24"}}));
        assert_eq!(node.pod_cidrs, ["10.1.2.0/24".parse::<IpNet>().unwrap()]);
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named_and_the_rest_of_the_node_kept() {
        let (node, unreadable) = single(json!({
            "metadata": {"name": "a"},
            "spec": {"podCIDRs": ["10.244.1.0/33", "fd00::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
        }));
        assert_eq!(
            (node.addresses.len(), node.pod_cidrs),
            (1, vec!["fd00::/64".parse().unwrap()])
        );
        assert_eq!(
            unreadable.unwrap(),
            "node \"a\": its podCIDR \"10.244.1.0/33\" cannot be read; correct the Node object"
        );
    }

    #[test]
    fn lists_are_equal_whatever_the_order_of_events_and_heartbeats_do_not_change_them() {
        let node = |name: &str, heartbeat: &str| {
            object(json!({
                "metadata": {"name": name, "resourceVersion": heartbeat},
                "spec": {"podCIDRs": ["10.244.1.0/24"]},
                "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]}
            }))
        };
        let (mut one, mut other) = (Known::default(), Known::default());
        for (name, version) in [("b", "1"), ("a", "2"), ("gone", "3"), ("b", "4")] {
            one.apply(&node(name, version));
        }
        one.remove(&node("gone", "5"));
        for name in ["a", "b"] {
            other.apply(&node(name, "9"));
        }
        assert_eq!(one.list(&[]), other.list(&[]));
        let pod_network = ["10.244.0.0/16".parse().unwrap()];
        assert_eq!(one.list(&pod_network).pod_network, pod_network);
    }
}
