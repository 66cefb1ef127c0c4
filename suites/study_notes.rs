//! A person's session on a cluster, row by row: what was read off a terminal there is asserted here on the cluster at hand, between
//! `flatnet inspect` and the commands that person typed. A lab of this process by default; with `FLATNET_CLUSTER` the cluster
//! of that name, a lab or one of kind, where the rows about a control plane exist too.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#[path = "study_notes/cluster.rs"]
mod cluster;
#[path = "study_notes/control_plane.rs"]
mod control_plane;
#[path = "diagnose/first.rs"]
mod first;
#[path = "study_notes/story.rs"]
mod story;

use std::collections::BTreeSet;

use cluster::{Seen, flatten, scene, text};
use flatnet_model::inspection::Source;
use ipnet::IpNet;
use rstest::rstest;
use serde_json::{Value, json};

/// «Every pod has an IP address»: as the pod itself tells, and no two the same.
#[rstest]
fn every_pod_has_an_ip_of_its_own(scene: Seen) {
    let mut seen = BTreeSet::new();
    for pod in scene.pods() {
        let address = scene.in_pod(&pod, "ip -4 addr show dev eth0");
        let own = address
            .lines()
            .find_map(|line| line.trim().strip_prefix("inet "))
            .and_then(|rest| rest.split(['/', ' ']).next())
            .unwrap_or_else(|| panic!("{pod}: {address}"))
            .to_owned();
        assert_eq!(scene.ip_of(&pod), own);
        assert!(seen.insert(own), "{pod} shares its address");
    }
    assert!(seen.len() >= 4);
}

/// `kubectl get nodes -o wide`, `ip addr`: INTERNAL-IP, and the interface that holds it with its MAC and MTU.
#[rstest]
fn internal_ips_and_the_interfaces_that_hold_them(scene: Seen) {
    for node in scene.nodes() {
        let told = scene.node(&node);
        let interface = scene.one("nodes", "interface", &node);
        let links = scene.json(&node, "ip -j addr");
        let ip = told.values["internal-ip"].to_string();
        let (link, address) = links
            .iter()
            .flat_map(|link| {
                link["addr_info"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(move |a| (link, a))
            })
            .find(|(_, address)| ip.contains(text(&address["local"])))
            .unwrap_or_else(|| panic!("{node}: no interface with {ip}: {links:?}"));
        assert_eq!(interface.about, text(&link["ifname"]));
        assert_eq!(interface.values["mac"], link["address"]);
        assert_eq!(interface.values["mtu"], link["mtu"]);
        let prefix = address["prefixlen"].as_u64().unwrap();
        // The host part of the range, and all its addresses but the first and the last.
        assert_eq!(interface.values["host-bits"], json!(32 - prefix));
        assert_eq!(
            interface.values["host-addresses"],
            json!((1_u64 << (32 - prefix)) - 2)
        );
        assert_eq!(told.values["kernel"], scene.on(&node, "uname -r").trim());
    }
}

/// `ip addr show type bridge`: which there are, their state, MTU and address.
#[rstest]
fn bridges(scene: Seen) {
    for node in scene.nodes() {
        let seen = scene.json(&node, "ip -j -4 addr show type bridge");
        // ip lists an empty object for each link it leaves out.
        let seen: Vec<&Value> = seen
            .iter()
            .filter(|link| !link["ifname"].is_null())
            .collect();
        let told = scene.facts("bridges", "bridge", &node);
        assert_eq!(told.len(), seen.len(), "{told:?} {seen:?}");
        for link in seen {
            let bridge = told.iter().find(|fact| fact.about == text(&link["ifname"]));
            let bridge = bridge.unwrap_or_else(|| panic!("{node}: {link}"));
            assert_eq!(bridge.values["state"], link["operstate"]);
            assert_eq!(bridge.values["mtu"], link["mtu"]);
            let address = &link["addr_info"][0];
            let held = format!("{}/{}", text(&address["local"]), address["prefixlen"]);
            assert!(
                bridge.values["address"].to_string().contains(&held),
                "{bridge:?} {link}"
            );
        }
    }
}

/// The pod behind each port of a bridge, as the pod's own interface names its other end.
#[rstest]
fn the_pod_behind_each_port(scene: Seen) {
    let mut found = 0;
    for node in scene.nodes() {
        for port in scene.facts("bridges", "port", &node) {
            let name = port.values["pod"].as_str().unwrap_or_default();
            // Other pods may have no shell.
            let Some(pod) = scene
                .pods()
                .into_iter()
                .find(|pod| scene.full_name(pod) == name)
            else {
                continue;
            };
            let other_end = scene.in_pod(&pod, "cat /sys/class/net/eth0/iflink");
            let index = scene.on(&node, &format!("cat /sys/class/net/{}/ifindex", port.about));
            assert_eq!(other_end, index, "{pod} behind {}", port.about);
            found += 1;
        }
    }
    assert_eq!(found, scene.pods().len(), "every pod is behind a port");
}

/// `ip route` on a node: the default route, and for the pods of every node a route with device, gateway and onlink.
#[rstest]
fn routes_of_nodes(scene: Seen) {
    for node in scene.nodes() {
        let seen = scene.json(&node, "ip -j -4 route");
        let told: Vec<_> = ["default-route", "pod-route", "other-route"]
            .iter()
            .flat_map(|topic| scene.facts("node-routes", topic, &node))
            .filter(|fact| fact.source == Source::Command("ip route".to_owned()))
            .collect();
        assert_eq!(told.len(), seen.len(), "{node}: {told:?} {seen:?}");
        for route in &seen {
            let dst = text(&route["dst"]);
            let fact = told
                .iter()
                .find(|fact| fact.about == dst && fact.values["device"] == route["dev"])
                .unwrap_or_else(|| panic!("{node}: {route} in {told:?}"));
            assert_eq!(fact.values["gateway"], route["gateway"], "{route}");
            let onlink = route["flags"].to_string().contains("onlink");
            assert_eq!(fact.values["onlink"], json!(onlink), "{route}");
        }
        let pods_of: BTreeSet<String> = scene
            .facts("node-routes", "pod-route", &node)
            .iter()
            .map(|fact| text(&fact.values["pods-of"]).to_owned())
            .collect();
        let others = scene.nodes().into_iter().filter(|other| *other != node);
        let expected: BTreeSet<String> = others.chain(["this node".to_owned()]).collect();
        assert_eq!(pods_of, expected);
    }
}

/// `ls /opt/cni/bin`: all there is, each asked for the versions it speaks, and those that the configuration needs.
#[rstest]
fn plugins(scene: Seen) {
    for node in scene.nodes() {
        let told = scene.facts("plugins", "plugin", &node);
        let names: BTreeSet<String> = told.iter().map(|fact| fact.about.clone()).collect();
        let seen: BTreeSet<String> = scene
            .on(&node, "find -L /opt/cni/bin -maxdepth 1 -type f -perm -u+x")
            .lines()
            .map(|path| path.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, seen);
        let needed = told
            .iter()
            .filter(|fact| !fact.values["needed-by"].is_null());
        let conf = scene.conf_in_use(&node).1;
        let types = conf["plugins"].as_array().unwrap();
        for plugin in types.iter().map(|plugin| text(&plugin["type"])) {
            assert!(
                needed.clone().any(|fact| fact.about == plugin),
                "{plugin}: {told:?}"
            );
        }
    }
}

/// `ls /etc/cni/net.d`, and `cat` of the first: which is in use, and every key of it.
#[rstest]
fn the_configuration_in_use_key_by_key(scene: Seen) {
    for node in scene.nodes() {
        let (name, conf) = scene.conf_in_use(&node);
        let files = scene.facts("cni-config", "file", &node);
        let in_use: Vec<&str> = files
            .iter()
            .filter(|fact| fact.values["in-use"] == true)
            .map(|fact| fact.about.as_str())
            .collect();
        assert_eq!(in_use, [name.as_str()]);
        let keys = scene.facts("cni-config", "key", &node);
        for (path, value) in flatten(&conf) {
            let told = keys
                .iter()
                .find(|fact| fact.about == path || path.starts_with(&format!("{}[", fact.about)));
            let told = told.unwrap_or_else(|| panic!("{node}: {path} is not explained: {keys:?}"));
            assert!(
                told.values["value"] == value
                    || told.values["value"]
                        .to_string()
                        .contains(value.to_string().trim_matches('"')),
                "{path}: {value} told as {told:?}"
            );
        }
    }
}

/// The add-on by its configuration, an agent on each node, its pod range and its tunnel.
#[rstest]
fn the_network_add_on(scene: Seen) {
    let ranges = ["pod-range", "node-subnet"].map(|topic| scene.all("addon", topic));
    assert!(
        ranges.iter().any(|facts| !facts.is_empty()),
        "the pods' range"
    );
    for node in scene.nodes() {
        let add_on = scene.one("addon", "add-on", &node);
        assert_eq!(add_on.values["network"], scene.conf_in_use(&node).1["name"]);
        assert_eq!(
            scene.facts("addon", "agent", &node).len(),
            1,
            "one agent on {node}"
        );
        // A node's own part of the range is what its bridge's address is in.
        let on_bridge = scene.on(&node, "ip -o -4 route show dev cni0 proto kernel");
        for subnet in scene.facts("addon", "node-subnet", &node) {
            let subnet: IpNet = subnet.about.parse().unwrap();
            assert!(
                on_bridge.contains(&subnet.trunc().to_string()),
                "{subnet}: {on_bridge}"
            );
        }
        let seen = scene.json(&node, "ip -j -d link show type vxlan");
        let seen: Vec<&Value> = seen
            .iter()
            .filter(|link| !link["ifname"].is_null())
            .collect();
        let told = scene.facts("addon", "tunnel", &node);
        assert_eq!(told.len(), seen.len());
        for (tunnel, link) in told.iter().zip(seen) {
            let data = &link["linkinfo"]["info_data"];
            assert_eq!(tunnel.about, text(&link["ifname"]));
            assert_eq!(
                [
                    &tunnel.values["mtu"],
                    &tunnel.values["vni"],
                    &tunnel.values["port"],
                    &tunnel.values["local"]
                ],
                [&link["mtu"], &data["id"], &data["port"], &data["local"]]
            );
        }
    }
}

/// `kubectl exec busybox -- ip route`: the pods' default gateway is an address of their node's bridge.
#[rstest]
fn the_default_gateway_of_pods(scene: Seen) {
    for pod in scene.pods() {
        let routes = scene.in_pod(&pod, "ip route");
        let gateway = routes
            .lines()
            .find_map(|line| line.strip_prefix("default via "))
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_else(|| panic!("{pod}: {routes}"));
        let node = scene.node_of(&pod);
        let bridges = scene.on(&node, "ip -o -4 addr show type bridge");
        let told = scene.facts("pod-gateway", "pod", &node);
        let told = told.iter().find(|fact| fact.about == scene.full_name(&pod));
        let told = told.unwrap_or_else(|| panic!("{pod} on {node}"));
        assert!(
            told.values["gateway"].to_string().contains(gateway),
            "{told:?}"
        );
        assert_eq!(
            told.values["agrees"],
            json!(bridges.contains(&format!(" {gateway}/")))
        );
        assert_eq!(told.values["agrees"], true, "{told:?}");
    }
}

/// `ip route get`: the way of a packet from a pod to one on another node, against the kernel's own choice on each node it passes.
#[rstest]
fn the_way_of_a_packet_to_another_node(scene: Seen) {
    let pods = scene.pods();
    let from = &pods[0];
    let here = scene.node_of(from);
    let to = pods.iter().find(|pod| scene.node_of(pod) != here).unwrap();
    let address = scene.ip_of(to);

    let trace = scene.trace(from, &address);

    let chosen = scene.json(&here, &format!("ip -j route get {address}"));
    let device = text(&chosen[0]["dev"]);
    let hops = trace.to_string();
    assert!(hops.contains(&format!("\"{device}\"")), "{device}: {hops}");
    assert!(hops.contains(&scene.node_of(to)), "{hops}");
    assert!(hops.contains("delivered"), "{hops}");
}
