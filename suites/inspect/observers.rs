//! What iproute2 and the plugins themselves say.
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lab::TestLab;

const NODES: [&str; 2] = ["node1", "node2"];

fn routed(test: &str) -> TestLab {
    TestLab::boot(test, &["--underlay", "routed"])
}

#[test]
fn interfaces_of_nodes_are_those_of_ip_addr() {
    let lab = routed("nodes");
    for node in NODES {
        let told = &lab.facts("nodes", "interface", node)[0];
        let seen = &lab.list(node, "ip -j addr show dev eth0")[0];
        let address = seen["addr_info"]
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["family"] == "inet")
            .unwrap();
        assert_eq!(told.about, "eth0");
        assert_eq!(
            told.values["address"],
            format!(
                "{}/{}",
                address["local"].as_str().unwrap(),
                address["prefixlen"]
            )
        );
        assert_eq!(
            (&told.values["mac"], &told.values["mtu"]),
            (&seen["address"], &seen["mtu"])
        );
        // 172.18.N.0/24: 8 bits for hosts, and two of those addresses are no host's.
        assert_eq!(
            (&told.values["host-bits"], &told.values["host-addresses"]),
            (&json!(8), &json!(254))
        );
    }
}

#[test]
fn bridges_and_the_pods_behind_their_ports_are_those_that_the_pods_themselves_tell() {
    let lab = routed("bridges");
    for node in NODES {
        let bridge = &lab.facts("bridges", "bridge", node)[0];
        let seen = &lab.list(node, "ip -j addr show type bridge")[0];
        let ports = lab.list(node, "bridge -j -d link show");
        assert_eq!(
            (
                &bridge.about,
                &bridge.values["mtu"],
                &bridge.values["state"]
            ),
            (
                &seen["ifname"].as_str().unwrap().to_owned(),
                &seen["mtu"],
                &seen["operstate"]
            )
        );
        assert_eq!(bridge.values["ports"], json!(ports.len()));
        let told = lab.facts("bridges", "port", node);
        assert_eq!(told.len(), 2);
        for port in told {
            let pod = port.values["pod"]
                .as_str()
                .unwrap()
                .strip_prefix("default/")
                .unwrap()
                .to_owned();
            // busybox's sysfs in the pod: the index of the other end, here on the node.
            let other_end = lab.exec(&pod, "cat /sys/class/net/eth0/iflink");
            let index = lab.exec(node, &format!("cat /sys/class/net/{}/ifindex", port.about));
            assert_eq!(other_end, index, "{pod} behind {}", port.about);
            let hairpin = ports
                .iter()
                .find(|p| p["ifname"] == port.about.as_str())
                .unwrap();
            assert_eq!(port.values["hairpin"], hairpin["hairpin"]);
        }
    }
}

#[test]
fn routes_are_all_those_of_ip_route() {
    let lab = routed("routes");
    for node in NODES {
        let (facts, _) = lab.ask("node-routes");
        let told: BTreeSet<(String, String, String)> = facts
            .iter()
            .filter(|fact| fact.node.as_deref() == Some(node))
            .map(|fact| {
                (
                    fact.about.clone(),
                    fact.values["device"].to_string(),
                    fact.values["gateway"].to_string(),
                )
            })
            .collect();
        let seen: BTreeSet<(String, String, String)> = lab
            .list(node, "ip -j route")
            .iter()
            .map(|route| {
                (
                    route["dst"].as_str().unwrap().to_owned(),
                    route["dev"].to_string(),
                    route["gateway"].to_string(),
                )
            })
            .collect();
        assert_eq!(told, seen);
    }
    let to_other = &lab.facts("node-routes", "pod-route", "node1")[1];
    assert_eq!(
        (&to_other.values["onlink"], &to_other.values["pods-of"]),
        (&json!(true), &json!("node2"))
    );
}

#[test]
fn listeners_are_those_of_ss_with_their_programs() {
    let lab = routed("listeners");
    let mut server = Command::new(env!("CARGO_BIN_EXE_flatnet"))
        .args([
            "exec",
            "--name",
            &lab.name,
            "node1",
            "--",
            "/.busybox/nc",
            "-l",
            "-p",
            "7777",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    lab.await_that("nc listens", || {
        lab.exec("node1", "ss -Htln").contains(":7777")
    });
    let told = lab.facts("listeners", "listener", "node1");
    let seen: BTreeSet<String> = lab
        .exec("node1", "ss -Htuln")
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // ss has an asterisk for an IPv6 socket that takes IPv4 too.
            format!("{} {}", words[0], words[4].replace('*', "[::]"))
        })
        .collect();
    assert_eq!(
        told.iter()
            .map(|fact| fact.about.clone())
            .collect::<BTreeSet<_>>(),
        seen
    );
    let nc = told
        .iter()
        .find(|fact| fact.values["port"] == 7777)
        .unwrap();
    assert_eq!(
        (&nc.values["program"], &nc.values["bound-to"]),
        (&json!("nc"), &json!("every address"))
    );
    let vxlan = told
        .iter()
        .find(|fact| fact.values["port"] == 8472)
        .unwrap();
    assert_eq!(vxlan.values["program"], "kernel");
    // Another node's namespace is not this one's.
    assert!(
        lab.facts("listeners", "listener", "node2")
            .iter()
            .all(|fact| fact.values["port"] != 7777)
    );
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn ranges_are_those_of_the_nodes_and_of_the_lab() {
    let lab = routed("ranges");
    let (facts, problems) = lab.ask("ranges");
    let of = |whose: &str| -> BTreeSet<String> {
        facts
            .iter()
            .filter(|fact| fact.values.get("of").is_some_and(|of| of == whose))
            .map(|fact| fact.about.clone())
            .collect()
    };
    let kernel: BTreeSet<String> = NODES
        .iter()
        .flat_map(|node| lab.list(node, "ip -j route show dev eth0 proto kernel"))
        .map(|route| route["dst"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of("nodes"), kernel);
    for node in NODES {
        let bridge = &lab.list(node, "ip -j route show dev cni0 proto kernel")[0];
        assert_eq!(
            of(&format!("pods of {node}")),
            [bridge["dst"].as_str().unwrap().to_owned()].into()
        );
    }
    assert!(
        problems
            .iter()
            .all(|problem| problem.about == "service ranges"),
        "{problems:?}"
    );
}

#[test]
fn plugins_tell_the_versions_that_they_answer_themselves() {
    let lab = routed("plugins");
    let (facts, _) = lab.ask("plugins");
    let names: BTreeSet<String> = facts
        .iter()
        .filter(|fact| fact.node.as_deref() == Some("node1"))
        .map(|fact| fact.about.clone())
        .collect();
    assert_eq!(
        names,
        lab.exec("node1", "ls /opt/cni/bin")
            .lines()
            .map(str::to_owned)
            .collect()
    );
    for fact in facts
        .iter()
        .filter(|fact| fact.node.as_deref() == Some("node1"))
    {
        let said = lab.exec(
            "node1",
            &format!(
                "echo '{{\"cniVersion\":\"1.0.0\"}}' | CNI_COMMAND=VERSION /opt/cni/bin/{}",
                fact.about
            ),
        );
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            fact.values["cni-versions"], said["supportedVersions"],
            "{}",
            fact.about
        );
    }
    let own = facts
        .iter()
        .find(|fact| fact.about == "flatnet-cni")
        .unwrap();
    assert_eq!(
        (&own.values["needed-by"], &own.values["version"]),
        (
            &json!("10-flatnet.conflist"),
            &json!(env!("CARGO_PKG_VERSION"))
        )
    );
}

#[test]
fn the_configuration_in_use_is_reported_key_by_key() {
    let lab = routed("config");
    for node in NODES {
        let file: Value =
            serde_json::from_str(&lab.exec(node, "cat /etc/cni/net.d/10-flatnet.conflist"))
                .unwrap();
        let keys = lab.facts("cni-config", "key", node);
        let value = |path: &str| {
            keys.iter()
                .find(|fact| fact.about == path)
                .map(|fact| fact.values["value"].clone())
                .unwrap_or_default()
        };
        assert_eq!(value("cniVersion"), file["cniVersion"]);
        let plugin = &file["plugins"][0];
        for (path, expected) in [
            ("plugins[0].type", &plugin["type"]),
            ("plugins[0].hairpinMode", &plugin["hairpinMode"]),
            ("plugins[0].isDefaultGateway", &plugin["isDefaultGateway"]),
            ("plugins[0].mtu", &plugin["mtu"]),
            ("plugins[0].podNetwork", &plugin["podNetwork"]),
            (
                "plugins[0].ipam.ranges[0][0].subnet",
                &plugin["ipam"]["ranges"][0][0]["subnet"],
            ),
        ] {
            assert!(
                !expected.is_null() && value(path) == *expected,
                "{path}: {}",
                value(path)
            );
        }
    }
}

#[test]
fn the_add_on_is_reported_with_its_agents_and_tunnels() {
    let lab = routed("addon");
    for node in NODES {
        assert_eq!(lab.facts("addon", "add-on", node)[0].about, "flatnet");
        let agent = &lab.facts("addon", "agent", node)[0];
        let comm = lab.exec(node, &format!("cat /proc/{}/comm", agent.values["pid"]));
        assert_eq!(comm.trim(), "flatnet-agent");
        let tunnel = &lab.facts("addon", "tunnel", node)[0];
        let seen = &lab.list(node, "ip -j -d link show type vxlan")[0];
        let data = &seen["linkinfo"]["info_data"];
        assert_eq!(
            (tunnel.about.as_str(), &tunnel.values["mtu"]),
            (seen["ifname"].as_str().unwrap(), &seen["mtu"])
        );
        assert_eq!(
            (
                &tunnel.values["vni"],
                &tunnel.values["port"],
                &tunnel.values["local"]
            ),
            (&data["id"], &data["port"], &data["local"])
        );
    }
}

#[test]
fn gateways_are_those_that_pods_have() {
    let lab = routed("gateway");
    for node in NODES {
        let pods = lab.facts("pod-gateway", "pod", node);
        assert_eq!(pods.len(), 2);
        let bridge = lab.exec(node, "ip -o -4 addr show type bridge");
        for pod in pods {
            let name = pod.about.strip_prefix("default/").unwrap();
            let route = lab.exec(name, "ip route");
            let gateway = route
                .lines()
                .find_map(|line| line.strip_prefix("default via "))
                .unwrap()
                .split(' ')
                .next()
                .unwrap();
            assert_eq!(pod.values["gateway"], json!([gateway]));
            assert_eq!(
                pod.values["agrees"],
                bridge.contains(&format!("inet {gateway}/"))
            );
            let told: BTreeSet<String> = pod.values["routes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r.as_str().unwrap().to_owned())
                .collect();
            assert_eq!(told.len(), route.lines().count(), "{told:?}\n{route}");
        }
    }
}
