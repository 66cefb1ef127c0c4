//! Links: written here, read by `ip` and `bridge`.

use flatnet_netlink::request::{Veth, Vxlan};
use flatnet_netlink::{Request, VxlanInfo};
use serde_json::{Value, json};

use crate::observer::{bridge, ip, ip_succeeds};
use crate::scene::{Namespace, alone, device, link, mac, veth};

/// The first entry of `ip -d link show`.
#[track_caller]
fn shown(name: &str) -> Value {
    ip(&format!("-d link show dev {name}"))[0].take()
}

pub(crate) fn has_flag(shown: &Value, flag: &str) -> bool {
    shown["flags"].as_array().unwrap().contains(&json!(flag))
}

#[test]
fn a_bridge_is_created_down_with_its_mac_and_mtu_and_without_snooping() {
    alone(|route| {
        route
            .send(Request::add_bridge("cni0", mac(1), 1450))
            .unwrap();
        let seen = shown("cni0");
        assert_eq!(seen["address"], "0a:58:00:00:00:01");
        assert_eq!(seen["mtu"], 1450);
        assert!(!has_flag(&seen, "UP"));
        let data = &seen["linkinfo"]["info_data"];
        assert_eq!(
            (&data["mcast_snooping"], &data["forward_delay"]),
            (&json!(0), &json!(0))
        );
    });
}

#[test]
fn a_veth_is_made_on_its_bridge_and_in_the_other_namespace_in_one_message() {
    alone(|route| {
        let bridge_index = device(route, "cni0");
        let pod = Namespace::new();
        route
            .send(Request::add_veth(&Veth {
                name: "veth0",
                master: Some(bridge_index),
                mtu: Some(1400),
                mac: Some(mac(2)),
                up: true,
                peer_name: "eth0",
                peer_ns: Some(pod.fd()),
                peer_mac: Some(mac(3)),
            }))
            .unwrap();

        let near = shown("veth0");
        assert_eq!(near["master"], "cni0");
        assert_eq!(
            (&near["address"], &near["mtu"]),
            (&json!("0a:58:00:00:00:02"), &json!(1400))
        );
        assert!(has_flag(&near, "UP"));
        let far = pod.run(|| shown("eth0"));
        assert_eq!(
            (&far["address"], &far["mtu"]),
            (&json!("0a:58:00:00:00:03"), &json!(1400))
        );
        assert!(!has_flag(&far, "UP"));
        assert!(
            !ip_succeeds("link show dev eth0"),
            "the far end is not here"
        );

        let read = link(route, "veth0");
        assert_eq!(read.kind, "veth");
        assert_eq!(
            (read.master, read.mac, read.mtu, read.up),
            (Some(bridge_index), Some(mac(2)), 1400, true)
        );
        assert_eq!(read.link, Some(link(&mut pod.route(), "eth0").index));
        assert_eq!(
            read.link_netnsid,
            near["link_netnsid"].as_i64().map(|id| id as i32)
        );
        assert_eq!(read.port.map(|port| port.hairpin), Some(false));
    });
}

#[test]
fn hairpin_is_switched_on_and_off() {
    alone(|route| {
        let hairpin = || bridge("-d link show dev veth0")[0]["hairpin"].take();
        let bridge_index = device(route, "cni0");
        let pod = Namespace::new();
        route
            .send(Request::add_veth(&Veth {
                master: Some(bridge_index),
                ..veth("veth0", "eth0", Some(&pod))
            }))
            .unwrap();
        let port = link(route, "veth0").index;
        for on in [true, false, true] {
            route.send(Request::set_hairpin(port, on)).unwrap();
            assert_eq!(hairpin(), on);
            assert_eq!(link(route, "veth0").port.unwrap().hairpin, on);
        }
    });
}

#[test]
fn a_vxlan_has_what_was_asked_for_over_either_family() {
    alone(|route| {
        let lower = device(route, "lower0");
        for (name, vni, local) in [("vx4", 1, "192.0.2.1"), ("vx6", 16_777_215, "fd00::1")] {
            let vxlan = Vxlan {
                name,
                vni,
                port: 8472,
                local: local.parse().unwrap(),
                dev: lower,
                mac: mac(4),
                mtu: 1400,
            };
            route.send(Request::add_vxlan(&vxlan)).unwrap();
            let seen = shown(name);
            let data = &seen["linkinfo"]["info_data"];
            assert_eq!(
                (&seen["address"], &seen["mtu"]),
                (&json!("0a:58:00:00:00:04"), &json!(1400))
            );
            assert_eq!((&data["id"], &data["port"]), (&json!(vni), &json!(8472)));
            assert_eq!(
                (&data["link"], &data["learning"]),
                (&json!("lower0"), &json!(false))
            );
            assert_eq!(
                data[if local.contains(':') {
                    "local6"
                } else {
                    "local"
                }],
                local
            );
            let expected = VxlanInfo {
                vni,
                port: 8472,
                local: Some(local.parse().unwrap()),
                learning: false,
            };
            let read = link(route, name);
            assert_eq!((read.vxlan, read.link), (Some(expected), Some(lower)));
        }
    });
}

#[test]
fn settings_of_a_link_can_be_changed() {
    alone(|route| {
        let first = device(route, "br0");
        route
            .send(Request::add_veth(&veth("veth0", "veth1", None)))
            .unwrap();
        let index = link(route, "veth0").index;

        route.send(Request::set_down(index)).unwrap();
        assert!(!has_flag(&shown("veth0"), "UP"));
        let mut batch = route.batch();
        batch
            .push(Request::set_mtu(index, 1234))
            .push(Request::set_mac(index, mac(9)))
            .push(Request::set_master(index, Some(first)))
            .push(Request::set_up(index));
        batch.commit().unwrap();
        let seen = shown("veth0");
        assert_eq!(
            (&seen["mtu"], &seen["address"]),
            (&json!(1234), &json!("0a:58:00:00:00:09"))
        );
        assert_eq!(seen["master"], "br0");
        assert!(has_flag(&seen, "UP"));

        route.send(Request::set_master(index, None)).unwrap();
        assert_eq!(shown("veth0").get("master"), None);
        assert_eq!(link(route, "veth0").port, None);
    });
}

#[test]
fn a_veth_is_deleted_from_either_namespace_with_its_peer() {
    alone(|route| {
        let pod = Namespace::new();
        route
            .send(Request::add_veth(&veth("veth0", "veth1", Some(&pod))))
            .unwrap();
        assert!(!ip_succeeds("link show dev veth1"));
        assert!(pod.run(|| ip_succeeds("link show dev veth1")));

        pod.route()
            .send(Request::del_link_by_name("veth1"))
            .unwrap();
        assert!(
            !ip_succeeds("link show dev veth0"),
            "the other end goes with it"
        );
        let index = device(route, "br0");
        route.send(Request::del_link(index)).unwrap();
        assert!(!ip_succeeds("link show dev br0"));
    });
}

#[test]
fn without_address_generation_a_link_comes_up_with_no_address() {
    alone(|route| {
        let addresses = |name: &str| {
            ip(&format!("-6 address show dev {name}"))[0]["addr_info"]
                .as_array()
                .map_or(0, Vec::len)
        };
        route
            .send(Request::add_veth(&Veth {
                up: false,
                ..veth("quiet", "peer0", None)
            }))
            .unwrap();
        let (quiet, peer) = (link(route, "quiet").index, link(route, "peer0").index);
        let mut batch = route.batch();
        batch
            .push(Request::set_addr_gen_none(quiet))
            .push(Request::set_up(quiet))
            .push(Request::set_up(peer));
        batch.commit().unwrap();
        assert_eq!(shown("quiet")["inet6_addr_gen_mode"], "none");
        assert_eq!(addresses("quiet"), 0);
        assert_eq!(
            addresses("peer0"),
            1,
            "the other end shows what would have been"
        );
    });
}

#[test]
fn a_device_too_small_for_ipv6_accepts_no_address_generation() {
    alone(|route| {
        route
            .send(Request::add_bridge("small", mac(1), 1230))
            .unwrap();
        let small = route.link("small").unwrap().unwrap().index;
        route.send(Request::set_mtu(small, 1230)).unwrap();
        route.send(Request::set_addr_gen_none(small)).unwrap();
        route.send(Request::set_up(small)).unwrap();
        assert_eq!(shown("small")["mtu"], 1230);
        assert_eq!(
            shown("small")["addr_info"].as_array().map_or(0, Vec::len),
            0
        );
    });
}
