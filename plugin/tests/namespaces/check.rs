//! CHECK: green after ADD, and every kind of damage is named.
use std::fs;

use serde_json::{Value, json};

use crate::world::{Pod, World, isolated};

/// Does damage, verifies that CHECK names it and nothing else, then undoes it.
#[track_caller]
fn damage(
    world: &World,
    pod: &Pod,
    conf: &Value,
    result: &Value,
    harm: &dyn Fn(),
    repair: &dyn Fn(),
    words: &[&str],
) {
    world.check("c1", pod, conf, result).ok();
    harm();
    let details = world.check("c1", pod, conf, result).error(105);
    let problems: Vec<&str> = details.split("; ").collect();
    assert_eq!(problems.len(), words.len(), "{details}");
    for (problem, words) in problems.iter().zip(words) {
        assert!(problem.contains(words), "{problem:?} lacks {words:?}");
    }
    repair();
}

#[test]
fn each_damage_in_the_pod_is_named() {
    isolated("check::each_damage_in_the_pod_is_named", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({})));
        let result = world.add("c1", &pod, &conf);
        let in_pod = |harm: &'static str, repair: &'static [&'static str], words: &[&str]| {
            let repair = || repair.iter().for_each(|line| drop(pod.ip(line)));
            damage(
                world,
                &pod,
                &conf,
                &result,
                &|| drop(pod.ip(harm)),
                &repair,
                words,
            );
        };
        in_pod(
            "link set eth0 mtu 1400",
            &["link set eth0 mtu 1500"],
            &["eth0 has MTU 1400 in the container, not 1500"],
        );
        in_pod(
            "route del default",
            &["route add default via 10.244.1.1"],
            &["the container has no route 0.0.0.0/0 via 10.244.1.1 dev eth0"],
        );
        in_pod(
            "neigh change 10.244.1.1 dev eth0 lladdr 02:00:00:00:00:01 nud permanent",
            &["neigh change 10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 nud permanent"],
            &[
                "the container has no permanent neighbour 10.244.1.1 lladdr 0a:58:0a:f4:01:01 dev eth0 (found: 02:00:00:00:00:01 PERMANENT)",
            ],
        );
        in_pod(
            "neigh del 10.244.1.1 dev eth0",
            &["neigh add 10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 nud permanent"],
            &["(found: none)"],
        );
        in_pod(
            "addr del 10.244.1.2/32 dev eth0",
            &[
                "addr add 10.244.1.2/32 dev eth0",
                "route add 10.244.1.1 dev eth0",
                "route add default via 10.244.1.1",
                "neigh add 10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 nud permanent",
            ],
            // The kernel forgets an interface's routes and neighbours with its last address.
            &[
                "eth0 lacks address 10.244.1.2/32 (it has none)",
                "the container has no route 10.244.1.1/32 dev eth0",
                "the container has no route 0.0.0.0/0 via 10.244.1.1 dev eth0",
                "the container has no permanent neighbour 10.244.1.1",
            ],
        );
        in_pod(
            "link set eth0 address 02:00:00:00:00:02",
            &[
                "link set eth0 address 0a:58:0a:f4:01:02",
                "neigh add 10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 nud permanent",
            ],
            // The kernel forgets an interface's neighbours with its MAC.
            &[
                "eth0 has MAC 02:00:00:00:00:02, not 0a:58:0a:f4:01:02",
                "the container has no permanent neighbour 10.244.1.1",
                "the node has no permanent neighbour 10.244.1.2",
            ],
        );
        in_pod(
            "link del eth0",
            &[],
            &[
                "eth0 is missing in the container",
                "the node's end of eth0, is missing",
            ],
        );
    });
}

#[test]
fn each_damage_on_the_node_is_named() {
    isolated("check::each_damage_on_the_node_is_named", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({"ipMasq": true})));
        let result = world.add("c1", &pod, &conf);
        let veth = result["interfaces"][1]["name"].as_str().unwrap();
        let reservation = world.data_dir().join("net/10.244.1.2");
        let on_node = |harm: &str, repair: &[&str], words: &[&str]| {
            let repair = || repair.iter().for_each(|line| drop(world.ip(line)));
            damage(
                world,
                &pod,
                &conf,
                &result,
                &|| drop(world.ip(harm)),
                &repair,
                words,
            );
        };
        on_node(
            "addr del 10.244.1.1/24 dev cni0",
            &[
                "addr add 10.244.1.1/24 dev cni0",
                "neigh add 10.244.1.2 dev cni0 lladdr 0a:58:0a:f4:01:02 nud permanent",
            ],
            // The kernel forgets an interface's neighbours with its last address.
            &[
                "bridge cni0 lacks the gateway address 10.244.1.1/24",
                "the node has no permanent neighbour 10.244.1.2",
            ],
        );
        on_node(
            &format!("link set {veth} nomaster"),
            &[
                &format!("link set {veth} master cni0"),
                &format!("link set {veth} type bridge_slave hairpin on"),
            ],
            &[&format!("{veth} is not a port of bridge cni0")],
        );
        on_node(
            &format!("link set {veth} type bridge_slave hairpin off"),
            &[&format!("link set {veth} type bridge_slave hairpin on")],
            &[&format!(
                "hairpin is off on {veth}, the configuration says on"
            )],
        );
        on_node(
            &format!("link set {veth} mtu 1400"),
            &[&format!("link set {veth} mtu 1500")],
            // A bridge whose MTU was never set has the smallest of its ports' (br_mtu_auto_adjust).
            &[
                "bridge cni0 has MTU 1400, less than the 1500 of the container's interface",
                &format!("{veth} has MTU 1400, not 1500"),
            ],
        );
        on_node(
            "link set cni0 mtu 1400",
            &["link set cni0 mtu 1500"],
            &["bridge cni0 has MTU 1400, less than the 1500 of the container's interface"],
        );
        on_node(
            "route add blackhole 10.244.1.2",
            &["route del blackhole 10.244.1.2"],
            &["the node's route to 10.244.1.2 ends with: "],
        );
        on_node(
            "route add 10.244.1.2 dev lo",
            &["route del 10.244.1.2 dev lo"],
            &["the node's route to 10.244.1.2 does not lead to bridge cni0"],
        );
        on_node(
            &format!("link set {veth} down"),
            &[&format!("link set {veth} up")],
            &[&format!("{veth} is down")],
        );
        on_node(
            "neigh del 10.244.1.2 dev cni0",
            &["neigh add 10.244.1.2 dev cni0 lladdr 0a:58:0a:f4:01:02 nud permanent"],
            &["the node has no permanent neighbour 10.244.1.2"],
        );
        let file = |harm: &dyn Fn(), words: &[&str]| {
            let content = fs::read(&reservation).unwrap();
            damage(
                world,
                &pod,
                &conf,
                &result,
                harm,
                &|| fs::write(&reservation, &content).unwrap(),
                words,
            );
        };
        file(
            &|| fs::remove_file(&reservation).unwrap(),
            &["10.244.1.2 is not reserved"],
        );
        file(
            &|| fs::write(&reservation, r#"{"containerID":"c9","ifname":"eth0"}"#).unwrap(),
            &["10.244.1.2 is reserved for container c9 interface eth0"],
        );
        let sysctl = "/proc/sys/net/ipv4/ip_forward";
        damage(
            world,
            &pod,
            &conf,
            &result,
            &|| fs::write(sysctl, "0").unwrap(),
            &|| fs::write(sysctl, "1").unwrap(),
            &["sysctl net/ipv4/ip_forward is 0"],
        );
        on_node(
            "link set cni0 down",
            &[
                "link set cni0 up",
                "neigh add 10.244.1.2 dev cni0 lladdr 0a:58:0a:f4:01:02 nud permanent",
            ],
            &[
                "bridge cni0 is down",
                "the node has no permanent neighbour 10.244.1.2",
            ],
        );
        world.nft("delete table inet flatnet_net");
        let details = world.check("c1", &pod, &conf, &result).error(105);
        assert_eq!(details, "nftables table inet flatnet_net is missing");
        world.ip("link del cni0");
        let details = world.check("c1", &pod, &conf, &result).error(105);
        assert!(details.starts_with("bridge cni0 is missing; "), "{details}");
    });
}

#[test]
fn what_later_plugins_changed_is_not_held_against_us() {
    isolated(
        "check::what_later_plugins_changed_is_not_held_against_us",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            let mut result = world.add("c1", &pod, &conf);
            // A route taken out of the result as well as out of the pod, and things of others added.
            pod.ip("route del default");
            result["routes"] = json!([{"dst": "10.244.1.1/32", "scope": 253}, {"dst": "198.51.100.0/24", "gw": "192.0.2.1"}]);
            result["interfaces"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "other0"}));
            result["ips"]
                .as_array_mut()
                .unwrap()
                .push(json!({"interface": 3, "address": "192.0.2.9/24"}));
            world.check("c1", &pod, &conf, &result).ok();
        },
    );
}

#[test]
fn a_result_without_our_interface_is_refused() {
    isolated(
        "check::a_result_without_our_interface_is_refused",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            let mut result = world.add("c1", &pod, &conf);
            result["interfaces"][2]["name"] = json!("eth7");
            let details = world.check("c1", &pod, &conf, &result).error(105);
            assert_eq!(details, "prevResult has no interface eth0 with a sandbox");
            result["interfaces"] = json!("rubbish");
            world.check("c1", &pod, &conf, &result).error(7);
        },
    );
}
