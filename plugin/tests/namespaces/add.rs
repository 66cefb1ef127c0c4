//! ADD.
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::world::{Pod, World, addresses, isolated, names, neighbours, routes, triple};

/// Says `hello` from one pod to the other and returns the source address the listener saw.
fn talk(from: &Pod, to: &Pod, address: &str) -> String {
    let listener = to
        .within(|| TcpListener::bind(SocketAddr::new(address.parse().unwrap(), 0)))
        .unwrap();
    let target = listener.local_addr().unwrap();
    let client = std::thread::spawn({
        let path = from.path();
        move || {
            let file = fs::File::open(path).unwrap();
            let stream = flatnet_netlink::netns::within(std::os::fd::AsFd::as_fd(&file), || {
                TcpStream::connect(target)
            });
            stream.unwrap().unwrap().write_all(b"hello").unwrap();
        }
    });
    let (mut stream, peer) = listener.accept().unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    client.join().unwrap();
    assert_eq!(text, "hello");
    peer.ip().to_string()
}

#[test]
fn a_pod_gets_what_the_result_says() {
    isolated("add::a_pod_gets_what_the_result_says", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({"mtu": 1450})));
        let result = world.add("c1", &pod, &conf);
        let veth = world.veths().remove(0);
        let host_mac = &world.ip(&format!("link show {veth}"))[0]["address"];
        assert_eq!(
            result,
            json!({
                "cniVersion": "1.1.0",
                "interfaces": [
                    {"name": "cni0", "mac": "0a:58:0a:f4:01:01", "mtu": 1450},
                    {"name": veth, "mac": host_mac, "mtu": 1450},
                    {"name": "eth0", "mac": "0a:58:0a:f4:01:02", "mtu": 1450, "sandbox": pod.path()},
                ],
                "ips": [{"interface": 2, "address": "10.244.1.2/32", "gateway": "10.244.1.1"}],
                "routes": [{"dst": "10.244.1.1/32", "scope": 253}, {"dst": "0.0.0.0/0", "gw": "10.244.1.1"}],
            })
        );

        let link = &pod.ip("link show eth0")[0];
        assert_eq!(
            (&link["address"], &link["mtu"], &link["operstate"]),
            (&json!("0a:58:0a:f4:01:02"), &json!(1450), &json!("UP"))
        );
        assert_eq!(link["inet6_addr_gen_mode"], "none");
        assert_eq!(addresses(&pod.ip("addr"), "eth0"), ["10.244.1.2/32"]);
        assert_eq!(addresses(&pod.ip("addr"), "lo"), ["127.0.0.1/8", "::1/128"]);
        let expected = [
            triple("default", "10.244.1.1", "eth0"),
            triple("10.244.1.1", "", "eth0"),
        ];
        assert_eq!(routes(&pod.ip("route")), expected.into());
        let expected = [triple("10.244.1.1", "0a:58:0a:f4:01:01", "PERMANENT")];
        assert_eq!(neighbours(&pod.ip("neigh")), expected.into());

        let bridge = &world.ip("link show cni0")[0];
        assert_eq!(
            (&bridge["address"], &bridge["mtu"], &bridge["operstate"]),
            (&json!("0a:58:0a:f4:01:01"), &json!(1450), &json!("UP"))
        );
        assert_eq!(addresses(&world.ip("addr"), "cni0"), ["10.244.1.1/24"]);
        let port = &world.bridge("link")[0];
        assert_eq!(
            (
                &port["ifname"],
                &port["master"],
                &port["state"],
                &port["hairpin"]
            ),
            (
                &json!(veth),
                &json!("cni0"),
                &json!("forwarding"),
                &json!(true)
            )
        );
        assert_eq!(
            world.ip(&format!("link show {veth}"))[0]["inet6_addr_gen_mode"],
            "none"
        );
        let expected = [triple("10.244.1.2", "0a:58:0a:f4:01:02", "PERMANENT")];
        assert_eq!(
            neighbours(&world.ip("neigh show dev cni0")),
            expected.into()
        );
        for (key, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/cni0/send_redirects", "0"),
        ] {
            assert_eq!(
                fs::read_to_string(format!("/proc/sys/net/{key}"))
                    .unwrap()
                    .trim(),
                value,
                "{key}"
            );
        }
        assert_eq!(world.reservations(), ["10.244.1.2", "owner@c1@eth0"]);
    });
}

#[test]
fn both_families_work_from_the_start() {
    isolated("add::both_families_work_from_the_start", |world| {
        let (one, two, conf) = (world.pod(), world.pod(), world.dual(json!({})));
        // As a container engine without IPv6 leaves a sandbox.
        one.within(|| fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"))
            .unwrap();
        let result = world.add("c1", &one, &conf);
        assert_eq!(result["ips"][1]["address"], "fd00:10:244:1::2/128");
        assert_eq!(
            addresses(&one.ip("addr"), "eth0"),
            ["10.244.1.2/32", "fd00:10:244:1::2/128"]
        );
        let expected = [
            triple("default", "fd00:10:244:1::1", "eth0"),
            triple("fd00:10:244:1::1", "", "eth0"),
        ];
        assert_eq!(
            routes(&one.ip("-6 route show dev eth0"))
                .into_iter()
                .map(|(a, b, _)| triple(&a, &b, "eth0"))
                .collect::<BTreeSet<_>>(),
            expected.into()
        );
        assert_eq!(
            addresses(&world.ip("addr"), "cni0"),
            ["10.244.1.1/24", "fd00:10:244:1::1/64"]
        );
        assert_eq!(
            fs::read_to_string("/proc/sys/net/ipv6/conf/all/forwarding")
                .unwrap()
                .trim(),
            "1"
        );

        world.add("c2", &two, &conf);
        assert_eq!(talk(&one, &two, "fd00:10:244:1::3"), "fd00:10:244:1::2");
        assert_eq!(talk(&two, &one, "10.244.1.2"), "10.244.1.3");
    });
}

#[test]
fn pods_of_a_node_reach_each_other_without_neighbour_resolution() {
    isolated(
        "add::pods_of_a_node_reach_each_other_without_neighbour_resolution",
        |world| {
            let (one, two, conf) = (
                world.pod(),
                world.pod(),
                world.conf(json!({"ipMasq": true})),
            );
            world.add("c1", &one, &conf);
            world.add("c2", &two, &conf);
            assert_eq!(talk(&one, &two, "10.244.1.3"), "10.244.1.2");
            assert_eq!(talk(&two, &one, "10.244.1.2"), "10.244.1.3");
            let node = TcpListener::bind("10.244.1.1:0").unwrap();
            let address = node.local_addr().unwrap();
            let stream = one.within(|| TcpStream::connect(address)).unwrap();
            assert_eq!(node.accept().unwrap().1, stream.local_addr().unwrap());
            for (place, entries) in [
                ("pod", one.ip("neigh")),
                ("pod", two.ip("neigh")),
                ("node", world.ip("neigh")),
            ] {
                assert!(
                    neighbours(&entries)
                        .iter()
                        .all(|entry| entry.2 == "PERMANENT"),
                    "{place}: {entries}"
                );
            }
        },
    );
}

#[test]
fn an_interface_that_exists_is_refused_and_nothing_is_left() {
    isolated(
        "add::an_interface_that_exists_is_refused_and_nothing_is_left",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            pod.ip("link add eth0 type vxlan id 7 dstport 4789");
            let details = world.cni("ADD", "c1", &pod.path(), &conf).error(102);
            assert_eq!(
                details,
                format!("interface eth0 already exists in {}", pod.path())
            );
            world.assert_clean();
            assert_eq!(
                pod.ip("link show eth0")[0]["linkinfo"]["info_kind"],
                "vxlan"
            );
        },
    );
}

#[test]
fn a_second_add_is_refused_and_harms_nothing() {
    isolated("add::a_second_add_is_refused_and_harms_nothing", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({})));
        let result = world.add("c1", &pod, &conf);
        world.cni("ADD", "c1", &pod.path(), &conf).error(102);
        world.cni("ADD", "c2", &pod.path(), &conf).error(102);
        world.check("c1", &pod, &conf, &result).ok();
        assert_eq!(world.reservations(), ["10.244.1.2", "owner@c1@eth0"]);
    });
}

#[test]
fn what_a_crashed_add_left_is_replaced() {
    isolated("add::what_a_crashed_add_left_is_replaced", |world| {
        let (gone, pod, conf) = (world.pod(), world.pod(), world.conf(json!({})));
        world.add("c1", &gone, &conf);
        // The same attachment with a recreated namespace: link, neighbour and reservation of the old one exist.
        let result = world.add("c1", &pod, &conf);
        assert_eq!(result["ips"][0]["address"], "10.244.1.3/32");
        world.check("c1", &pod, &conf, &result).ok();
        assert_eq!(world.reservations(), ["10.244.1.3", "owner@c1@eth0"]);
        assert_eq!(names(&gone.ip("link")), ["lo"]);
        assert_eq!(neighbours(&world.ip("neigh")).len(), 1);

        // A link without any record, as after /var/lib/cni was lost.
        fs::remove_dir_all(world.data_dir()).unwrap();
        let third = world.pod();
        world.add("c1", &third, &conf);
        assert_eq!(world.veths().len(), 1);
        assert_eq!(names(&pod.ip("link")), ["lo"]);
    });
}

#[test]
fn a_foreign_link_is_not_taken_for_ours() {
    isolated("add::a_foreign_link_is_not_taken_for_ours", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({})));
        let result = world.add("c1", &pod, &conf);
        let veth = result["interfaces"][1]["name"].as_str().unwrap().to_owned();
        world.del("c1", &conf);
        world.ip(&format!("link add {veth} type vxlan id 7 dstport 4789"));
        let details = world.cni("ADD", "c1", &pod.path(), &conf).error(104);
        assert!(details.starts_with(&veth), "{details}");
        world.del("c1", &conf);
        assert_eq!(names(&world.ip("link show type vxlan")), [veth]);
        world.assert_clean();
    });
}

#[test]
fn a_failure_halfway_takes_everything_back() {
    isolated("add::a_failure_halfway_takes_everything_back", |world| {
        // Its next hop is the pod itself: the last write of all fails.
        let route = json!([{"dst": "192.0.2.0/24", "gw": "10.244.1.2"}]);
        let (pod, conf) = (world.pod(), world.dual(json!({"ipam": {"routes": route}})));
        let details = world.cni("ADD", "c1", &pod.path(), &conf).error(101);
        assert!(details.contains("192.0.2.0/24"), "{details}");
        world.assert_clean();
        assert_eq!(names(&pod.ip("link")), ["lo"]);
    });
}

#[test]
fn a_namespace_that_is_none_is_refused() {
    isolated("add::a_namespace_that_is_none_is_refused", |world| {
        let conf = world.conf(json!({}));
        assert!(
            world
                .cni("ADD", "c1", "/proc/self/fd/999", &conf)
                .error(3)
                .contains("does not exist")
        );
        assert!(
            world
                .cni("ADD", "c1", "/etc/passwd", &conf)
                .error(4)
                .contains("CNI_NETNS /etc/passwd is not a namespace")
        );
        let fifo = world.data_dir().with_file_name("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(
            world
                .cni("ADD", "c1", fifo.to_str().unwrap(), &conf)
                .error(4)
                .contains("is not a namespace")
        );
        assert!(
            world
                .cni("ADD", "c1", "/proc/self/ns/net", &conf)
                .error(4)
                .contains("the node's own")
        );
        world.assert_clean();
    });
}

#[test]
fn routes_and_gateway_follow_the_configuration() {
    isolated(
        "add::routes_and_gateway_follow_the_configuration",
        |world| {
            let (pod, conf) = (
            world.pod(),
            world.conf(json!({
                "isDefaultGateway": false,
                "hairpinMode": false,
                "bridge": "br-pods",
                "ipam": {
                    "ranges": [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.40", "gateway": "10.244.1.254"}]],
                    "routes": [{"dst": "10.96.0.0/12"}, {"dst": "192.0.2.0/24", "gw": "10.244.1.9", "priority": 7}],
                },
                "dns": {"nameservers": ["10.96.0.10"]},
            })),
        );
            let result = world.add("c1", &pod, &conf);
            assert_eq!(
                result["ips"],
                json!([{"interface": 2, "address": "10.244.1.40/32", "gateway": "10.244.1.254"}])
            );
            assert_eq!(result["dns"], json!({"nameservers": ["10.96.0.10"]}));
            let expected = [
                triple("10.244.1.254", "", "eth0"),
                triple("10.244.1.0/24", "10.244.1.254", "eth0"),
                triple("10.96.0.0/12", "10.244.1.254", "eth0"),
                triple("192.0.2.0/24", "10.244.1.9", "eth0"),
            ];
            assert_eq!(routes(&pod.ip("route")), expected.into());
            assert_eq!(world.bridge("link")[0]["hairpin"], false);
            assert_eq!(addresses(&world.ip("addr"), "br-pods"), ["10.244.1.254/24"]);
            world.check("c1", &pod, &conf, &result).ok();
        },
    );
}

#[test]
fn every_version_is_answered_in_its_own_shape() {
    isolated(
        "add::every_version_is_answered_in_its_own_shape",
        |world: &World| {
            for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
                let (pod, conf) = (world.pod(), world.dual(json!({"cniVersion": version})));
                let result = world.add("c1", &pod, &conf);
                assert_eq!(result["cniVersion"], version);
                assert_eq!(result["ips"][1].get("version").is_some(), version < "1.0.0");
                assert_eq!(
                    result["interfaces"][2].get("mtu").is_some(),
                    version == "1.1.0"
                );
                if version >= "0.4.0" {
                    world.check("c1", &pod, &conf, &result).ok();
                }
                world.del("c1", &conf);
            }
            world.assert_clean();
        },
    );
}

#[test]
fn a_result_of_an_earlier_plugin_is_added_to() {
    isolated("add::a_result_of_an_earlier_plugin_is_added_to", |world| {
        let pod = world.pod();
        let prev = json!({
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "net1", "sandbox": pod.path(), "pciID": "0000:00:1f.6"}],
            "ips": [{"interface": 0, "address": "192.0.2.7/24"}],
            "dns": {"domain": "example"},
        });
        let conf = world.conf(json!({"prevResult": prev, "dns": {"domain": "ours"}}));
        let result = world.add("c1", &pod, &conf);
        assert_eq!(result["interfaces"][0], prev["interfaces"][0]);
        assert_eq!(result["ips"][0], prev["ips"][0]);
        assert_eq!(result["ips"][1]["interface"], 3);
        assert_eq!(result["interfaces"][3]["name"], "eth0");
        assert_eq!(result["dns"], prev["dns"]);
        world.check("c1", &pod, &conf, &result).ok();
    });
}
