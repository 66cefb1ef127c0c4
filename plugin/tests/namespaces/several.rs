//! A container with several interfaces, and several networks on one bridge.
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};

use crate::world::{Pod, World, isolated, routes, triple};

#[track_caller]
fn add(world: &World, ifname: &str, pod: &Pod, conf: &Value) -> Value {
    world.cni_of("ADD", "c1", ifname, &pod.path(), conf).ok()
}

#[track_caller]
fn check(world: &World, id: &str, ifname: &str, pod: &Pod, conf: &Value, result: &Value) {
    let mut conf = conf.clone();
    conf["prevResult"] = result.clone();
    world.cni_of("CHECK", id, ifname, &pod.path(), &conf).ok();
}

/// (device, metric) of every route to a destination, as `ip` reads them.
fn metrics(list: &Value, dst: &str) -> Vec<(String, u64)> {
    let routes = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|route| route["dst"] == dst);
    routes
        .map(|route| {
            let dev = route["dev"].as_str().unwrap().to_owned();
            (dev, route["metric"].as_u64().unwrap_or(0))
        })
        .collect()
}

/// The device by which a packet to `to` leaves the pod.
fn leaves_by(pod: &Pod, to: &str) -> String {
    pod.ip(&format!("route get {to}"))[0]["dev"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_second_interface_on_the_same_network_works_beside_the_first() {
    isolated(
        "several::a_second_interface_on_the_same_network_works_beside_the_first",
        |world| {
            let (pod, other, conf) = (world.pod(), world.pod(), world.dual(json!({})));
            let first = add(world, "eth0", &pod, &conf);
            let second = add(world, "net1", &pod, &conf);
            world.add("c2", &other, &conf);
            assert_eq!(second["ips"][0]["address"], "10.244.1.3/32");
            let listed = &second["routes"];
            assert_eq!(
                listed[0],
                json!({"dst": "10.244.1.1/32", "scope": 253, "priority": 1})
            );
            let metric = |metric: u64| [("eth0".to_owned(), 0), ("net1".to_owned(), metric)];
            assert_eq!(metrics(&pod.ip("route"), "default"), metric(1));
            assert_eq!(metrics(&pod.ip("route"), "10.244.1.1"), metric(1));
            let v6 = [("eth0".to_owned(), 1024), ("net1".to_owned(), 1025)];
            assert_eq!(metrics(&pod.ip("-6 route"), "default"), v6);
            assert_eq!(leaves_by(&pod, "10.244.1.4"), "eth0");
            check(world, "c1", "eth0", &pod, &conf, &first);
            check(world, "c1", "net1", &pod, &conf, &second);

            // Both addresses are reached, and what is bound to the second interface leaves by it.
            let peer = other.within(|| UdpSocket::bind("10.244.1.4:0")).unwrap();
            let target = peer.local_addr().unwrap();
            for (device, address) in [("eth0", "10.244.1.2"), ("net1", "10.244.1.3")] {
                let socket = pod.within(|| UdpSocket::bind((address, 0))).unwrap();
                setsockopt(&socket, sockopt::BindToDevice, &device.into()).unwrap();
                assert!(socket.as_raw_fd() > 0);
                socket.send_to(b"there", target).unwrap();
                let (length, from) = peer.recv_from(&mut [0; 16]).unwrap();
                assert_eq!((length, from.ip().to_string()), (5, address.to_owned()));
                peer.send_to(b"back", from).unwrap();
                let (length, from) = socket.recv_from(&mut [0; 16]).unwrap();
                assert_eq!((length, from), (4, target), "{device}");
            }

            // The second takes over when the first is gone.
            world.cni_of("DEL", "c1", "eth0", "", &conf).ok();
            check(world, "c1", "net1", &pod, &conf, &second);
            assert_eq!(leaves_by(&pod, "10.244.1.4"), "net1");
            world.cni_of("DEL", "c1", "net1", "", &conf).ok();
            world.del("c2", &conf);
            world.assert_clean();
        },
    );
}

#[test]
fn a_second_network_leaves_the_default_route_to_the_first() {
    isolated(
        "several::a_second_network_leaves_the_default_route_to_the_first",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            let other = world.conf(json!({
                "name": "other",
                "bridge": "br1",
                "ipam": {
                    "ranges": [[{"subnet": "10.9.0.0/24"}]],
                    "routes": [{"dst": "192.0.2.0/24"}, {"dst": "0.0.0.0/0", "priority": 50}],
                },
            }));
            let first = add(world, "eth0", &pod, &conf);
            let second = add(world, "net1", &pod, &other);
            let expected = [
                triple("default", "10.244.1.1", "eth0"),
                triple("10.244.1.1", "", "eth0"),
                triple("default", "10.9.0.1", "net1"),
                triple("10.9.0.1", "", "net1"),
                triple("192.0.2.0/24", "10.9.0.1", "net1"),
            ];
            assert_eq!(routes(&pod.ip("route")), expected.into());
            let of_default = metrics(&pod.ip("route"), "default");
            let net1 = |metric| ("net1".to_owned(), metric);
            assert_eq!(of_default, [("eth0".to_owned(), 0), net1(1), net1(50)]);
            assert_eq!(leaves_by(&pod, "198.51.100.1"), "eth0");
            assert_eq!(leaves_by(&pod, "192.0.2.1"), "net1");
            check(world, "c1", "eth0", &pod, &conf, &first);
            check(world, "c1", "net1", &pod, &other, &second);
            // Beside an interface that is not ours as well.
            let pod = world.pod();
            pod.ip("link add own type vxlan id 7 dstport 4789");
            pod.ip("link set own up");
            pod.ip("route add default dev own metric 100");
            let third = world.add("c3", &pod, &conf);
            assert_eq!(leaves_by(&pod, "198.51.100.1"), "own");
            check(world, "c3", "eth0", &pod, &conf, &third);
        },
    );
}

/// The MTU of the node's packets to an address: the route's, or the bridge's.
fn node_sends(world: &World, address: &str) -> u64 {
    let route = &world.ip(&format!("route get {address}"))[0];
    let of_route = route["metrics"][0]["mtu"].as_u64();
    of_route.unwrap_or_else(|| {
        let dev = route["dev"].as_str().unwrap();
        world.ip(&format!("link show {dev}"))[0]["mtu"]
            .as_u64()
            .unwrap()
    })
}

#[test]
fn networks_on_one_bridge_keep_their_own_mtu() {
    isolated(
        "several::networks_on_one_bridge_keep_their_own_mtu",
        |world| {
            let conf = world.dual(json!({"mtu": 1400}));
            let with = |name: &str, net: u8, mtu: u32| {
                world.conf(json!({
                    "name": name,
                    "mtu": mtu,
                    "ipam": {"ranges": [[{"subnet": format!("10.9.{net}.0/24")}]]},
                }))
            };
            let (small, large) = (with("small", 1, 1300), with("large", 2, 1500));
            let pods = [world.pod(), world.pod(), world.pod()];
            let first = world.add("c1", &pods[0], &conf);
            let second = world.add("c2", &pods[1], &small);
            let third = world.add("c3", &pods[2], &large);
            let bridge = |world: &World| world.ip("link show cni0")[0]["mtu"].as_u64().unwrap();
            assert_eq!(bridge(world), 1400);
            for (pod, result, mtu, address) in [
                (&pods[0], &first, 1400, "10.244.1.2"),
                (&pods[1], &second, 1300, "10.9.1.2"),
                (&pods[2], &third, 1400, "10.9.2.2"),
            ] {
                assert_eq!(pod.ip("link show eth0")[0]["mtu"], mtu);
                assert_eq!(result["interfaces"][2]["mtu"], mtu);
                assert_eq!(node_sends(world, address), mtu);
            }
            check(world, "c1", "eth0", &pods[0], &conf, &first);
            check(world, "c2", "eth0", &pods[1], &small, &second);
            check(world, "c3", "eth0", &pods[2], &large, &third);

            // Alone again, a network has the MTU that it is configured with.
            world.del("c1", &conf);
            world.del("c2", &small);
            let pod = world.pod();
            let fourth = world.add("c4", &pod, &large);
            assert_eq!(
                (bridge(world), &fourth["interfaces"][2]["mtu"]),
                (1500, &json!(1500))
            );
            assert_eq!(node_sends(world, "10.9.2.3"), 1500);
            // And where the smaller one is not changed any more, its route goes back to the bridge's.
            let same = with("small", 1, 1500);
            world.add("c5", &world.pod(), &same);
            assert_eq!(node_sends(world, "10.9.1.3"), 1500);
            assert_eq!(routes(&world.ip("route show dev cni0")).len(), 3);
        },
    );
}

#[test]
fn a_route_that_sends_a_pod_more_than_its_port_takes_is_named() {
    isolated(
        "several::a_route_that_sends_a_pod_more_than_its_port_takes_is_named",
        |world| {
            let (pod, other) = (world.pod(), world.pod());
            let (conf, small) = (
                world.conf(json!({"mtu": 1400})),
                world.conf(json!({
                    "name": "small",
                    "mtu": 1300,
                    "ipam": {"ranges": [[{"subnet": "fd00:9::/64"}]]},
                })),
            );
            world.add("c1", &pod, &conf);
            let result = world.add("c2", &other, &small);
            check(world, "c2", "eth0", &other, &small, &result);
            world.ip("-6 route change fd00:9::/64 dev cni0 proto kernel metric 256");
            let details = world.check("c2", &other, &small, &result).error(105);
            assert_eq!(
                details,
                "the node sends fd00:9::2 packets of up to 1400 bytes, its port takes 1300"
            );
            // The next ADD mends it.
            let third = world.pod();
            world.add("c3", &third, &small);
            check(world, "c2", "eth0", &other, &small, &result);
        },
    );
}
