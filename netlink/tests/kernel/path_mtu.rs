//! MTUs of routes: a route's own, and one that the kernel learned from an ICMP error.
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::thread;
use std::time::Instant;

use flatnet_netlink::{Flow, Request, Route};
use serde_json::Value;

use crate::observer::{ip, ip_succeeds};
use crate::scene::{LONG, Namespace, alone, veth};

/// What `ip route get` shows: MTU, and whether it expires.
fn shown(to: IpAddr) -> (Value, bool) {
    let route = &ip(&format!("route get {to}"))[0];
    let mtu = route["metrics"][0]["mtu"].clone();
    (mtu, route.get("expires").is_some())
}

fn read(route: &mut Route, to: IpAddr) -> (Option<u32>, bool) {
    let found = route.route_of(&Flow::to(to)).unwrap();
    (found.mtu, found.mtu_expires_s.is_some())
}

/// Sends datagrams, with DF as is the default, until the router's answer has come.
#[track_caller]
fn learn(from: &str, to: IpAddr) {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    let started = Instant::now();
    while shown(to) == (Value::Null, false) {
        assert!(started.elapsed() < LONG, "nothing was learned about {to}");
        // Once it is learned the datagram is refused.
        let _ = socket.send_to(&[0; 1400], (to, 9));
        thread::yield_now();
    }
}

#[test]
fn a_learned_mtu_is_told_from_one_of_the_route() {
    alone(|route| {
        let router = Namespace::new();
        route
            .send(Request::add_veth(&veth("eth0", "eth0", Some(&router))))
            .unwrap();
        router.run(|| {
            for sysctl in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                fs::write(format!("/proc/sys/net/{sysctl}"), "1").unwrap();
            }
            for line in [
                "link set eth0 up",
                "link add far mtu 1300 up type bridge",
                "address add 10.0.0.2/24 dev eth0",
                "address add fd00::2/64 dev eth0 nodad",
                "route add 10.2.0.0/24 dev far",
                "route add fd00:2::/64 dev far",
            ] {
                assert!(ip_succeeds(line), "{line}");
            }
        });
        for line in [
            "address add 10.0.0.1/24 dev eth0",
            "address add fd00::1/64 dev eth0 nodad",
            "route add 10.2.0.0/24 via 10.0.0.2",
            "route add 10.3.0.0/24 via 10.0.0.2 mtu 1290",
            "route add fd00:2::/64 via fd00::2",
            "route add fd00:3::/64 via fd00::2 mtu 1290",
        ] {
            assert!(ip_succeeds(line), "{line}");
        }
        for (from, learned, own) in [
            ("10.0.0.1", "10.2.0.9", "10.3.0.9"),
            ("fd00::1", "fd00:2::9", "fd00:3::9"),
        ] {
            let [learned, own] = [learned, own].map(|to| to.parse().unwrap());
            assert_eq!(read(route, learned), (None, false));
            learn(from, learned);
            assert_eq!(shown(learned), (Value::from(1300), true));
            assert_eq!(read(route, learned), (Some(1300), true));
            assert_eq!(read(route, own), (Some(1290), false));
        }
    });
}
