//! Properties of nodes and pods that a configuration decides, by name, each as one short value.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::change::{Arrival, Arrived, NodeLook, Property};
use flatnet_model::components::paths::CNI_NETWORKS;
use flatnet_model::kernel::Link;
use flatnet_model::probe::Facts;
use flatnet_model::reference::Endpoint;
use flatnet_model::snapshot::PodSnapshot;
use serde_json::Value;

use crate::checks::{is_link_local, route_words};

/// By name.
pub type Properties = BTreeMap<String, String>;

/// What is not there.
const ABSENT: &str = "absent";

/// Of a node.
pub fn of_node(look: &NodeLook) -> Properties {
    let mut all = Properties::new();
    let facts = &look.facts;
    conflist(look, &mut all);
    all.insert("podCIDRs of the node".to_owned(), joined(&look.pod_cidrs));
    for link in facts.links.iter().filter(|link| is_of_node(link)) {
        let name = &link.name;
        all.insert(format!("MTU of {name}"), link.mtu.to_string());
        let addresses: Vec<String> = facts
            .addresses_of(link)
            .map(|address| address.net.to_string())
            .collect();
        all.insert(format!("addresses of {name}"), joined(&addresses));
        if let Some(vxlan) = &link.vxlan {
            all.insert(format!("VNI of {name}"), vxlan.vni.to_string());
        }
    }
    // Neither defaults, nor single addresses, nor what every interface with IPv6 has.
    let to_pods = |dst: &ipnet::IpNet| {
        let is_network = dst.prefix_len() > 0 && dst.prefix_len() < dst.max_prefix_len();
        is_network && !is_link_local(dst.addr())
    };
    for route in facts.routes.iter().filter(|route| to_pods(&route.dst)) {
        let words = route_words(route, facts);
        let way = words.split_once(' ').map_or("", |(_, way)| way);
        let entry = all.entry(format!("route to {}", route.dst)).or_default();
        if !entry.is_empty() {
            entry.push_str(" and ");
        }
        entry.push_str(way.split(" proto").next().unwrap_or(way));
    }
    all.insert("nftables tables".to_owned(), joined(&look.tables));
    for (name, digest) in &look.digests {
        let short = digest.get(..12).unwrap_or(digest);
        all.insert(format!("program {name}"), format!("sha256 {short}"));
    }
    for argv in &look.agents {
        all.extend(options(argv));
    }
    all
}

/// `--mtu=1400`, `--mtu 1400` and `--no-masquerade`, each by its name.
pub(super) fn options(argv: &[String]) -> Properties {
    let mut all = Properties::new();
    let mut words = argv.iter().skip(1).peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--") else {
            continue;
        };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let value = words.next_if(|next| !next.starts_with("--")).cloned();
                (option, value.unwrap_or_else(|| "given".to_owned()))
            }
        };
        all.insert(format!("--{name} of flatnet-agent"), value);
    }
    all
}

fn is_of_node(link: &Link) -> bool {
    link.kind != "veth" && link.name != "lo"
}

fn joined<T: ToString>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    }
}

/// The file in use, which is the first, and everything in it.
fn conflist(look: &NodeLook, all: &mut Properties) {
    let in_use = conflist_in_use(look);
    let name = in_use.as_ref().map_or(ABSENT, |(name, _)| name);
    all.insert("conflist in use".to_owned(), name.to_owned());
    if let Some((_, Some(value))) = in_use {
        flatten("conflist", &value, all);
    }
}

/// The file in use, and what is in it where that is JSON.
pub(super) fn conflist_in_use(look: &NodeLook) -> Option<(&str, Option<Value>)> {
    let configures = |name: &str| {
        [".conf", ".conflist", ".json"]
            .iter()
            .any(|ending| name.ends_with(ending))
    };
    let file = look.cni.conf.iter().find(|file| configures(&file.name))?;
    let text = file.content.as_ref().ok();
    let value = text.and_then(|text| serde_json::from_str(text).ok());
    Some((&file.name, value))
}

/// `conflist plugins[0].mtu` = `1450`. A plugin of the chain is known by its type.
pub(super) fn flatten(path: &str, value: &Value, all: &mut Properties) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let separator = if path == "conflist" { ' ' } else { '.' };
                flatten(&format!("{path}{separator}{key}"), value, all);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                let name = item["type"].as_str().map(str::to_owned);
                let name = name.unwrap_or_else(|| index.to_string());
                flatten(&format!("{path}[{name}]"), item, all);
            }
        }
        Value::String(text) => drop(all.insert(path.to_owned(), text.clone())),
        other => drop(all.insert(path.to_owned(), other.to_string())),
    }
}

/// Of a pod, from inside, and from its node.
pub fn of_pod(pod: &PodSnapshot, inside: &Facts, node: Option<&NodeLook>) -> Properties {
    let mut all = Properties::new();
    let Some(link) = inside.link_named("eth0") else {
        return all;
    };
    all.insert("MTU of eth0".to_owned(), link.mtu.to_string());
    let ranges: BTreeSet<String> = inside
        .addresses_of(link)
        .map(|address| address.net)
        // Where it is the pod's address alone, the range is its node's.
        .filter(|net| net.prefix_len() < net.max_prefix_len())
        .map(|net| net.trunc().to_string())
        .collect();
    if !ranges.is_empty() {
        let ranges = Vec::from_iter(ranges);
        all.insert("range of its addresses".to_owned(), joined(&ranges));
    }
    for route in inside
        .routes
        .iter()
        .filter(|route| route.dst.prefix_len() == 0)
    {
        let gateway = route
            .gateway
            .map_or("none".to_owned(), |via| via.to_string());
        all.insert(format!("gateway of {}", route.dst), gateway);
    }
    let Some(node) = node else { return all };
    let port = node.facts.links.iter().find(|port| {
        port.kind == "veth" && port.link_netnsid.is_some() && link.link == Some(port.index)
    });
    if let Some(port) = port {
        let bridge = node.facts.link(port.master);
        let bridge = bridge.map_or("none", |bridge| &bridge.name);
        all.insert("bridge".to_owned(), bridge.to_owned());
        let hairpin = port.port.as_ref().is_some_and(|port| port.hairpin);
        let hairpin = if hairpin { "on" } else { "off" };
        all.insert("hairpin of its port".to_owned(), hairpin.to_owned());
    }
    let reserved = |ip: &std::net::IpAddr| {
        let named = |names: &Vec<String>| names.contains(&ip.to_string());
        let mut folders = node.folders.iter();
        let (path, _) =
            folders.find(|(path, names)| path.starts_with(CNI_NETWORKS) && named(names))?;
        path.rsplit('/').next()
    };
    let network = pod.ips.iter().find_map(reserved).unwrap_or("none");
    all.insert("network of its reservation".to_owned(), network.to_owned());
    all
}

/// Where it has come to, of what differs between `before` and `wanted` or is neither; nothing where the two do not differ.
pub fn arrived(
    at: Endpoint,
    before: &Properties,
    now: &Properties,
    wanted: &Properties,
) -> Option<Arrived> {
    let names: BTreeSet<&String> = before
        .keys()
        .chain(now.keys())
        .chain(wanted.keys())
        .collect();
    let value =
        |of: &Properties, name: &String| of.get(name).cloned().unwrap_or_else(|| ABSENT.to_owned());
    let properties = names.into_iter().filter_map(|name| {
        let (before, now, wanted) = (value(before, name), value(now, name), value(wanted, name));
        // A program that nothing names any more is left, and no part of the configuration.
        let is_left = name.starts_with("program ") && wanted == ABSENT;
        if is_left || before == wanted && now == wanted {
            return None;
        }
        let arrival = if now == wanted {
            Arrival::InEffect
        } else if now == before {
            Arrival::Old
        } else {
            Arrival::Neither
        };
        Some(Property {
            what: name.clone(),
            before,
            now,
            wanted,
            arrival,
        })
    });
    let properties: Vec<Property> = properties.collect();
    (!properties.is_empty()).then_some(Arrived { at, properties })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::change) fn properties(pairs: &[(&str, &str)]) -> Properties {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_what_the_two_configurations_do_differently_is_told_with_where_it_stands() {
        let before = properties(&[
            ("mtu", "1500"),
            ("bridge", "cni0"),
            ("hairpin", "on"),
            ("vni", "1"),
        ]);
        let now = properties(&[
            ("mtu", "1400"),
            ("bridge", "cni0"),
            ("hairpin", "on"),
            ("vni", "7"),
        ]);
        let wanted = properties(&[("mtu", "1400"), ("bridge", "cni0"), ("hairpin", "off")]);
        let at = Endpoint::Node("node1".to_owned());
        let arrived = arrived(at.clone(), &before, &now, &wanted).unwrap();
        let told: Vec<(&str, Arrival)> = arrived
            .properties
            .iter()
            .map(|property| (property.what.as_str(), property.arrival))
            .collect();
        assert_eq!(
            told,
            [
                ("hairpin", Arrival::Old),
                ("mtu", Arrival::InEffect),
                ("vni", Arrival::Neither)
            ]
        );
        assert_eq!(arrived.properties[2].wanted, "absent");
        assert_eq!(super::arrived(at, &before, &before, &before), None);
    }

    #[test]
    fn options_are_told_apart_by_their_names() {
        let argv = [
            "agent",
            "--node",
            "n",
            "--mtu=1400",
            "--no-masquerade",
            "--vni",
            "7",
        ];
        let all = options(&argv.map(str::to_owned));
        let told: Vec<(&str, &str)> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("--mtu of flatnet-agent", "1400"),
                ("--no-masquerade of flatnet-agent", "given"),
                ("--node of flatnet-agent", "n"),
                ("--vni of flatnet-agent", "7"),
            ]
        );
    }

    #[test]
    fn a_conflist_is_told_apart_by_its_fields() {
        let mut all = Properties::new();
        let text = r#"{"name":"n","plugins":[{"type":"bridge","mtu":1400,"ipam":{"ranges":[[{"subnet":"10.1.0.0/24"}]]}},{"type":"portmap"}],"disableCheck":true}"#;
        flatten("conflist", &serde_json::from_str(text).unwrap(), &mut all);
        assert_eq!(all["conflist name"], "n");
        assert_eq!(all["conflist plugins[bridge].mtu"], "1400");
        assert_eq!(all["conflist plugins[portmap].type"], "portmap");
        assert_eq!(all["conflist disableCheck"], "true");
        assert!(all["conflist plugins[bridge].ipam.ranges"].contains("10.1.0.0/24"));
    }
}
